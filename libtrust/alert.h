#pragma once
// Alerts: a watch that crossed a threshold, a pin that did not match, a certificate that changed.
// Plain data; raised, delivered, acknowledged and resolved by the daemon. Source of the names:
// docs/alerts.md.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libtrust/certificate.h"
#include "libtrust/instant.h"

namespace trust {

enum class AlertKind {
  expiring,
  expired,
  not_yet_valid,
  changed,      // an endpoint presents another certificate
  pin_mismatch, // seen by the daemon's own probe
  unreachable,
  weak,
  lock_out,     // every pinned key's certificate ends, or there is no backup pin
  base,         // the base cannot be read, or lost more than half
  delivery,     // a sink refuses what it is sent
  hook,         // a hook failed after a renewal
  renewal,      // an identity could not be renewed
  emitted,      // somebody changed, removed or added a published file
};
std::string_view name_of(AlertKind kind) noexcept; // "not_yet_valid"
std::optional<AlertKind> alert_kind_named(std::string_view name) noexcept;

enum class Severity { info, warning, critical };
std::string_view name_of(Severity severity) noexcept;

struct Alert {
  std::int64_t id = 0;
  AlertKind kind = AlertKind::expiring;
  Severity severity = Severity::warning;
  std::string target;    // "dev.test:443", "/etc/app/server.pem", a label, a file that is emitted
  std::optional<Fingerprint> fingerprint;
  std::string summary;   // one sentence for people; from outside only what shown() made fit
  std::string hint;      // a command to paste, or ""
  std::string threshold; // "14d", "33%"; "" where there is none
  std::optional<UnixTime> ends_at; // what it warns of
  std::vector<std::string> labels, hosts, files; // what breaks
  UnixTime raised_at = 0;
  std::optional<UnixTime> acknowledged_at;
  std::optional<UnixTime> acknowledged_until; // none, though acknowledged: until it is resolved
  std::optional<UnixTime> resolved_at;

  bool open() const noexcept { return !resolved_at.has_value(); }
  bool acknowledged(UnixTime now) const noexcept {
    return acknowledged_at && (!acknowledged_until || *acknowledged_until > now);
  }
};

// What is to be told of an alert, once each. Numbers only grow and are never used again, so that a
// receiver that is told twice knows it by the number. One whose threshold was passed by the next is
// resolved without a word: its successor is told instead.
struct Notice {
  enum class What { raised, reminded, resolved };

  std::uint64_t number = 0;
  UnixTime at = 0;
  What what = What::raised;
  Alert alert; // as it is now, which may be resolved already
};
std::string_view name_of(Notice::What what) noexcept;

// Of each list of what breaks; a summary says how many more there are.
inline constexpr std::size_t kMostNamedInAlert = 50;

} // namespace trust
