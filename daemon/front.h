#pragma once
// The daemon's HTTP server: one event loop that collects bounded, checked requests from any
// number of connections, hands them to an Application, and writes the answers. An idle connection
// costs neither a thread nor a buffer.
//
// run() belongs to one thread; stop(), wake_streams() and counts() may be called from any.

#include <memory>
#include <vector>

#include "daemon/front_limits.h"
#include "daemon/listener.h"
#include "daemon/message.h"

namespace trust {

class Loop;

class Front {
 public:
  // Takes over the sockets. `application` outlives the Front. Raises RLIMIT_NOFILE to its hard
  // limit. Error{io} when the system refuses what a loop needs.
  Front(Application& application, std::vector<Listener> listeners, const FrontLimits& limits = {});
  ~Front();
  Front(const Front&) = delete;
  Front& operator=(const Front&) = delete;

  // Serves until stop(); then accepts nothing more, answers every request of which a byte has
  // arrived, ends the streams, and returns. Call it once.
  void run();

  // Ends run(). Safe in a signal handler.
  void stop() noexcept;

  // There may be events for the streams to pull. Cheap, and many calls cost one look.
  void wake_streams() noexcept;

  // A recent look, for /metrics and tests.
  FrontCounts counts() const noexcept;

 private:
  std::unique_ptr<Loop> loop_;
};

} // namespace trust
