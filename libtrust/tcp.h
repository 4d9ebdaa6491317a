#pragma once
// A TCP connection under a deadline: names are resolved without blocking past it, every address
// is tried, and one that is slow does not hold up the next. Threads: any. Failure: Error{resolve,
// connect, timeout}, naming the endpoint; Error{cancelled} as soon as the deadline is told to stop.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "libtrust/error.h"
#include "libtrust/handles.h"
#include "libtrust/host.h"

namespace trust {

// The moment by which a whole operation has to be done, and how long it was given; or until a
// descriptor says that nobody waits for it any more.
class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  // `stop_fd` is the caller's: readable or hung up, the operation is to end.
  explicit Deadline(std::chrono::milliseconds given, int stop_fd = -1)
      : given_(given), at_(Clock::now() + given), stop_fd_(stop_fd) {}

  // Never negative.
  std::chrono::milliseconds remaining() const noexcept;
  bool passed() const noexcept { return remaining().count() == 0; }
  int stop_fd() const noexcept { return stop_fd_; }
  // "ENDPOINT did not answer within 10 s (WHILE)"
  Error error(const Endpoint& endpoint, std::string_view while_doing, std::string hint) const;

 private:
  std::chrono::milliseconds given_;
  Clock::time_point at_;
  int stop_fd_;
};

// Waits until poll(2) reports one of `events` or a fault on `fd`, or `wake`, if there is one, is
// readable; false if the deadline passed. Error{cancelled} if it is told to stop.
bool wait_for(int fd, short events, const Deadline& deadline, int wake = -1);

struct TcpConnection {
  Fd fd; // non-blocking, close-on-exec, without Nagle's delay
  Host address; // that answered
};

// Says why an address is not to be dialled, to follow "it is"; none: it may be.
using AddressFilter = std::optional<std::string_view> (*)(const Host& address);

// For who dials on behalf of others: unspecified, link-local, multicast and broadcast addresses,
// also where an IPv6 address stands for an IPv4 one.
std::optional<std::string_view> local_or_many(const Host& address) noexcept;

// A connection that is being made without blocking, but for looking up the name.
// Threads: one at a time.
class TcpAttempt {
 public:
  // Looks up the name, and begins. `refused`: as connect_tcp.
  TcpAttempt(const Endpoint& endpoint, const Deadline& deadline, AddressFilter refused = nullptr);
  TcpAttempt(TcpAttempt&&) noexcept;
  TcpAttempt& operator=(TcpAttempt&&) noexcept;
  ~TcpAttempt();

  // None: not yet.
  std::optional<TcpConnection> step();
  // Writable when step() has something to do; of several the latest. -1 if there is none.
  int fd() const noexcept;
  // Until step() has something to do, or `wake` is readable. Error{cancelled}.
  void wait(int wake = -1) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// `refused`: asked of every address, what DNS says included, before anything is sent there.
// Error{forbidden} if no other is left.
TcpConnection connect_tcp(const Endpoint& endpoint, const Deadline& deadline,
                          AddressFilter refused = nullptr);

} // namespace trust
