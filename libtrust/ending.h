#pragma once
// What ends, what depends on it, and the alert that says so. Pure data and pure functions; kept by
// the store (store_ending.cc), seen to by the daemon's scheduler.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libtrust/alert.h"
#include "libtrust/certificate.h"
#include "libtrust/threshold.h"

namespace trust {

// One thing that ends, however many depend on it: fifty servers below one issuer are one alert.
struct Ending {
  std::string cause; // as of alerts: "end:<fingerprint>"; of a decision "entry:<id>"
  std::optional<Fingerprint> fingerprint;
  std::string title; // for people, made fit to be shown
  Lifetime lifetime;
  bool planned = false; // somebody gave it this end: nothing is said when it comes

  // Of a certificate. `subject` may come from outside.
  static Ending of(const Fingerprint& fingerprint, std::string_view subject, Lifetime lifetime);
};

enum class DependantKind { entry = 0, endpoint = 1, file = 2, pin = 3 };

// The cause of what ends the last certificate with a pinned key, before the pattern: everybody is
// locked out then.
inline constexpr std::string_view kPinsCause = "pins:";

// What breaks when something ends, at most kMostNamedInAlert of each.
struct Breaks {
  std::vector<std::string> labels, hosts, files;
  std::uint64_t more = 0; // that are not named
  bool base = false;      // among what depends on it is what lies beneath the entries

  // Nobody here asked for it, and nobody here can renew it.
  bool only_base() const noexcept { return base && labels.empty() && hosts.empty(); }
};

Alert alert_of(const Ending& ending, const Crossing& crossing, const Breaks& breaks);
Alert not_yet_valid_alert(const Ending& ending, const Breaks& breaks);
// "it has WEAKNESS"
Alert weak_alert(const std::string& target, const std::optional<Fingerprint>& fingerprint,
                 const std::string& weakness, const Breaks& breaks);

// A clock set back by no more than this repeats nothing that was told before. One that is set back
// further ran ahead: what was told meanwhile is taken back, and told again at its time.
inline constexpr std::int64_t kClockTolerance_s = 7 * 86400;
// A certificate made on a machine whose clock is a little ahead is no mistake.
inline constexpr std::int64_t kBeginTolerance_s = 300;

} // namespace trust
