#include "libtrust/emit/hashed.h"

namespace trust {

std::string hashed_name(std::uint32_t subject_hash, std::size_t number) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string name;
  for (int shift = 28; shift >= 0; shift -= 4) name += kDigits[(subject_hash >> shift) & 0xf];
  return name + "." + std::to_string(number);
}

} // namespace trust
