#pragma once
// Collects one request after the other from the bytes of a connection, without any system call.
// Between requests it holds no memory.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/http_body.h"
#include "daemon/http_head.h"

namespace trust {

class RequestReader {
 public:
  enum class Step {
    more,    // all bytes were taken, and more are wanted
    head,    // head() is there and checked; call begin_body() or reset()
    ready,   // head() with its body is there; call reset() when it has been taken away
    refused, // refusal() says why; nothing more can be read from this connection
  };

  // Takes from the front of `bytes` what belongs to this request, and removes it there.
  Step take(std::string_view& bytes, const HeadLimits& limits);

  // After Step::head.
  Head& head() noexcept { return *head_; }
  const Refusal& refusal() const noexcept { return refusal_; }

  // After Step::head: goes on to the body, if there is one; then `ready` or `more` or `refused`.
  Step begin_body(std::size_t max_bytes);

  // Forgets this request; the next begins.
  void reset() noexcept;

  // Whether no byte of a request has come.
  bool idle() const noexcept { return partial_.empty() && !head_; }
  std::size_t held_bytes() const noexcept;

 private:
  Step take_head(std::string_view& bytes, const HeadLimits& limits);
  Step take_body(std::string_view& bytes);
  Step refuse(const Refusal& refusal) {
    refusal_ = refusal;
    return Step::refused;
  }

  std::string partial_; // of a head
  HeadScan scan_;
  std::unique_ptr<Head> head_;
  std::unique_ptr<HttpBody> body_;
  Refusal refusal_;
};

} // namespace trust
