#include "libtrust/emit/der_write.h"

namespace trust::der {

std::size_t header_size(std::size_t length) noexcept {
  std::size_t size = 2;
  if (length >= 0x80) {
    for (std::size_t rest = length; rest != 0; rest >>= 8) ++size;
  }
  return size;
}

void append_header(Bytes& to, std::uint8_t tag, std::size_t length) {
  to.push_back(tag);
  const std::size_t count = header_size(length) - 2;
  if (count == 0) {
    to.push_back(static_cast<std::uint8_t>(length));
    return;
  }
  to.push_back(static_cast<std::uint8_t>(0x80 | count));
  for (std::size_t i = count; i-- > 0;) {
    to.push_back(static_cast<std::uint8_t>(length >> (8 * i)));
  }
}

void append(Bytes& to, ByteView bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

Bytes wrap(std::uint8_t tag, std::initializer_list<ByteView> contents) {
  std::size_t length = 0;
  for (const ByteView part : contents) length += part.size();
  Bytes bytes;
  bytes.reserve(header_size(length) + length);
  append_header(bytes, tag, length);
  for (const ByteView part : contents) append(bytes, part);
  return bytes;
}

} // namespace trust::der
