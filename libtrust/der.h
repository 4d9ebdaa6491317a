#pragma once
// A step through DER by hand: for finding where in a certificate something stands, and for
// telling apart what is none. Borrowed views; pure; never throws. Source: X.690.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace trust {

using ByteView = std::span<const std::uint8_t>;

inline ByteView view_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// One element: its tag byte, what is in it, and all of it.
struct DerElement {
  std::uint8_t tag;
  ByteView content;
  ByteView whole;
};

namespace der {
inline constexpr std::uint8_t kInteger = 0x02;
inline constexpr std::uint8_t kBitString = 0x03;
inline constexpr std::uint8_t kOctetString = 0x04;
inline constexpr std::uint8_t kObject = 0x06;
inline constexpr std::uint8_t kSequence = 0x30;
inline constexpr std::uint8_t kContext0 = 0xA0; // constructed
} // namespace der

// Reads one element after another.
class DerReader {
 public:
  explicit DerReader(ByteView bytes) noexcept : rest_(bytes) {}

  bool done() const noexcept { return rest_.empty(); }
  ByteView rest() const noexcept { return rest_; }

  // None, with the reader left where it is, if there is no whole element of one tag byte and a
  // definite length in its shortest form.
  std::optional<DerElement> next() noexcept;
  // The same, and none if its tag is another.
  std::optional<DerElement> next(std::uint8_t tag) noexcept;
  // Skips it if the next one has this tag.
  void skip(std::uint8_t tag) noexcept { next(tag); }

 private:
  ByteView rest_;
};

} // namespace trust
