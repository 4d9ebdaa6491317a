#pragma once
// The target of a request, "/v1/pins?host=a.example", taken apart and percent-decoded. Pure.

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace trust {

struct Target {
  std::string path;                  // as sent, without the query
  std::vector<std::string> segments; // decoded; none is empty, "." or ".." or holds a slash
  std::vector<std::pair<std::string, std::string>> query; // decoded, "+" being a space
};

// More pieces between "&" than this are refused.
inline constexpr std::size_t kMostQueryFields = 64;

// Reads an origin-form target of printable ASCII, else returns in a sentence what is wrong with
// it: another form, a fragment, a wrong percent-encoding, an empty or dotted segment (also
// encoded), an encoded slash, and text that is not UTF-8 or holds control characters.
std::variant<Target, std::string_view> read_target(std::string_view text);

} // namespace trust
