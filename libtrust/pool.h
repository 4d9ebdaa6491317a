#pragma once
// Idle connections, ready to use again. One is handed out only if it is still open, has nothing
// unread, and its peer is judged again and trusted by the generation of now; else it is closed and
// another is made, by resumption where a session allows it.
//
// Threads: any. After fork() a child's pool is empty: the parent's connections stay the parent's.
// Failure: as of connection.h.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "libtrust/connection.h"

namespace trust {

class Pool {
 public:
  struct Limits { // of idle connections
    std::size_t per_endpoint = 8;
    std::size_t total = 64;
    std::chrono::milliseconds idle{60'000};
  };

  // All connections are made with `config`.
  Pool(std::shared_ptr<PublishedStore> store, ConnectionConfig config);
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  // Closes the idle ones; those handed out are their holders'.
  ~Pool();

  void set_limits(const Limits& limits);

  // Blocking. Never waits for one in use, and never refuses for a limit.
  std::unique_ptr<Connection> get(const Endpoint& endpoint);
  // Kept if `reusable` and it is blocking, open and has nothing unread; else freed. Never throws.
  void put(std::unique_ptr<Connection> connection, bool reusable) noexcept;

  std::uint64_t idle(); // now
  std::uint64_t created() const; // opened since the start; of this process
  std::uint64_t reused() const; // handed out again
  std::uint64_t resumed() const; // opened by resumption

 private:
  struct State;
  struct AtomicLimits {
    std::atomic<std::size_t> per_endpoint;
    std::atomic<std::size_t> total;
    std::atomic<std::chrono::milliseconds::rep> idle_ms;
  };
  Limits limits() const;

  Connector connector_;
  const ConnectionConfig config_;
  AtomicLimits limits_; // a child's are the same
  PerProcess<State> state_;
};

} // namespace trust
