#include "daemon/request_reader.h"

#include <algorithm>
#include <utility>

namespace trust {

RequestReader::Step RequestReader::take(std::string_view& bytes, const HeadLimits& limits) {
  return head_ ? take_body(bytes) : take_head(bytes, limits);
}

RequestReader::Step RequestReader::take_head(std::string_view& bytes, const HeadLimits& limits) {
  // Mostly a head arrives whole, and is read where it lies.
  const std::size_t before = partial_.size();
  std::string_view all = bytes;
  if (before > 0) {
    const std::size_t room = limits.bytes > before ? limits.bytes - before : 0;
    partial_.append(bytes.substr(0, room + 1));
    all = partial_;
  }
  if (const auto refusal = scan_head(all, limits, scan_)) return refuse(*refusal);
  if (!scan_.complete) {
    if (before == 0) partial_ = bytes;
    bytes = {};
    return Step::more;
  }
  auto parsed = parse_head(all.substr(0, scan_.seen));
  bytes.remove_prefix(scan_.seen - before);
  if (const auto* refusal = std::get_if<Refusal>(&parsed)) return refuse(*refusal);
  head_ = std::make_unique<Head>(std::move(std::get<Head>(parsed)));
  std::string().swap(partial_);
  return Step::head;
}

RequestReader::Step RequestReader::begin_body(std::size_t max_bytes) {
  if (!head_->framing.has_body()) return Step::ready;
  body_ = std::make_unique<HttpBody>(head_->framing, max_bytes);
  std::string_view nothing;
  return take_body(nothing);
}

RequestReader::Step RequestReader::take_body(std::string_view& bytes) {
  if (const auto refusal = body_->take(bytes)) return refuse(*refusal);
  if (!body_->complete()) return Step::more;
  head_->request.body = body_->release();
  body_.reset();
  return Step::ready;
}

void RequestReader::reset() noexcept {
  std::string().swap(partial_);
  scan_ = HeadScan();
  head_.reset();
  body_.reset();
}

std::size_t RequestReader::held_bytes() const noexcept {
  std::size_t held = partial_.size();
  if (head_) held += sizeof(Head) + head_->request.body.capacity();
  if (body_) held += body_->held_bytes();
  return held;
}

} // namespace trust
