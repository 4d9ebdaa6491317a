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
};
std::string_view name_of(AlertKind kind) noexcept; // "not_yet_valid"

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
};

} // namespace trust
