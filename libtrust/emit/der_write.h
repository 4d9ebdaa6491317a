#pragma once
// Writing DER: elements made by wrapping contents in a tag and a length. What reads it is der.h.
// Pure; nothing throws but std::bad_alloc. Source: ITU-T X.690.

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "libtrust/certificate.h"
#include "libtrust/der.h"

namespace trust::der {

inline constexpr std::uint8_t kBoolean = 0x01;
inline constexpr std::uint8_t kUtcTime = 0x17;
inline constexpr std::uint8_t kGeneralizedTime = 0x18;
inline constexpr std::uint8_t kBmpString = 0x1e;
inline constexpr std::uint8_t kSet = 0x31;

// Context-specific tags.
constexpr std::uint8_t constructed(int number) { return static_cast<std::uint8_t>(0xa0 + number); }
constexpr std::uint8_t primitive(int number) { return static_cast<std::uint8_t>(0x80 + number); }

// How many bytes tag and length take before `length` bytes of contents.
std::size_t header_size(std::size_t length) noexcept;
void append_header(Bytes& to, std::uint8_t tag, std::size_t length);
void append(Bytes& to, ByteView bytes);

// An element around the contents, which are joined.
Bytes wrap(std::uint8_t tag, std::initializer_list<ByteView> contents);
inline Bytes wrap(std::uint8_t tag, ByteView contents) { return wrap(tag, {contents}); }

inline std::string_view text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

} // namespace trust::der
