#include "libtrust/watch.h"

#include <algorithm>

#include "libtrust/error.h"

namespace trust {
namespace {

constexpr std::int64_t kFirstRetry_s = 60;

std::string words(Succession succession) {
  switch (succession) {
    case Succession::first: return "presents a certificate for the first time";
    case Succession::same_key: return "renewed its certificate with the same key";
    case Succession::same_ca: return "has a new key, certified by the same CA";
    case Succession::other_ca: return "presents a certificate by another CA";
    case Succession::self_signed_to_public: return "went from self-signed to a public CA";
    case Succession::public_to_unknown:
      return "presents a certificate that nobody vouches for, where a public CA did";
  }
  return "";
}

Alert about(const Watch& watch) {
  Alert alert;
  alert.target = watch.target;
  if (watch.kind == WatchKind::endpoint) {
    alert.hosts = {watch.target};
  } else {
    alert.files = {watch.target};
  }
  return alert;
}

} // namespace

std::string_view name_of(WatchKind kind) noexcept {
  switch (kind) {
    case WatchKind::endpoint: return "endpoint";
    case WatchKind::file: return "file";
    case WatchKind::directory: return "directory";
  }
  return "";
}

std::string_view name_of(Succession succession) noexcept {
  switch (succession) {
    case Succession::first: return "first";
    case Succession::same_key: return "same_key";
    case Succession::same_ca: return "same_ca";
    case Succession::other_ca: return "other_ca";
    case Succession::self_signed_to_public: return "self_signed_to_public";
    case Succession::public_to_unknown: return "public_to_unknown";
  }
  return "";
}

Succession succession(const Facet& before, const Facet& now) noexcept {
  if (before.spki_hash == now.spki_hash) return Succession::same_key;
  if (before.is_public && !now.trusted) return Succession::public_to_unknown;
  if (before.self_signed && now.is_public) return Succession::self_signed_to_public;
  // A self-signed one with another key has nothing in common with the one before but its words.
  if (now.self_signed || before.self_signed) return Succession::other_ca;
  // An issuer's name alone proves nothing: anybody may write it.
  if (before.anchor && now.anchor) {
    return *before.anchor == *now.anchor ? Succession::same_ca : Succession::other_ca;
  }
  if (!before.trusted && !now.trusted && before.issuer == now.issuer) return Succession::same_ca;
  return Succession::other_ca;
}

Facet Seen::facet() const {
  Facet facet;
  facet.spki_hash = certificate.spki_hash;
  facet.issuer = certificate.issuer;
  facet.anchor = anchor;
  facet.self_signed = certificate.is_self_signed;
  facet.trusted = trusted();
  facet.is_public = trusted() && trusted_by == "system_root";
  return facet;
}

std::int64_t next_look_s(std::uint64_t failures, std::int64_t interval_s, double spread) noexcept {
  std::int64_t wait = interval_s;
  if (failures > 0) {
    wait = kFirstRetry_s;
    for (std::uint64_t i = 1; i < failures && wait < interval_s; ++i) wait *= 4;
    wait = std::min(wait, interval_s);
  }
  const double share = 0.9 + 0.2 * std::clamp(spread, 0.0, 1.0);
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(static_cast<double>(wait) * share));
}

Alert changed_alert(const Watch& watch, const Seen& seen, Succession succession) {
  Alert alert = about(watch);
  alert.kind = AlertKind::changed;
  alert.fingerprint = seen.certificate.fingerprint;
  switch (succession) {
    case Succession::first:
    case Succession::same_key:
    case Succession::self_signed_to_public: alert.severity = Severity::info; break;
    case Succession::same_ca:
      alert.severity = seen.trusted() ? Severity::info : Severity::critical;
      break;
    case Succession::other_ca:
      alert.severity = seen.trusted() ? Severity::warning : Severity::critical;
      break;
    case Succession::public_to_unknown: alert.severity = Severity::critical; break;
  }
  alert.summary = watch.target + " " + words(succession) + ": " +
                  shown(seen.certificate.subject.empty() ? seen.certificate.fingerprint.text()
                                                         : seen.certificate.subject);
  if (!seen.trusted() && !seen.verdict.empty()) alert.summary += " (" + seen.verdict + ")";
  alert.hint = "trustctl why " + watch.target;
  return alert;
}

Alert pin_alert(const Watch& watch, const Seen& seen) {
  Alert alert = about(watch);
  alert.kind = AlertKind::pin_mismatch;
  // A pin that only reports refuses nobody.
  alert.severity = seen.pin_status == "mismatch" ? Severity::critical : Severity::warning;
  alert.fingerprint = seen.certificate.fingerprint;
  alert.summary = watch.target + " presents none of the keys that are pinned for it";
  alert.hint = "trustctl why " + watch.target;
  return alert;
}

Alert unreachable_alert(const Watch& watch, const std::string& problem) {
  Alert alert = about(watch);
  alert.kind = AlertKind::unreachable;
  alert.severity = Severity::warning;
  alert.summary = watch.kind == WatchKind::endpoint
                      ? watch.target + " cannot be reached: " + problem
                      : watch.target + " cannot be read: " + problem;
  alert.hint =
      watch.kind == WatchKind::endpoint ? "trustctl verify " + watch.target : "trustctl watch list";
  return alert;
}

} // namespace trust
