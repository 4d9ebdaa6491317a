#include "daemon/http_head.h"

#include <algorithm>
#include <array>
#include <utility>

#include "daemon/http_target.h"
#include "daemon/http_text.h"

namespace trust {
namespace {

constexpr bool is_token_char(char c) noexcept {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

enum ByteKind : unsigned char { kWrong, kText, kCr, kLf };

constexpr std::array<ByteKind, 256> byte_kinds() {
  std::array<ByteKind, 256> kinds{};
  for (std::size_t c = 0x20; c <= 0x7e; ++c) kinds[c] = kText;
  kinds['\t'] = kText;
  kinds['\r'] = kCr;
  kinds['\n'] = kLf;
  return kinds;
}
constexpr std::array<ByteKind, 256> kByteKinds = byte_kinds();

constexpr std::array<bool, 256> token_chars() {
  std::array<bool, 256> table{};
  for (std::size_t c = 0; c < 128; ++c) table[c] = is_token_char(static_cast<char>(c));
  return table;
}
constexpr std::array<bool, 256> kTokenChars = token_chars();

bool is_token(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return kTokenChars[static_cast<unsigned char>(c)];
  });
}

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

// `wanted` is lower case.
bool same_name(std::string_view name, std::string_view wanted) noexcept {
  return name.size() == wanted.size() && std::equal(name.begin(), name.end(), wanted.begin(),
                                                    [](char a, char b) { return lower(a) == b; });
}

struct RequestLine {
  std::string_view method;
  std::string_view target;
};

std::variant<RequestLine, Refusal> read_request_line(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos || line.find(' ', second + 1) != std::string_view::npos) {
    return malformed("the request line is not METHOD, one space, target, one space, HTTP/1.1");
  }
  const RequestLine parts{line.substr(0, first), line.substr(first + 1, second - first - 1)};
  const std::string_view version = line.substr(second + 1);
  if (!is_token(parts.method)) return malformed("the method is not a token");
  if (version != "HTTP/1.1") {
    if (version.size() == 8 && version.starts_with("HTTP/") && is_digit(version[5]) &&
        version[6] == '.' && is_digit(version[7])) {
      return Refusal{505, "http_version", "only HTTP/1.1 is spoken here"};
    }
    return malformed("the request line does not end in HTTP/1.1");
  }
  return parts;
}

constexpr std::array<std::string_view, 7> kMethods = {"GET",   "HEAD",   "POST",   "PUT",
                                                      "PATCH", "DELETE", "OPTIONS"};

// The fields seen so far of those that may stand once.
struct Once {
  bool content_length = false;
  bool transfer_encoding = false;
  bool expect = false;
  bool host = false;
};

std::optional<Refusal> read_content_length(std::string_view value, Framing& framing) {
  // Ten digits are enough for every limit there is, and cannot overflow.
  if (value.empty() || value.size() > 10 || !std::all_of(value.begin(), value.end(), is_digit)) {
    return malformed("Content-Length is not 1 to 10 digits");
  }
  std::uint64_t length = 0;
  for (const char c : value) length = length * 10 + static_cast<std::uint64_t>(c - '0');
  framing.content_length = length;
  return std::nullopt;
}

void read_connection(std::string_view value, Framing& framing) {
  while (!value.empty()) {
    const std::size_t comma = value.find(',');
    if (same_name(trimmed(value.substr(0, comma)), "close")) framing.close = true;
    value.remove_prefix(comma == std::string_view::npos ? value.size() : comma + 1);
  }
}

// The fields that routes may use, besides Host.
using RequestField = std::pair<std::string_view, std::optional<std::string> Request::*>;
constexpr std::array<RequestField, 8> kRequestFields = {{
    {"content-type", &Request::content_type},
    {"accept", &Request::accept},
    {"authorization", &Request::authorization},
    {"if-match", &Request::if_match},
    {"if-none-match", &Request::if_none_match},
    {"last-event-id", &Request::last_event_id},
    {"origin", &Request::origin},
    {"sec-fetch-site", &Request::sec_fetch_site},
}};

bool first_time(bool& seen) noexcept { return !std::exchange(seen, true); }

