#pragma once
// The body of one request, collected from bytes as they come. The framing is read by http-parser,
// which knows nothing else of the request; its .cc is the only file that includes it. It takes
// chunk extensions and trailers without a word, so the lines between chunks are looked at first.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/http_head.h"

namespace trust {

class HttpBody {
 public:
  // `max_bytes`: of the body without its framing.
  HttpBody(const Framing& framing, std::size_t max_bytes);
  ~HttpBody();
  HttpBody(const HttpBody&) = delete;
  HttpBody& operator=(const HttpBody&) = delete;

  // Takes from the front of `bytes` what belongs to the body and removes it there. A refusal
  // (400, 413) is final. A length that is too large is refused before its bytes are there.
  std::optional<Refusal> take(std::string_view& bytes);

  bool complete() const noexcept;
  std::size_t held_bytes() const noexcept;
  std::string release() noexcept; // the body, once complete

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

} // namespace trust
