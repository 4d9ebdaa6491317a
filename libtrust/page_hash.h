#pragma once
// The hash that a page of a published file ends with: over its other bytes, with its number as the
// seed, so that a page that lies elsewhere does not match either (XXH3, 128 bits, canonical). It is
// against damage, not against somebody: who may write the file could write hashes. Pure; never
// throws. Source: the XXH3 specification of xxHash 0.8.

#include <array>
#include <cstdint>
#include <string_view>

namespace trust {

using PageHash = std::array<std::uint8_t, 16>;

PageHash page_hash(const std::uint8_t* content, std::size_t size, std::uint64_t number) noexcept;
// Whether what follows the content is that hash.
bool page_matches(const std::uint8_t* content, std::size_t size, std::uint64_t number) noexcept;

// XXH3, 64 bits: where a key lies in a table.
std::uint64_t key_hash(std::string_view key, std::uint64_t seed) noexcept;

} // namespace trust
