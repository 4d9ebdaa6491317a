#include "libtrust/ending.h"

#include <algorithm>

#include "libtrust/error.h"

namespace trust {
namespace {

constexpr std::int64_t kDay_s = 86400;
constexpr std::size_t kFingerprintShown = 16;

std::string named(const Ending& ending, const Breaks& breaks) {
  if (!breaks.labels.empty() && breaks.labels.front() != ending.title) {
    return breaks.labels.front() + " (" + ending.title + ")";
  }
  return ending.title;
}

// What it is about, in a word: what people gave a name themselves goes first.
std::string target_of(const Ending& ending, const Breaks& breaks) {
  if (breaks.only_base()) return ending.title;
  for (const auto* names : {&breaks.labels, &breaks.hosts, &breaks.files}) {
    if (!names->empty()) return names->front();
  }
  return ending.title;
}

std::string listed(const Breaks& breaks) {
  std::vector<std::string> names = breaks.labels;
  names.insert(names.end(), breaks.hosts.begin(), breaks.hosts.end());
  if (names.empty()) names = breaks.files;
  constexpr std::size_t kMostListed = 5;
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < kMostListed; ++i) {
    text += (text.empty() ? "" : ", ") + names[i];
  }
  const std::uint64_t left =
      (names.size() > kMostListed ? names.size() - kMostListed : 0) + breaks.more;
  if (left > 0) text += " and " + std::to_string(left) + " more";
  return text;
}

// Never of a fingerprint: it may be that of a server which is not trusted.
std::string hint_for(const Breaks& breaks) {
  if (!breaks.labels.empty()) return "trustctl show " + breaks.labels.front();
  if (!breaks.hosts.empty()) return "trustctl why " + breaks.hosts.front();
  return breaks.base ? "trustctl list --all --expires-within 30d" : "trustctl watch list";
}

Alert about(const Ending& ending, const Breaks& breaks) {
  Alert alert;
  alert.target = target_of(ending, breaks);
  alert.fingerprint = ending.fingerprint;
  alert.labels = breaks.labels;
  alert.hosts = breaks.hosts;
  alert.files = breaks.files;
  alert.hint = hint_for(breaks);
  return alert;
}

Severity severity_at(std::int64_t left_s) {
  if (left_s <= kDay_s) return Severity::critical;
  return left_s <= 7 * kDay_s ? Severity::warning : Severity::info;
}

} // namespace

Ending Ending::of(const Fingerprint& fingerprint, std::string_view subject, Lifetime lifetime) {
  Ending ending;
  ending.cause = "end:" + fingerprint.text();
  ending.fingerprint = fingerprint;
  ending.title = subject.empty() ? fingerprint.text().substr(0, kFingerprintShown) : shown(subject);
  ending.lifetime = lifetime;
  return ending;
}

Alert alert_of(const Ending& ending, const Crossing& crossing, const Breaks& breaks) {
  Alert alert = about(ending, breaks);
  const UnixTime end = ending.lifetime.ends_at;
  const bool over = crossing.at >= end;
  alert.kind = over ? AlertKind::expired : AlertKind::expiring;
  alert.severity = over ? Severity::critical : severity_at(end - crossing.at);
  if (breaks.only_base()) alert.severity = std::min(alert.severity, Severity::warning);
  alert.threshold = crossing.threshold;
  alert.ends_at = end;
  alert.summary = named(ending, breaks) + (over ? " ended on " : " ends on ") + rfc3339(end);
  if (ending.cause.starts_with(kPinsCause)) {
    alert.kind = AlertKind::lock_out;
    alert.summary += ": without another pin nobody gets in";
    alert.hint = "trustctl pin add " + alert.target + " --backup PIN";
    return alert;
  }
  if (const std::string names = listed(breaks); !names.empty()) {
    alert.summary += (over ? "; broken: " : "; what breaks: ") + names;
  }
  return alert;
}

Alert not_yet_valid_alert(const Ending& ending, const Breaks& breaks) {
  Alert alert = about(ending, breaks);
  alert.kind = AlertKind::not_yet_valid;
  alert.severity = Severity::warning;
  alert.ends_at = ending.lifetime.begins_at;
  alert.summary = named(ending, breaks) + " is not valid before " +
                  rfc3339(ending.lifetime.begins_at) + "; is a clock wrong?";
  return alert;
}

Alert weak_alert(const std::string& target, const std::optional<Fingerprint>& fingerprint,
                 const std::string& weakness, const Breaks& breaks) {
  Alert alert;
  alert.kind = AlertKind::weak;
  alert.severity = Severity::warning;
  alert.target = target;
  alert.fingerprint = fingerprint;
  alert.summary = target + " has " + weakness;
  alert.labels = breaks.labels;
  alert.hosts = breaks.hosts;
  alert.files = breaks.files;
  if (fingerprint) alert.hint = "trustctl show " + fingerprint->text();
  return alert;
}

} // namespace trust
