#include "daemon/reported.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

namespace trust {
namespace {

// A clock that was set back must not silence anything for long.
bool is_over(UnixTime since, UnixTime now, std::int64_t span_s) {
  return now < since || now - since >= span_s;
}

} // namespace

void Reported::forget(Claims::iterator which) {
  const auto user = users_.find(std::get<uid_t>(which->key));
  if (--user->second.kept == 0) users_.erase(user);
  by_key_.erase(which->key);
  claims_.erase(which);
}

Reported::Claim& Reported::claim(const Key& key, UnixTime now) {
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    claims_.splice(claims_.end(), claims_, found->second);
    return *found->second;
  }
  const uid_t uid = std::get<uid_t>(key);
  const auto user = users_.find(uid);
  if (user != users_.end() && user->second.kept >= limits_.kept_of_uid) {
    forget(std::find_if(claims_.begin(), claims_.end(),
                        [uid](const Claim& one) { return std::get<uid_t>(one.key) == uid; }));
  } else if (claims_.size() >= limits_.kept) {
    forget(claims_.begin());
  }
  Claim fresh;
  fresh.key = key;
  fresh.first = now;
  claims_.push_back(std::move(fresh));
  by_key_.emplace(key, std::prev(claims_.end()));
  ++users_[uid].kept;
  return claims_.back();
}

bool Reported::may_tell(User& user, UnixTime now) {
  for (Budget* budget : {&user.budget, &budget_}) {
    if (is_over(budget->since, now, limits_.again_s)) *budget = {now, 0};
  }
  if (user.budget.told >= limits_.told_of_uid || budget_.told >= limits_.told) return false;
  ++user.budget.told;
  ++budget_.told;
  return true;
}

std::optional<Json> Reported::count(uid_t uid, pid_t pid, const Report& report, UnixTime now) {
  Claim& one = claim({uid, report.host.text(), report.port, report.fingerprint, report.kind}, now);
  ++one.total;
  ++one.untold;
  if (one.told && !is_over(*one.told, now, limits_.again_s)) return std::nullopt;
  if (!may_tell(users_.at(uid), now)) return std::nullopt;
  one.told = now;
  Json data{{"claimed_by", "uid " + std::to_string(uid)},
            {"uid", uid},
            {"pid", pid},
            {"report", name_of(report.kind)},
            {"host", report.host.text()},
            {"port", report.port},
            {"fingerprint", report.fingerprint.text()},
            {"pin", report.pin.text()},
            {"count", one.untold},
            {"total", one.total},
            {"first_at", rfc3339(one.first)},
            {"last_at", rfc3339(now)}};
  one.untold = 0;
  return data;
}

} // namespace trust
