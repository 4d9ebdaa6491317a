#pragma once
// The head of a request as bytes from anybody: where it ends, whether every byte of it is right,
// and what it says. Pure, and the first thing that outside bytes meet. What is let through here
// is narrower than HTTP/1.1: one way to write everything that others have been confused by.
//   lines end in CRLF, with no other control character than HTAB and nothing above 0x7e
//   METHOD SP origin-form SP HTTP/1.1
//   names are tokens directly followed by a colon; no line is folded
//   exactly one Host; at most one Content-Length (1 to 10 digits) or one Transfer-Encoding
//   (exactly "chunked"), never both; no Upgrade, Trailer or Content-Encoding; Expect only
//   "100-continue"; fields that routes use at most once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "daemon/message.h"

namespace trust {

// Why the front answers by itself. The texts are literals.
struct Refusal {
  int status = 400;
  std::string_view code;
  std::string_view detail;
};
inline Refusal malformed(std::string_view detail) { return {400, "malformed", detail}; }

struct HeadLimits {
  std::size_t bytes = 16 * 1024;
  std::size_t fields = 64;
};

// A longer target is answered 414, a longer field 431: cpp-httplib has a limit of 8,192 of its own
// for a line, and would answer in its own way.
inline constexpr std::size_t kLongestTarget = 8000;
inline constexpr std::size_t kLongestField = 8000;

// How far a head that arrives in parts has been looked at. Every byte is looked at once.
struct HeadScan {
  std::size_t seen = 0;    // bytes found right
  std::size_t lines = 0;   // complete ones
  std::size_t line_at = 0; // where the line begins that is not complete
  bool complete = false;   // then the head is the first `seen` bytes
};

// Goes on with `bytes`, which begin with the request and have grown since. Tells at once of what
// cannot become right: a wrong byte, a complete but wrong first line, too much.
std::optional<Refusal> scan_head(std::string_view bytes, const HeadLimits& limits, HeadScan& scan);

// How the body is delimited, and what the connection is to do.
struct Framing {
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  bool expect_continue = false;
  bool close = false;     // Connection: close
  bool head_only = false; // HEAD; the request says GET

  bool has_body() const noexcept { return chunked || content_length.value_or(0) > 0; }
};

struct Head {
  Request request; // without body and peer
  Framing framing;
};

// Reads a head that scan_head found complete, the empty line included.
std::variant<Head, Refusal> parse_head(std::string_view bytes);

} // namespace trust
