#include "libtrust/page_hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>

namespace trust {

PageHash page_hash(const std::uint8_t* content, std::size_t size, std::uint64_t number) noexcept {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_withSeed(content, size, number));
  PageHash hash;
  static_assert(sizeof canonical == sizeof hash);
  std::memcpy(hash.data(), &canonical, hash.size());
  return hash;
}

bool page_matches(const std::uint8_t* content, std::size_t size, std::uint64_t number) noexcept {
  const PageHash hash = page_hash(content, size, number);
  return std::memcmp(hash.data(), content + size, hash.size()) == 0;
}

std::uint64_t key_hash(std::string_view key, std::uint64_t seed) noexcept {
  return XXH3_64bits_withSeed(key.data(), key.size(), seed);
}

} // namespace trust
