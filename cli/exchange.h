#pragma once
// One HTTP request and its answer over a socket that is connected: under one deadline, every byte
// counted before it is parsed, nothing unpacked, followed or retried. Its .cc is the only file of
// this folder that includes http-parser, which frames the answer. One thread, one use.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace trust {

class Exchange {
 public:
  enum class Trouble { none, too_large, timed_out, ended };

  // `fd` stays the caller's. `most_bytes`: of the whole answer.
  Exchange(int fd, std::int64_t timeout_ms, std::size_t most_bytes);

  // Called when the head is there; then body(), with each piece as it comes, until it returns
  // false, which ends the exchange without trouble. What they throw passes through run().
  std::function<void(int status, const std::string& content_type)> head;
  std::function<bool(std::string_view piece)> body;

  // From here on neither the deadline nor the total holds: what follows is a stream of events.
  void be_endless() noexcept;

  // `request`: head and body, as they are sent. Returns when the answer is whole, or why it is not.
  Trouble run(std::string_view request);

 private:
  struct Parser;

  bool wait_for(short events);
  void send(std::string_view request);

  int fd_;
  std::optional<std::chrono::steady_clock::time_point> deadline_;
  std::size_t left_;
  bool endless_ = false;
  Trouble trouble_ = Trouble::none;
};

} // namespace trust
