#include "libtrust/der.h"

namespace trust {

std::optional<DerElement> DerReader::next() noexcept {
  constexpr std::uint8_t kLongTag = 0x1F;
  if (rest_.size() < 2 || (rest_[0] & kLongTag) == kLongTag) return {};
  std::size_t header = 2;
  std::size_t length = rest_[1];
  if (length >= 0x80) {
    const std::size_t count = length & 0x7F;
    if (count == 0 || count > 4 || rest_.size() < 2 + count || rest_[2] == 0) return {};
    length = 0;
    for (std::size_t i = 0; i < count; ++i) length = (length << 8) | rest_[2 + i];
    if (length < 0x80) return {};
    header += count;
  }
  if (rest_.size() - header < length) return {};
  const DerElement element{rest_[0], rest_.subspan(header, length),
                           rest_.subspan(0, header + length)};
  rest_ = rest_.subspan(header + length);
  return element;
}

std::optional<DerElement> DerReader::next(std::uint8_t tag) noexcept {
  if (rest_.empty() || rest_[0] != tag) return {};
  return next();
}

} // namespace trust