std::optional<Refusal> read_field(std::string_view line, Head& head, Once& once) {
  if (line.size() > kLongestField) {
    return Refusal{431, "too_large", "a header field is too long"};
  }
  if (line.front() == ' ' || line.front() == '\t') return malformed("a field is folded");
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return malformed("a field has no colon");
  const std::string_view name = line.substr(0, colon);
  if (!is_token(name)) {
    return malformed("a field's name is not a token directly followed by a colon");
  }
  const std::string_view value = trimmed(line.substr(colon + 1));
  Framing& framing = head.framing;

  if (same_name(name, "host")) {
    if (!first_time(once.host)) return malformed("there is a second Host");
    head.request.host = value;
    return std::nullopt;
  }
  for (const auto& [known, member] : kRequestFields) {
    if (!same_name(name, known)) continue;
    std::optional<std::string>& field = head.request.*member;
    if (field) return malformed("a field that may stand once stands twice");
    field = value;
    return std::nullopt;
  }
  if (same_name(name, "content-length")) {
    if (!first_time(once.content_length)) return malformed("there is a second Content-Length");
    return read_content_length(value, framing);
  }
  if (same_name(name, "transfer-encoding")) {
    if (!first_time(once.transfer_encoding)) {
      return malformed("there is a second Transfer-Encoding");
    }
    if (value != "chunked") return malformed("Transfer-Encoding is not \"chunked\"");
    framing.chunked = true;
    return std::nullopt;
  }
  if (same_name(name, "connection")) {
    read_connection(value, framing);
    return std::nullopt;
  }
  if (same_name(name, "expect")) {
    if (!first_time(once.expect)) return malformed("there is a second Expect");
    if (!same_name(value, "100-continue")) {
      return Refusal{417, "expectation", "Expect is not \"100-continue\""};
    }
    framing.expect_continue = true;
    return std::nullopt;
  }
  if (same_name(name, "upgrade")) return malformed("no other protocol is spoken here: Upgrade");
  if (same_name(name, "trailer")) return malformed("trailers are not taken: Trailer");
  if (same_name(name, "content-encoding")) {
    return Refusal{415, "media_type", "a body is taken as it is only: Content-Encoding"};
  }
  return std::nullopt;
}

} // namespace

std::optional<Refusal> scan_head(std::string_view bytes, const HeadLimits& limits, HeadScan& scan) {
  if (scan.complete) return std::nullopt;
  std::size_t at = scan.seen;
  const std::size_t end = std::min(bytes.size(), limits.bytes);
  while (at < end) {
    const ByteKind kind = kByteKinds[static_cast<unsigned char>(bytes[at])];
    if (kind == kText) {
      ++at;
      continue;
    }
    if (kind == kCr) {
      if (at + 1 == bytes.size()) break; // its LF may be on the way
      if (bytes[at + 1] != '\n') return malformed("a CR is not followed by LF");
      if (at + 1 == end) break; // over the limit by one byte
      const bool empty = at == scan.line_at;
      if (empty && scan.lines == 0) return malformed("the request begins with an empty line");
      at += 2;
      scan.line_at = at;
      if (empty) {
        scan.seen = at;
        scan.complete = true;
        return std::nullopt;
      }
      if (++scan.lines > limits.fields + 1) {
        return Refusal{431, "too_large", "the request has too many header fields"};
      }
      continue;
    }
    if (kind == kLf) return malformed("a line does not end in CR LF");
    return malformed("the head holds a control character or a byte that is not ASCII");
  }
  const std::size_t first_unseen_line = scan.seen;
  scan.seen = at;
  if (bytes.size() >= limits.bytes) {
    return Refusal{431, "too_large", "the head of the request is too large"};
  }
  // A wrong first line would else be told of only after the rest, which may never come.
  if (scan.lines > 0) {
    const std::size_t line_end = bytes.find('\r');
    if (line_end >= first_unseen_line) {
      const auto line = read_request_line(bytes.substr(0, line_end));
      if (const auto* refusal = std::get_if<Refusal>(&line)) return *refusal;
    }
  }
  return std::nullopt;
}

std::variant<Head, Refusal> parse_head(std::string_view bytes) {
  const auto next_line = [&bytes] {
    const std::size_t end = bytes.find("\r\n");
    const std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 2);
    return line;
  };
  const auto line = read_request_line(next_line());
  if (const auto* refusal = std::get_if<Refusal>(&line)) return *refusal;
  const auto& [method, target_text] = std::get<RequestLine>(line);

  if (target_text.size() > kLongestTarget) {
    return Refusal{414, "too_large", "the target of the request is too long"};
  }
  auto target = read_target(target_text);
  if (const auto* wrong = std::get_if<std::string_view>(&target)) return malformed(*wrong);
  if (method == "CONNECT") return malformed("CONNECT is not for this server");
  if (std::find(kMethods.begin(), kMethods.end(), method) == kMethods.end()) {
    return Refusal{501, "method", "that method is not known here"};
  }

  Head head;
  head.framing.head_only = method == "HEAD";
  head.request.method = head.framing.head_only ? "GET" : method;
  auto& parts = std::get<Target>(target);
  head.request.path = std::move(parts.path);
  head.request.segments = std::move(parts.segments);
  head.request.query = std::move(parts.query);

  Once once;
  while (!bytes.empty()) {
    const std::string_view field = next_line();
    if (field.empty()) break;
    if (std::optional<Refusal> refusal = read_field(field, head, once)) return *refusal;
  }
  if (!once.host) return malformed("there is no Host");
  if (once.content_length && once.transfer_encoding) {
    return malformed("there is both a Content-Length and a Transfer-Encoding");
  }
  head.request.has_body = once.content_length || once.transfer_encoding;
  return head;
}

} // namespace trust
