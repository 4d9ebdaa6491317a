#include "libtrust/threshold.h"

#include <algorithm>

#include "libtrust/error.h"

namespace trust {
namespace {

constexpr std::string_view kEnd = "0";

std::optional<int> parse_percent(std::string_view text) {
  if (text.size() < 2 || text.size() > 3 || text.back() != '%') return std::nullopt;
  int percent = 0;
  for (const char c : text.substr(0, text.size() - 1)) {
    if (c < '0' || c > '9') return std::nullopt;
    percent = percent * 10 + (c - '0');
  }
  if (percent == 0) return std::nullopt;
  return percent;
}

} // namespace

Threshold Threshold::parse(std::string_view text) {
  Threshold threshold;
  threshold.text_ = text;
  if (text == kEnd) return threshold;
  if (const auto percent = parse_percent(text)) {
    threshold.percent_ = *percent;
    return threshold;
  }
  if (text.ends_with('%')) {
    throw Error(Code::invalid, '"' + shown(text) + "\" is not a share from 1% to 99%");
  }
  threshold.seconds_ = parse_duration_s(text);
  return threshold;
}

std::optional<std::int64_t> Threshold::before_s(std::int64_t lifetime_s) const noexcept {
  if (percent_ != 0) {
    if (lifetime_s <= 0) return std::nullopt;
    return lifetime_s / 100 * percent_ + lifetime_s % 100 * percent_ / 100;
  }
  if (seconds_ != 0 && seconds_ >= lifetime_s) return std::nullopt;
  return seconds_;
}

Thresholds default_thresholds() {
  Thresholds thresholds;
  for (const char* text : {"30d", "14d", "7d", "1d", "0"}) {
    thresholds.push_back(Threshold::parse(text));
  }
  return thresholds;
}

std::vector<Crossing> crossings(const Lifetime& lifetime, const Thresholds& thresholds) {
  std::vector<Crossing> found;
  const std::int64_t length = lifetime.ends_at - lifetime.begins_at;
  for (const Threshold& threshold : thresholds) {
    const auto before = threshold.before_s(length);
    if (before) found.push_back({lifetime.ends_at - *before, threshold.text()});
  }
  found.push_back({lifetime.ends_at, std::string(kEnd)});
  std::stable_sort(found.begin(), found.end(),
                   [](const Crossing& a, const Crossing& b) { return a.at < b.at; });
  std::vector<Crossing> distinct;
  for (Crossing& crossing : found) {
    if (!distinct.empty() && distinct.back().at == crossing.at) distinct.pop_back();
    distinct.push_back(std::move(crossing));
  }
  return distinct;
}

Standing standing(const Lifetime& lifetime, const Thresholds& thresholds, UnixTime now) {
  Standing standing;
  for (Crossing& crossing : crossings(lifetime, thresholds)) {
    if (crossing.at > now) {
      standing.next = crossing.at;
      break;
    }
    standing.last = std::move(crossing);
  }
  return standing;
}

} // namespace trust
