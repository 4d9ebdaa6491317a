#include "daemon/routes/parameters.h"

#include <charconv>

#include "libtrust/error.h"

namespace trust {
namespace {

std::string named(std::string_view name) { return "the parameter \"" + shown(name) + "\""; }

} // namespace

std::optional<std::uint64_t> parse_number(std::string_view text) noexcept {
  // 18 digits fit SQLite's and everybody else's signed 64 bits.
  if (text.empty() || text.size() > 18 || text.find_first_not_of("0123456789") != text.npos) {
    return std::nullopt;
  }
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::optional<std::string> Parameters::text(std::string_view name) {
  taken_.emplace(name);
  std::optional<std::string> found;
  for (const auto& [key, value] : request_.query) {
    if (key != name) continue;
    if (found) throw Error(Code::usage, named(name) + " stands there twice");
    found = value;
  }
  return found;
}

std::optional<std::uint64_t> Parameters::number(std::string_view name) {
  const auto value = text(name);
  if (!value) return std::nullopt;
  const auto number = parse_number(*value);
  if (!number) throw Error(Code::usage, named(name) + " is not a whole number");
  return number;
}

std::optional<UnixTime> Parameters::time(std::string_view name) {
  const auto value = text(name);
  if (!value) return std::nullopt;
  return parse_time(*value);
}

bool Parameters::flag(std::string_view name) {
  const auto value = text(name);
  if (!value || *value == "false") return false;
  if (*value != "true") throw Error(Code::usage, named(name) + " is not true or false");
  return true;
}

std::size_t Parameters::limit() {
  const std::uint64_t limit = number("limit").value_or(kDefaultLimit);
  if (limit < 1 || limit > kMostLimit) {
    throw Error(Code::usage,
                "the parameter \"limit\" is not from 1 to " + std::to_string(kMostLimit));
  }
  return static_cast<std::size_t>(limit);
}

std::uint64_t Parameters::cursor(std::uint64_t first) {
  const auto value = text("cursor");
  if (!value) return first;
  const auto number = parse_number(*value);
  if (!number) throw Error(Code::usage, "the parameter \"cursor\" is not one that was given out");
  return *number;
}

void Parameters::finish() const {
  for (const auto& [name, value] : request_.query) {
    if (taken_.contains(name)) continue;
    std::string known;
    for (const std::string& one : taken_) known += (known.empty() ? "" : ", ") + one;
    throw Error(Code::usage, named(name) + " is not known",
                known.empty() ? "it takes none" : "known are " + known);
  }
}

} // namespace trust
