#pragma once
// A TCP connection under a deadline: names are resolved without blocking past it, every address
// is tried, and one that is slow does not hold up the next. Threads: any. Failure: Error{resolve,
// connect, timeout}, naming the endpoint.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "libtrust/error.h"
#include "libtrust/handles.h"
#include "libtrust/host.h"

namespace trust {

// The moment by which a whole operation has to be done, and how long it was given.
class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Deadline(std::chrono::milliseconds given) : given_(given), at_(Clock::now() + given) {}

  // Never negative.
  std::chrono::milliseconds remaining() const noexcept;
  bool passed() const noexcept { return remaining().count() == 0; }
  Clock::time_point at() const noexcept { return at_; }
  // "ENDPOINT did not answer within 10 s (WHILE)"
  Error error(const Endpoint& endpoint, std::string_view while_doing, std::string hint) const;

 private:
  std::chrono::milliseconds given_;
  Clock::time_point at_;
};

// Waits until poll(2) reports one of `events` or a fault on `fd`, or `wake`, if there is one, is
// readable; false if the deadline passed.
bool wait_for(int fd, short events, const Deadline& deadline, int wake = -1);

struct TcpConnection {
  Fd fd;        // non-blocking, close-on-exec, without Nagle's delay
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
  // Until step() has something to do, or `wake` is readable.
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
