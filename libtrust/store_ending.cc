// What ends and who depends on it. Every row knows when it is to be looked at next, by an index, so
// that work grows with what is due and not with what is stored.

#include <algorithm>
#include <map>
#include <set>

#include "libtrust/ending.h"
#include "libtrust/error.h"
#include "libtrust/store_impl.h"

namespace trust {
namespace {

constexpr std::string_view kFollowedEntry = "followed_entry";
constexpr std::string_view kFollowedGeneration = "followed_generation";
constexpr std::string_view kThresholds = "thresholds";
constexpr UnixTime kAtOnce = 0;

constexpr std::string_view kPublishedFiles[] = {"bundle.pem", "hashed", "truststore.p12"};
constexpr std::string_view kExtra = "extra.pem"; // without what comes from below

#define TRUST_ENDING_COLUMNS \
  "id, cause, fingerprint, title, begins_at, ends_at, planned, told, told_for, told_at"

struct Row {
  std::int64_t id = 0;
  Ending ending;
  std::string told;
  std::optional<UnixTime> told_for, told_at;
};

Row row_of(const Query& query) {
  Row row;
  row.id = query.integer(0);
  row.ending.cause = query.text(1);
  if (!query.is_null(2)) row.ending.fingerprint = Fingerprint{query.digest(2)};
  row.ending.title = query.text(3);
  row.ending.lifetime = {query.integer(4), query.integer(5)};
  row.ending.planned = query.integer(6) != 0;
  row.told = query.text(7);
  row.told_for = query.maybe_integer(8);
  row.told_at = query.maybe_integer(9);
  return row;
}

std::string begin_cause(const Ending& ending) { return "begin:" + ending.cause; }

void add_name(std::vector<std::string>& names, std::string name, std::uint64_t& more) {
  if (std::find(names.begin(), names.end(), name) != names.end()) return;
  if (names.size() < kMostNamedInAlert) {
    names.push_back(std::move(name));
  } else {
    ++more;
  }
}

} // namespace

std::uint64_t number_in(const std::optional<std::string>& note) {
  return note ? std::strtoull(note->c_str(), nullptr, 10) : 0;
}

Breaks Store::Impl::breaks(std::int64_t ending, const std::string& published) const {
  constexpr std::uint64_t kMostLookedAt = 1000; // a root may carry very many
  Breaks breaks;
  Query query(db,
              "SELECT d.kind, d.name, e.label, e.hosts, c.names, c.fingerprint, e.layer "
              "FROM dependant d LEFT JOIN entry e ON d.kind = 0 AND e.id = d.owner "
              "LEFT JOIN certificate c ON c.id = e.certificate WHERE d.ending = ? LIMIT ?",
              ending, kMostLookedAt);
  while (query.step()) {
    switch (static_cast<DependantKind>(query.integer(0))) {
      case DependantKind::endpoint:
      case DependantKind::pin: add_name(breaks.hosts, query.text(1), breaks.more); break;
      case DependantKind::file: add_name(breaks.files, query.text(1), breaks.more); break;
      case DependantKind::entry: {
        if (query.is_null(2)) break;
        const bool own = static_cast<Layer>(query.integer(6)) == Layer::own;
        breaks.base = breaks.base || !own;
        const std::string label = query.text(2);
        std::string_view hosts = query.view(3);
        if (!label.empty()) add_name(breaks.labels, label, breaks.more);
        if (!hosts.empty()) {
          while (!hosts.empty()) {
            const std::size_t end = std::min(hosts.find('\n'), hosts.size());
            add_name(breaks.hosts, std::string(hosts.substr(0, end)), breaks.more);
            hosts.remove_prefix(std::min(end + 1, hosts.size()));
          }
        } else {
          for (const std::string& name : names_of(query.view(4))) {
            add_name(breaks.hosts, shown(name), breaks.more);
          }
        }
        if (published.empty()) break;
        for (const std::string_view file : kPublishedFiles) {
          add_name(breaks.files, published + '/' + std::string(file), breaks.more);
        }
        if (!own) break;
        add_name(breaks.files, published + '/' + std::string(kExtra), breaks.more);
        if (!label.empty()) {
          add_name(breaks.files, published + "/by-label/" + label + ".pem", breaks.more);
        }
        break;
      }
    }
  }
  return breaks;
}

std::int64_t Store::Impl::keep_ending(const Ending& ending) {
  std::optional<Digest> fingerprint;
  if (ending.fingerprint) fingerprint = ending.fingerprint->bytes;
  {
    Query query(db, "SELECT id, ends_at FROM ending WHERE cause = ?", ending.cause);
    if (query.step()) {
      const std::int64_t id = query.integer(0);
      if (query.integer(1) != ending.lifetime.ends_at) {
        // It ends at another time now: what was told is void.
        Query(db,
              "UPDATE ending SET begins_at = ?, ends_at = ?, told = '', told_for = NULL, "
              "told_at = NULL WHERE id = ?",
              ending.lifetime.begins_at, ending.lifetime.ends_at, id)
            .run();
      }
      Query(db, "UPDATE ending SET due = ? WHERE id = ?", kAtOnce, id).run();
      return id;
    }
  }
  Query(db, "INSERT INTO ending VALUES(NULL, ?, ?, ?, ?, ?, ?, '', NULL, NULL, ?)", ending.cause,
        fingerprint, ending.title, ending.lifetime.begins_at, ending.lifetime.ends_at,
        ending.planned, kAtOnce)
      .run();
  return db.last_id();
}

// Whether nothing depends on it but certificates of the base whose keys this store distrusts.
bool Store::Impl::is_moot(std::int64_t ending) const {
  Query query(
      db,
      "SELECT 1 FROM dependant d LEFT JOIN entry e ON d.kind = 0 AND e.id = d.owner "
      "LEFT JOIN certificate c ON c.id = e.certificate WHERE d.ending = ?1 AND NOT "
      "(e.layer IS NOT NULL AND e.layer <> 0 AND EXISTS(SELECT 1 FROM certificate k "
      "JOIN entry x ON x.certificate = k.id WHERE k.spki_hash = c.spki_hash AND x.trust = 2 "
      "AND x.until IS NULL AND (x.only_this = 0 OR k.id = c.id))) LIMIT 1",
      ending);
  return !query.step();
}

// Looks again at what ends with keys that were distrusted since that generation, or are no more.
void Store::Impl::look_again_at_distrusted(std::uint64_t since) {
  if (since == 0) return; // everything is due
  Query(db,
        "UPDATE ending SET due = ?1 WHERE cause IN (SELECT 'end:' || lower(hex(c.fingerprint)) "
        "FROM entry x JOIN certificate k ON k.id = x.certificate "
        "JOIN certificate c ON c.spki_hash = k.spki_hash "
        "WHERE x.trust = 2 AND (x.since > ?2 OR x.until > ?2))",
        kAtOnce, since)
      .run();
}

void Store::Impl::forget_unneeded_ending(Store& store, std::int64_t id) {
  {
    Query query(db, "SELECT 1 FROM dependant WHERE ending = ? LIMIT 1", id);
    if (query.step()) {
      Query(db, "UPDATE ending SET due = ? WHERE id = ?", kAtOnce, id).run(); // names fewer
      return;
    }
  }
  std::string cause;
  {
    Query query(db, "SELECT cause FROM ending WHERE id = ?", id);
    if (!query.step()) return;
    cause = query.text(0);
  }
  Query(db, "DELETE FROM ending WHERE id = ?", id).run();
  store.settle(cause);
  store.settle("begin:" + cause);
}

void Store::depend(DependantKind kind, std::int64_t owner, const std::vector<Dependence>& on) {
  impl_->in_transaction([&] {
    std::set<std::pair<std::int64_t, std::string>> wanted;
    std::set<std::pair<std::int64_t, std::string>> there;
    {
      Query query(impl_->db, "SELECT ending, name FROM dependant WHERE kind = ? AND owner = ?",
                  static_cast<int>(kind), owner);
      while (query.step()) there.insert({query.integer(0), query.text(1)});
    }
    std::map<std::string, std::int64_t> known;
    for (const auto& [ending, name] : there) {
      Query query(impl_->db, "SELECT cause, ends_at FROM ending WHERE id = ?", ending);
      if (query.step()) known[query.text(0) + ' ' + std::to_string(query.integer(1))] = ending;
    }
    for (const Dependence& each : on) {
      // What is there already is left alone, so that looking again makes nothing due.
      const auto found =
          known.find(each.ending.cause + ' ' + std::to_string(each.ending.lifetime.ends_at));
      const bool same = found != known.end() && there.contains({found->second, each.name});
      wanted.insert({same ? found->second : impl_->keep_ending(each.ending), each.name});
    }
    for (const auto& [ending, name] : wanted) {
      if (there.contains({ending, name})) continue;
      Query(impl_->db, "INSERT INTO dependant VALUES(?, ?, ?, ?)", static_cast<int>(kind), owner,
            ending, name)
          .run();
    }
    for (const auto& [ending, name] : there) {
      if (wanted.contains({ending, name})) continue;
      Query(impl_->db,
            "DELETE FROM dependant WHERE kind = ? AND owner = ? AND ending = ? AND name = ?",
            static_cast<int>(kind), owner, ending, name)
          .run();
      impl_->forget_unneeded_ending(*this, ending);
    }
  });
}

// ---- entries ------------------------------------------------------------------

bool Store::entries_are_followed() const {
  return number_in(note(kFollowedGeneration)) == generation();
}

bool Store::follow_entries(std::size_t limit) {
  bool all = false;
  impl_->in_transaction([&] {
    const std::uint64_t last = number_in(note(kFollowedEntry));
    struct Came {
      Entry entry;
      std::optional<std::string> weakness;
    };
    std::vector<Came> came;
    std::uint64_t newest = last;
    {
      Query query(impl_->db,
                  "SELECT " TRUST_ENTRY_COLUMNS ", c.der" TRUST_ENTRY_TABLES
                  "WHERE e.id > ? AND e.until IS NULL AND e.trust <> 2 "
                  "ORDER BY e.id LIMIT ?",
                  last, static_cast<std::uint64_t>(limit));
      while (query.step()) {
        came.push_back({entry_of(query), {}});
        newest = static_cast<std::uint64_t>(query.integer(0));
        // Of what comes from below nothing can be mended here: its end is told, no more.
        if (came.back().entry.layer == Layer::own) {
          came.back().weakness = Certificate::from_der(query.bytes(kEntryColumns)).weakness();
        }
      }
    }
    for (const auto& [entry, weakness] : came) {
      const CertificateFacts& facts = entry.certificate;
      // Distributions keep roots that ended long ago.
      if (entry.layer != Layer::own && facts.not_after <= impl_->clock()) continue;
      std::vector<Dependence> on;
      Ending ending =
          Ending::of(facts.fingerprint, facts.subject, {facts.not_before, facts.not_after});
      if (entry.expires_at && *entry.expires_at < facts.not_after) {
        ending.cause = "entry:" + std::to_string(entry.id);
        ending.lifetime = {std::max(entry.added_at, facts.not_before), *entry.expires_at};
        ending.planned = true;
      }
      on.push_back({std::move(ending), entry.label});
      depend(DependantKind::entry, entry.id, on);
      if (weakness) {
        Breaks breaks;
        if (!entry.label.empty()) breaks.labels = {entry.label};
        raise("weak:" + facts.fingerprint.text(),
              weak_alert(entry.label.empty() ? shown(facts.subject) : entry.label,
                         facts.fingerprint, *weakness, breaks));
      }
    }
    if (newest != last) set_note(kFollowedEntry, std::to_string(newest));
    if (came.size() == limit) return;
    all = true;

    std::vector<std::pair<std::int64_t, Fingerprint>> went;
    {
      Query query(impl_->db,
                  "SELECT e.id, c.fingerprint FROM entry e JOIN certificate c ON c.id = "
                  "e.certificate WHERE e.until > ?",
                  number_in(note(kFollowedGeneration)));
      while (query.step()) went.push_back({query.integer(0), Fingerprint{query.digest(1)}});
    }
    impl_->look_again_at_distrusted(number_in(note(kFollowedGeneration)));
    for (const auto& [id, fingerprint] : went) {
      depend(DependantKind::entry, id, {});
      const auto own = impl_->own_entry(fingerprint);
      if (!own || own->trust == Trust::distrusted) settle("weak:" + fingerprint.text());
    }
    set_note(kFollowedGeneration, std::to_string(generation()));
  });
  return all;
}

// ---- time ---------------------------------------------------------------------

std::optional<UnixTime> Store::next_ending(UnixTime now) const {
  {
    Query ahead(impl_->db, "SELECT 1 FROM ending WHERE told_at IS NOT NULL AND told_at > ? LIMIT 1",
                now + kClockTolerance_s);
    if (ahead.step()) return now;
  }
  Query query(impl_->db, "SELECT min(due) FROM ending WHERE due IS NOT NULL");
  query.step();
  return query.maybe_integer(0);
}

void Store::use_thresholds(const Thresholds& thresholds) {
  std::string text;
  for (const Threshold& threshold : thresholds) text += threshold.text() + ' ';
  if (note(kThresholds) == text) return;
  impl_->in_transaction([&] {
    Query(impl_->db, "UPDATE ending SET due = ?", kAtOnce).run();
    set_note(kThresholds, text);
  });
}

std::size_t Store::tell_endings(const Thresholds& thresholds, UnixTime now, std::size_t limit,
                                const std::string& published) {
  std::vector<Row> due;
  impl_->in_transaction([&] {
    const auto most = static_cast<std::uint64_t>(limit);
    {
      Query query(impl_->db,
                  "SELECT " TRUST_ENDING_COLUMNS
                  " FROM ending WHERE told_at IS NOT NULL AND told_at > ? LIMIT ?",
                  now + kClockTolerance_s, most);
      while (query.step()) due.push_back(row_of(query));
    }
    if (due.empty()) {
      Query query(impl_->db,
                  "SELECT " TRUST_ENDING_COLUMNS
                  " FROM ending WHERE due IS NOT NULL AND due <= ? ORDER BY due LIMIT ?",
                  now, most);
      while (query.step()) due.push_back(row_of(query));
    }
    for (Row& row : due) {
      const Standing at = standing(row.ending.lifetime, thresholds, now);
      std::optional<UnixTime> next = at.next;
      const bool moot = impl_->is_moot(row.id);
      const bool ran_ahead = moot || (row.told_at && *row.told_at > now + kClockTolerance_s);
      if (ran_ahead) row.told_for.reset();
      // A step back to a time before what was told already changes nothing.
      const bool later = !moot && at.last && (!row.told_for || at.last->at > *row.told_for);
      std::optional<Breaks> breaks;
      const auto what_breaks = [&]() -> const Breaks& {
        if (!breaks) breaks = impl_->breaks(row.id, published);
        return *breaks;
      };
      if (later) {
        const bool is_end = at.last->at >= row.ending.lifetime.ends_at;
        if (row.ending.planned && is_end) {
          settle(row.ending.cause);
        } else {
          raise(row.ending.cause, alert_of(row.ending, *at.last, what_breaks()));
        }
        row.told = at.last->threshold;
        row.told_for = at.last->at;
        row.told_at = now;
      } else if (ran_ahead) {
        settle(row.ending.cause);
        row.told.clear();
        row.told_at.reset();
      } else if (row.told_for) {
        if (const auto open = open_alert(row.ending.cause)) {
          raise(row.ending.cause, alert_of(row.ending, {*row.told_for, row.told}, what_breaks()));
        }
      } else {
        settle(row.ending.cause); // it ends later than it did when that was told
      }
      const UnixTime begins_at = row.ending.lifetime.begins_at;
      if (!moot && !row.ending.planned && begins_at > now + kBeginTolerance_s) {
        raise(begin_cause(row.ending), not_yet_valid_alert(row.ending, what_breaks()));
        next = std::min(next.value_or(begins_at), begins_at);
      } else {
        settle(begin_cause(row.ending));
      }
      Query(impl_->db,
            "UPDATE ending SET told = ?, told_for = ?, told_at = ?, due = ? WHERE id = ?", row.told,
            row.told_for, row.told_at, next, row.id)
          .run();
    }
  });
  return due.size();
}

} // namespace trust
