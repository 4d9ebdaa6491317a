// Hosts whose pins are about to lock everybody out: every pinned key's certificate ends, or there
// is no backup among them.

#include <algorithm>
#include <set>

#include "libtrust/error.h"
#include "libtrust/store_impl.h"

namespace trust {
namespace {

constexpr std::string_view kFollowedPin = "followed_pin";
constexpr std::string_view kFollowedPins = "followed_pins_generation";
constexpr std::string_view kNoBackup = "lock_out:no_backup";
constexpr std::uint64_t kMostCounted = 1'000;

std::string place_text(const std::string& pattern, std::int64_t port) {
  return PortPattern{Pattern::parse(pattern), static_cast<Port>(port)}.text();
}

} // namespace

std::optional<Lifetime> Store::Impl::latest_with_key(const Digest& spki_hash) const {
  std::optional<Lifetime> latest;
  const auto take = [&latest](Query&& query) {
    if (!query.step() || query.is_null(1)) return;
    const Lifetime found{query.integer(0), query.integer(1)};
    if (!latest || found.ends_at > latest->ends_at) latest = found;
  };
  // SQLite gives the columns of the row that has the greatest.
  take(Query(db,
             "SELECT c.not_before, max(c.not_after) FROM certificate c WHERE c.spki_hash = ? "
             "AND EXISTS(SELECT 1 FROM entry e WHERE e.certificate = c.id AND e.until IS NULL "
             "AND e.trust <> 2)",
             spki_hash));
  take(Query(db, "SELECT not_before, max(not_after) FROM sighting WHERE spki_hash = ?", spki_hash));
  return latest;
}

void Store::Impl::look_at_pins(Store& store, const Place& place, UnixTime now) {
  bool any = false;
  bool backup = false;
  bool all_end = true;
  Lifetime last{0, 0};
  {
    Query query(db,
                "SELECT spki_hash, role FROM pin INDEXED BY pin_pattern WHERE pattern = ? AND "
                "port = ? AND until IS NULL AND layer = 0 AND mode = 0 "
                "AND (expires_at IS NULL OR expires_at > ?)",
                place.first, place.second, now);
    while (query.step()) {
      any = true;
      backup = backup || query.integer(1) == static_cast<int>(PinRow::Role::backup);
      const auto lifetime = latest_with_key(query.digest(0));
      // A key without a certificate is one that can still be used.
      if (!lifetime) all_end = false;
      if (lifetime && lifetime->ends_at > last.ends_at) last = *lifetime;
    }
  }
  std::int64_t id = 0;
  {
    Query query(db, "SELECT id FROM pinned WHERE pattern = ? AND port = ?", place.first,
                place.second);
    if (query.step()) id = query.integer(0);
  }
  if (!any || (backup && !all_end)) {
    if (id == 0) return;
    store.depend(DependantKind::pin, id, {});
    Query(db, "DELETE FROM pinned WHERE id = ?", id).run();
    return;
  }
  if (id == 0) {
    Query(db, "INSERT INTO pinned VALUES(NULL, ?, ?, ?)", place.first, place.second, backup).run();
    id = db.last_id();
  } else {
    Query(db, "UPDATE pinned SET backup = ? WHERE id = ?", backup, id).run();
  }
  std::vector<Dependence> on;
  if (all_end) {
    const std::string name = place_text(place.first, place.second);
    Ending ending;
    ending.cause = std::string(kPinsCause) + name;
    ending.title = "the last certificate with a key that is pinned for " + name;
    ending.lifetime = last;
    on.push_back({std::move(ending), name});
  }
  store.depend(DependantKind::pin, id, on);
}

void Store::Impl::look_at_pins_of_key(Store& store, const Digest& spki_hash) {
  std::vector<Place> places;
  {
    Query query(db,
                "SELECT pattern, port FROM pin INDEXED BY pin_key WHERE spki_hash = ? "
                "AND until IS NULL AND layer = 0 AND mode = 0 LIMIT ?",
                spki_hash, kMostCounted);
    while (query.step()) places.push_back({query.text(0), query.integer(1)});
  }
  for (const Place& place : places) look_at_pins(store, place, clock());
}

void Store::Impl::tell_lone_pins(Store& store) {
  Breaks breaks;
  std::uint64_t count = 0;
  {
    Query query(db,
                "SELECT pattern, port FROM pinned INDEXED BY pinned_lone WHERE backup = 0 LIMIT ?",
                kMostCounted);
    while (query.step()) {
      if (++count <= kMostNamedInAlert) {
        breaks.hosts.push_back(place_text(query.text(0), query.integer(1)));
      }
    }
  }
  if (count == 0) {
    store.settle(kNoBackup);
    return;
  }
  Alert alert;
  alert.kind = AlertKind::lock_out;
  alert.severity = Severity::info;
  alert.target = breaks.hosts.front();
  alert.hosts = breaks.hosts;
  const std::string number =
      std::to_string(count) + (count == kMostCounted ? " or more hosts have" : " hosts have");
  alert.summary = (count == 1 ? breaks.hosts.front() + " has" : number) +
                  " no backup pin: who loses the key is locked out";
  alert.hint = "trustctl pin add " + breaks.hosts.front() + " --backup PIN";
  store.raise(kNoBackup, alert);
}

bool Store::pins_are_followed() const { return number_in(note(kFollowedPins)) == generation(); }

bool Store::follow_pins(std::size_t limit) {
  bool all = false;
  impl_->in_transaction([&] {
    const UnixTime now = impl_->clock();
    const auto most = static_cast<std::uint64_t>(limit);
    std::set<Impl::Place> places;
    std::uint64_t newest = number_in(note(kFollowedPin));
    std::size_t count = 0;
    {
      Query query(impl_->db,
                  "SELECT id, pattern, port FROM pin WHERE id > ? AND layer = 0 AND mode = 0 "
                  "AND until IS NULL ORDER BY id LIMIT ?",
                  newest, most);
      for (; query.step(); ++count) {
        newest = static_cast<std::uint64_t>(query.integer(0));
        places.insert({query.text(1), query.integer(2)});
      }
    }
    all = count < limit;
    if (all) {
      const std::uint64_t before = number_in(note(kFollowedPins));
      Query went(impl_->db,
                 "SELECT pattern, port FROM pin WHERE until > ? AND layer = 0 AND mode = 0",
                 before);
      while (went.step()) places.insert({went.text(0), went.integer(1)});
      // A certificate that came or went may be one with a key that is pinned.
      for (const std::string_view which :
           {std::string_view("SELECT p.pattern, p.port FROM entry e JOIN certificate c ON c.id = "
                             "e.certificate JOIN pin p INDEXED BY pin_key ON p.spki_hash = "
                             "c.spki_hash AND p.until IS NULL WHERE e.since > ? AND e.layer = 0 "
                             "AND p.layer = 0 AND p.mode = 0"),
            std::string_view("SELECT p.pattern, p.port FROM entry e JOIN certificate c ON c.id = "
                             "e.certificate JOIN pin p INDEXED BY pin_key ON p.spki_hash = "
                             "c.spki_hash AND p.until IS NULL WHERE e.until > ? AND e.layer = 0 "
                             "AND p.layer = 0 AND p.mode = 0")}) {
        Query query(impl_->db, which, before);
        while (query.step()) places.insert({query.text(0), query.integer(1)});
      }
    }
    for (const Impl::Place& place : places) impl_->look_at_pins(*this, place, now);
    set_note(kFollowedPin, std::to_string(newest));
    if (!all) return;
    impl_->tell_lone_pins(*this);
    set_note(kFollowedPins, std::to_string(generation()));
  });
  return all;
}

} // namespace trust
