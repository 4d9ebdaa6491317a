#include "daemon/routes/table.h"

#include "daemon/routes/parameters.h"

namespace trust {
namespace {

constexpr std::size_t kFingerprintDigits = 64;
constexpr std::size_t kMostNameBytes = 63;

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> segments;
  while (!path.empty()) {
    path.remove_prefix(1); // the slash
    const std::size_t slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    path = slash == path.npos ? std::string_view{} : path.substr(slash);
  }
  return segments;
}

bool is_parameter(std::string_view segment) { return segment.starts_with('{'); }

bool fits(std::string_view parameter, std::string_view text) {
  if (parameter == "{name}") {
    return !text.empty() && text.size() <= kMostNameBytes &&
           text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._-") == text.npos;
  }
  if (parameter != "{fingerprint}") return parse_number(text).has_value();
  return text.size() == kFingerprintDigits &&
         text.find_first_not_of("0123456789abcdefABCDEF") == text.npos;
}

} // namespace

Table::Table(std::vector<Route> routes) : routes_(std::move(routes)) {
  for (const Route& route : routes_) {
    Pattern pattern{&route, split(route.path)};
    const std::size_t length = pattern.segments.size();
    if (by_length_.size() <= length) by_length_.resize(length + 1);
    by_length_[length].push_back(std::move(pattern));
  }
}

bool Table::matches(const Pattern& pattern, const Request& request) noexcept {
  for (std::size_t i = 0; i < pattern.segments.size(); ++i) {
    const std::string_view segment = pattern.segments[i];
    if (is_parameter(segment) ? !fits(segment, request.segments[i])
                              : segment != request.segments[i]) {
      return false;
    }
  }
  return true;
}

const Route* Table::find(const Request& request) const noexcept {
  const std::size_t length = request.segments.size();
  if (length >= by_length_.size()) return nullptr;
  for (const Pattern& pattern : by_length_[length]) {
    if (pattern.route->method == request.method && matches(pattern, request)) return pattern.route;
  }
  return nullptr;
}

std::vector<std::string> Table::path_values(const Route& route, const Request& request) {
  std::vector<std::string> values;
  if (route.path.find('{') == route.path.npos) return values;
  const auto segments = split(route.path);
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (is_parameter(segments[i])) values.push_back(request.segments[i]);
  }
  return values;
}

std::string Table::allowed(const Request& request) const {
  std::string allowed;
  const std::size_t length = request.segments.size();
  if (length >= by_length_.size()) return allowed;
  for (const Pattern& pattern : by_length_[length]) {
    if (!matches(pattern, request)) continue;
    allowed += (allowed.empty() ? "" : ", ") + std::string(pattern.route->method);
    if (pattern.route->method == "GET") allowed += ", HEAD";
  }
  return allowed;
}

} // namespace trust
