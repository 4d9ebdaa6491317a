#pragma once
// One HTTP/1.1 POST over a stream that is there already: the request is written, one answer read,
// bounded in size and time, and that is all. No redirect is followed, no connection kept.
//
// Failure: Error{timeout} past the deadline, Error{cancelled or timeout} as the stream says,
// Error{connect} when the peer ends before its answer does or answers what is no HTTP/1.1.

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace trust {

inline constexpr std::size_t kMostHttpHeadBytes = std::size_t{16} << 10;
inline constexpr std::size_t kMostHttpBodyBytes = std::size_t{64} << 10;

// What carries the bytes; each blocks until its deadline and throws past it.
struct HttpStream {
  std::function<void(std::string_view bytes)> write;                 // all of it
  std::function<std::size_t(std::span<std::uint8_t> buffer)> read; // 0: the peer closed
};

struct HttpRequest {
  std::string host_field;
  std::string target;
  std::vector<std::pair<std::string, std::string>> fields; // none has a CR or LF
  std::string body;
};

struct HttpAnswer {
  int status = 0;
  std::string body; // the first kMostHttpBodyBytes; what comes after is not read
};

// `name` stands in messages: the peer's host, never more of a URL.
HttpAnswer http_post(const HttpStream& stream, const HttpRequest& request, const std::string& name);

} // namespace trust
