#include "daemon/http_body.h"

#include <http_parser.h>

#include <algorithm>
#include <utility>

namespace trust {
namespace {

// Eight hex digits and CR LF say more than any limit allows.
constexpr std::size_t kLongestChunkLine = 10;

Refusal too_large() { return {413, "too_large", "the body of the request is too large"}; }

bool is_hex_digit(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

} // namespace

struct HttpBody::Parser {
  enum class Expects { data, chunk_line, data_end, last_line, nothing };

  explicit Parser(std::size_t limit) : max_bytes(limit) {
    http_parser_init(&state, HTTP_REQUEST);
    state.data = this;
  }

  static Parser& of(http_parser* parser) { return *static_cast<Parser*>(parser->data); }

  static const http_parser_settings& callbacks() {
    static const http_parser_settings settings = [] {
      http_parser_settings made;
      http_parser_settings_init(&made);
      made.on_body = [](http_parser* parser, const char* data, std::size_t size) {
        of(parser).body.append(data, size);
        return 0;
      };
      made.on_message_complete = [](http_parser* parser) {
        of(parser).complete = true;
        return 0;
      };
      return made;
    }();
    return settings;
  }

  // Whether http-parser agreed to all of `bytes`.
  bool feed(std::string_view bytes) {
    return http_parser_execute(&state, &callbacks(), bytes.data(), bytes.size()) == bytes.size() &&
           HTTP_PARSER_ERRNO(&state) == HPE_OK;
  }

  // One line at a time: gathers it in `line`, true when it is whole or cannot become right.
  bool gather_line(std::string_view& bytes) {
    while (!bytes.empty() && line.size() < kLongestChunkLine) {
      line += bytes.front();
      bytes.remove_prefix(1);
      if (line.back() == '\n') return true;
    }
    return line.size() == kLongestChunkLine;
  }

  std::optional<Refusal> take_chunk_line() {
    const std::string_view digits = std::string_view(line).substr(0, line.find_first_of("\r\n"));
    if (!line.ends_with("\r\n") || digits.size() + 2 != line.size() || digits.empty() ||
        !std::all_of(digits.begin(), digits.end(), is_hex_digit)) {
      return malformed("a chunk does not begin with its length alone in hex digits");
    }
    if (!feed(line)) return malformed("the body's chunks are malformed");
    line.clear();
    left = state.content_length;
    if (left > max_bytes - body.size()) return too_large();
    expects = left == 0 ? Expects::last_line : Expects::data;
    return std::nullopt;
  }

  std::optional<Refusal> take_end_line(Expects next) {
    if (line != "\r\n") {
      return malformed(expects == Expects::last_line ? "trailers are not taken"
                                                     : "a chunk is longer than its length");
    }
    if (!feed(line)) return malformed("the body's chunks are malformed");
    line.clear();
    expects = next;
    return std::nullopt;
  }

  http_parser state;
  const std::size_t max_bytes;
  std::string body;
  bool chunked = false;
  bool complete = false;
  Expects expects = Expects::data;
  std::uint64_t left = 0; // of the chunk or the body
  std::string line;       // an unfinished one; at most kLongestChunkLine
  std::optional<Refusal> refused;
};

HttpBody::HttpBody(const Framing& framing, std::size_t max_bytes)
    : parser_(std::make_unique<Parser>(max_bytes)) {
  parser_->chunked = framing.chunked;
  if (framing.chunked) {
    parser_->expects = Parser::Expects::chunk_line;
    parser_->feed("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    return;
  }
  parser_->left = framing.content_length.value_or(0);
  if (parser_->left > max_bytes) {
    parser_->refused = too_large();
    return;
  }
  parser_->feed("POST / HTTP/1.1\r\nContent-Length: " + std::to_string(parser_->left) + "\r\n\r\n");
  if (parser_->left == 0) parser_->expects = Parser::Expects::nothing;
}

HttpBody::~HttpBody() = default;

std::optional<Refusal> HttpBody::take(std::string_view& bytes) {
  using Expects = Parser::Expects;
  Parser& parser = *parser_;
  while (!parser.refused && parser.expects != Expects::nothing && !bytes.empty()) {
    if (parser.expects == Expects::data) {
      const std::string_view data =
          bytes.substr(0, std::min<std::uint64_t>(bytes.size(), parser.left));
      if (!parser.feed(data)) {
        parser.refused = malformed("the body is malformed");
        break;
      }
      bytes.remove_prefix(data.size());
      parser.left -= data.size();
      if (parser.left > 0) break;
      parser.expects = parser.chunked ? Expects::data_end : Expects::nothing;
      continue;
    }
    if (!parser.gather_line(bytes)) break;
    if (parser.expects == Expects::chunk_line) {
      parser.refused = parser.take_chunk_line();
    } else if (parser.expects == Expects::data_end) {
      parser.refused = parser.take_end_line(Expects::chunk_line);
    } else {
      parser.refused = parser.take_end_line(Expects::nothing);
    }
  }
  return parser.refused;
}

bool HttpBody::complete() const noexcept { return parser_->complete; }

std::size_t HttpBody::held_bytes() const noexcept { return parser_->body.capacity(); }

std::string HttpBody::release() noexcept { return std::move(parser_->body); }

} // namespace trust
