#pragma once
// What looks after the daemon while it serves: ends it on SIGTERM, SIGINT or SIGHUP, and tells the
// service manager that it is ready, alive and stopping. One thread of its own.

#include <functional>
#include <string>
#include <thread>

namespace trust {

class Attendant {
 public:
  // Blocks the signals in this thread and in all that it starts: call before there are others.
  static void block_signals();

  // `stop` is called once, when a signal says so. The manager's watchdog is fed only while
  // `alive()` says that requests are answered. `status` is shown by the manager.
  Attendant(std::function<void()> stop, std::function<bool()> alive, const std::string& status);
  ~Attendant();
  Attendant(const Attendant&) = delete;
  Attendant& operator=(const Attendant&) = delete;

 private:
  void run();

  const std::function<void()> stop_;
  const std::function<bool()> alive_;
  std::thread thread_;
};

// Whether a request at that UNIX socket is answered, be it refused, within a few seconds.
bool answers(const std::string& socket_path);

} // namespace trust
