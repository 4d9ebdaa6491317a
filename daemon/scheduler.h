#pragma once
// Sleeps until the earliest thing that is due, does it, and sleeps again. Told of by wake(): that
// something changed. The timer follows the wall clock, so that a suspend, or a clock that is set,
// misses nothing; what is done is written down with what was found, so nothing is done twice.
//
// A thread of its own from start() to stop(). Duties outlive it.

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "daemon/duty.h"
#include "libtrust/handles.h"
#include "libtrust/instant.h"

namespace trust {

class Scheduler {
 public:
  Scheduler(Clock clock, std::vector<Duty*> duties);
  ~Scheduler() { stop(); }
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  void start();
  void wake() noexcept; // any thread, at any time
  void stop() noexcept; // by the one that started it; waits for a duty that is at work

  // How often it looked for what is due: a test of sleeping.
  std::uint64_t turns() const noexcept { return turns_.load(); }

 private:
  void run() noexcept;
  // When to look again; the past: at once.
  std::optional<UnixTime> turn(UnixTime now);
  void sleep_until(std::optional<UnixTime> due);

  const Clock clock_;
  const std::vector<Duty*> duties_;
  const Fd timer_;
  const Fd wake_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> turns_{0};
  std::thread thread_;
};

} // namespace trust
