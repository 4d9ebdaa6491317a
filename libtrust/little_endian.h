#pragma once
// Numbers as bytes, the least first, whatever the machine's order is. Pure.

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

namespace trust {

// Writes sizeof(Number) bytes at `to`.
template <typename Number>
void put_little(std::uint8_t* to, Number number) noexcept {
  const auto bits = static_cast<std::make_unsigned_t<Number>>(number);
  for (std::size_t i = 0; i < sizeof bits; ++i) to[i] = static_cast<std::uint8_t>(bits >> (8 * i));
}

template <typename Number>
void append_little(std::string& to, Number number) {
  std::uint8_t bytes[sizeof number];
  put_little(bytes, number);
  to.append(reinterpret_cast<const char*>(bytes), sizeof bytes);
}

// Of sizeof(Number) bytes at `from`.
template <typename Number>
Number little_at(const std::uint8_t* from) noexcept {
  std::make_unsigned_t<Number> bits = 0;
  for (std::size_t i = 0; i < sizeof bits; ++i)
    bits = static_cast<decltype(bits)>(bits | static_cast<decltype(bits)>(from[i]) << (8 * i));
  return static_cast<Number>(bits);
}

} // namespace trust
