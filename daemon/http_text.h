#pragma once
// Text of HTTP fields: ASCII, whatever the locale. Pure.

#include <string_view>

namespace trust {

inline char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// Without the blanks around it, as RFC 9110 (5.6.3) has them.
inline std::string_view trimmed(std::string_view text) noexcept {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

} // namespace trust
