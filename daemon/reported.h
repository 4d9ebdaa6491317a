#pragma once
// What programs claim to have met: peers whose keys were not the pinned ones. Counted by who
// claims it, the host and the certificate, within a bound, and told now and then: a claim is worth
// an event and a number, and moves nothing. Pure; one thread.

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <tuple>

#include "libtrust/instant.h"
#include "libtrust/json.h"
#include "libtrust/report.h"

namespace trust {

struct ReportedLimits {
  std::size_t kept = 1024;        // claims in all; of one more the oldest is forgotten
  std::size_t kept_of_uid = 128;  // and of one uid, whose own oldest gives way
  std::int64_t again_s = 60;      // the same claim is told no sooner
  std::size_t told_of_uid = 10;   // within again_s
  std::size_t told = 60;          // within again_s, of all
};

class Reported {
 public:
  explicit Reported(ReportedLimits limits = {}) : limits_(limits) {}

  // Counts a claim of that uid; the data of an event that is due now, if one is:
  // {"claimed_by", "uid", "pid", "report", "host", "port", "fingerprint", "pin", "count" (since it
  // was told last), "total", "first_at", "last_at"}.
  std::optional<Json> count(uid_t uid, pid_t pid, const Report& report, UnixTime now);

  std::size_t kept() const noexcept { return claims_.size(); }

 private:
  using Key = std::tuple<uid_t, std::string, Port, Fingerprint, Report::Kind>;
  struct Claim {
    Key key;
    std::uint64_t total = 0;
    std::uint64_t untold = 0;
    UnixTime first = 0;
    std::optional<UnixTime> told;
  };
  struct Budget { // of one span of again_s
    UnixTime since = 0;
    std::size_t told = 0;
  };
  struct User {
    std::size_t kept = 0;
    Budget budget;
  };
  using Claims = std::list<Claim>; // the one that was claimed last is the last

  Claim& claim(const Key& key, UnixTime now);
  void forget(Claims::iterator which);
  bool may_tell(User& user, UnixTime now);

  const ReportedLimits limits_;
  Claims claims_;
  std::map<Key, Claims::iterator> by_key_;
  std::map<uid_t, User> users_; // of those with claims
  Budget budget_;
};

} // namespace trust
