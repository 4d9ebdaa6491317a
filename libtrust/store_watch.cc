// Watches, and the history of what was seen there.

#include <nlohmann/json.hpp>

#include "libtrust/error.h"
#include "libtrust/store_impl.h"

namespace trust {
namespace {

constexpr std::uint64_t kMostWatches = 10'000;
constexpr std::uint64_t kMostSightings =
    1'000; // of one watch: a server may present a new one each time

#define TRUST_WATCH_COLUMNS                                                                      \
  "id, kind, target, owner, reason, added_at, next_at, looked_at, first_seen_at, last_seen_at, " \
  "failures, problem, certificates, fingerprint, not_before, not_after, ends_at, verdict, "      \
  "trusted_by, pin_status"

Watch watch_of(const Query& row) {
  Watch watch;
  watch.id = row.integer(0);
  watch.kind = static_cast<WatchKind>(row.integer(1));
  watch.target = row.text(2);
  watch.owner = static_cast<uid_t>(row.integer(3));
  watch.reason = row.text(4);
  watch.added_at = row.integer(5);
  watch.next_at = row.integer(6);
  watch.looked_at = row.maybe_integer(7);
  watch.first_seen_at = row.maybe_integer(8);
  watch.last_seen_at = row.maybe_integer(9);
  watch.failures = static_cast<std::uint64_t>(row.integer(10));
  watch.problem = row.text(11);
  watch.certificates = static_cast<std::uint64_t>(row.integer(12));
  if (!row.is_null(13)) watch.fingerprint = Fingerprint{row.digest(13)};
  watch.not_before = row.maybe_integer(14);
  watch.not_after = row.maybe_integer(15);
  watch.ends_at = row.maybe_integer(16);
  watch.verdict = row.text(17);
  watch.trusted_by = row.text(18);
  watch.pin_status = row.text(19);
  return watch;
}

#define TRUST_SIGHTING_COLUMNS                                                           \
  "fingerprint, subject, issuer, not_before, not_after, succession, spki_hash, anchor, " \
  "self_signed, trusted, is_public, first_seen_at, last_seen_at"

Sighting sighting_of(const Query& row) {
  Sighting sighting;
  sighting.fingerprint.bytes = row.digest(0);
  sighting.subject = row.text(1);
  sighting.issuer = row.text(2);
  sighting.not_before = row.integer(3);
  sighting.not_after = row.integer(4);
  sighting.succession = static_cast<Succession>(row.integer(5));
  sighting.facet.spki_hash = row.digest(6);
  if (!row.is_null(7)) sighting.facet.anchor = row.digest(7);
  sighting.facet.issuer = sighting.issuer;
  sighting.facet.self_signed = row.integer(8) != 0;
  sighting.facet.trusted = row.integer(9) != 0;
  sighting.facet.is_public = row.integer(10) != 0;
  sighting.first_seen_at = row.integer(11);
  sighting.last_seen_at = row.integer(12);
  return sighting;
}

std::string cause(std::string_view what, std::int64_t watch) {
  return std::string(what) + ":watch:" + std::to_string(watch);
}
constexpr std::string_view kCauses[] = {"changed", "pin", "unreachable", "weak"};

void tell_watch(Database& db, UnixTime now, std::string_view what, std::int64_t id, WatchKind kind,
                const std::string& target) {
  tell(db, now, "watch",
       dumped({{"what", what}, {"watch", id}, {"watch_kind", name_of(kind)}, {"target", target}}));
}

bool differs_from_pins(const Seen& seen) {
  return seen.verdict == "pin_mismatch" || seen.pin_status == "mismatch" ||
         seen.pin_status == "reported";
}

DependantKind dependant_kind(WatchKind kind) {
  return kind == WatchKind::endpoint ? DependantKind::endpoint : DependantKind::file;
}

} // namespace

std::optional<Watch> Store::watch(std::int64_t id) const {
  Query query(impl_->db, "SELECT " TRUST_WATCH_COLUMNS " FROM watch WHERE id = ?", id);
  if (!query.step()) return std::nullopt;
  return watch_of(query);
}

std::vector<Watch> Store::watches(std::optional<WatchKind> kind, std::size_t limit,
                                  std::int64_t cursor) const {
  std::optional<std::int64_t> wanted;
  if (kind) wanted = static_cast<std::int64_t>(*kind);
  std::vector<Watch> found;
  Query query(impl_->db,
              "SELECT " TRUST_WATCH_COLUMNS
              " FROM watch WHERE id > ?1 AND (?2 IS NULL OR kind = ?2) ORDER BY id LIMIT ?3",
              cursor, wanted, static_cast<std::uint64_t>(limit));
  while (query.step()) found.push_back(watch_of(query));
  return found;
}

std::vector<Watch> Store::file_watches() const {
  std::vector<Watch> found;
  Query query(impl_->db,
              "SELECT " TRUST_WATCH_COLUMNS " FROM watch INDEXED BY watch_file WHERE kind <> 0");
  while (query.step()) found.push_back(watch_of(query));
  return found;
}

std::vector<Sighting> Store::sightings(std::int64_t watch, std::size_t limit) const {
  std::vector<Sighting> found;
  Query query(impl_->db,
              "SELECT " TRUST_SIGHTING_COLUMNS
              " FROM sighting WHERE watch = ? ORDER BY first_seen_at DESC, rowid DESC LIMIT ?",
              watch, static_cast<std::uint64_t>(limit));
  while (query.step()) found.push_back(sighting_of(query));
  return found;
}

Store::WatchAdded Store::add_watch(const Asked& asked, WatchKind kind, const std::string& target) {
  WatchAdded added;
  added.change = impl_->note(asked, "watch", [&]() -> std::optional<Impl::Made> {
    const UnixTime now = impl_->clock();
    {
      Query query(impl_->db,
                  "SELECT " TRUST_WATCH_COLUMNS " FROM watch WHERE kind = ? AND target = ?",
                  static_cast<int>(kind), target);
      if (query.step()) {
        added.watch = watch_of(query);
      }
    }
    if (added.watch.id != 0) {
      // Who asks again wants to know now.
      Query(impl_->db, "UPDATE watch SET next_at = ? WHERE id = ?", now, added.watch.id).run();
      tell_watch(impl_->db, now, "asked", added.watch.id, kind, target);
      return std::nullopt;
    }
    {
      Query query(impl_->db, "SELECT count(*) FROM watch");
      query.step();
      if (static_cast<std::uint64_t>(query.integer(0)) >= kMostWatches) {
        throw Error(Code::too_large,
                    "there are " + std::to_string(kMostWatches) + " watches, which is the most",
                    "trustctl watch list");
      }
    }
    Query(
        impl_->db,
        "INSERT INTO watch VALUES(NULL, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL, 0, '', 0, NULL, NULL, "
        "NULL, NULL, '', '', '')",
        static_cast<int>(kind), target, asked.actor.uid, asked.reason, now, now)
        .run();
    added.watch = *watch(impl_->db.last_id());
    tell_watch(impl_->db, now, "added", added.watch.id, kind, target);
    return Impl::Made{
        "", dumped({{"watch", added.watch.id}, {"watch_kind", name_of(kind)}, {"target", target}})};
  });
  return added;
}

Change Store::remove_watch(const Asked& asked, std::int64_t id) {
  return impl_->note(asked, "unwatch", [&]() -> std::optional<Impl::Made> {
    const auto found = watch(id);
    if (!found) {
      throw Error(Code::not_found, "there is no watch " + std::to_string(id),
                  "trustctl watch list");
    }
    depend(dependant_kind(found->kind), id, {});
    for (const std::string_view what : kCauses) settle(cause(what, id));
    Query(impl_->db, "DELETE FROM sighting WHERE watch = ?", id).run();
    Query(impl_->db, "DELETE FROM watch WHERE id = ?", id).run();
    tell_watch(impl_->db, impl_->clock(), "removed", id, found->kind, found->target);
    return Impl::Made{
        "",
        dumped({{"watch", id}, {"watch_kind", name_of(found->kind)}, {"target", found->target}})};
  });
}

std::vector<Watch> Store::due_watches(UnixTime now, std::int64_t furthest_s,
                                      std::size_t limit) const {
  std::vector<Watch> found;
  Query query(impl_->db,
              "SELECT " TRUST_WATCH_COLUMNS
              " FROM watch WHERE kind = 0 AND (next_at <= ?1 OR next_at > ?2) "
              "ORDER BY next_at LIMIT ?3",
              now, now + furthest_s, static_cast<std::uint64_t>(limit));
  while (query.step()) found.push_back(watch_of(query));
  return found;
}

std::optional<UnixTime> Store::next_watch(UnixTime now) const {
  Query query(impl_->db, "SELECT min(next_at) FROM watch WHERE kind = 0 AND next_at > ?", now);
  query.step();
  return query.maybe_integer(0);
}

Succession Store::Impl::keep_sighting(const Watch& watch, const CertificateFacts& facts,
                                      const Facet& facet, bool& is_new) {
  const UnixTime now = clock();
  Query(db, "UPDATE sighting SET last_seen_at = ? WHERE watch = ? AND fingerprint = ?", now,
        watch.id, facts.fingerprint.bytes)
      .run();
  is_new = db.changes() == 0;
  if (!is_new) return Succession::same_key;
  std::optional<Facet> before;
  if (watch.fingerprint) {
    Query query(
        db, "SELECT " TRUST_SIGHTING_COLUMNS " FROM sighting WHERE watch = ? AND fingerprint = ?",
        watch.id, watch.fingerprint->bytes);
    if (query.step()) before = sighting_of(query).facet;
  }
  const Succession how = before ? succession(*before, facet) : Succession::first;
  Query(db, "INSERT INTO sighting VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", watch.id,
        facts.fingerprint.bytes, facts.subject, facts.issuer, facts.not_before, facts.not_after,
        static_cast<int>(how), facet.spki_hash, facet.anchor, facet.self_signed, facet.trusted,
        facet.is_public, now, now)
      .run();
  Query(db,
        "DELETE FROM sighting WHERE rowid IN (SELECT rowid FROM sighting WHERE watch = ? "
        "ORDER BY last_seen_at DESC, rowid DESC LIMIT -1 OFFSET ?)",
        watch.id, kMostSightings)
      .run();
  return how;
}

void Store::watch_saw(std::int64_t id, const Seen& seen, UnixTime next_at) {
  impl_->in_transaction([&] {
    const auto before = watch(id);
    if (!before) return; // removed meanwhile
    const UnixTime now = impl_->clock();
    const CertificateFacts& facts = seen.certificate;
    bool is_new = false;
    const Succession how = impl_->keep_sighting(*before, facts, seen.facet(), is_new);
    Query(
        impl_->db,
        "UPDATE watch SET next_at = ?, looked_at = ?, first_seen_at = coalesce(first_seen_at, ?), "
        "last_seen_at = ?, failures = 0, problem = '', certificates = 1, fingerprint = ?, "
        "not_before = ?, not_after = ?, ends_at = ?, verdict = ?, trusted_by = ?, pin_status = ? "
        "WHERE id = ?",
        next_at, now, now, now, facts.fingerprint.bytes, facts.not_before, facts.not_after,
        seen.first_end.lifetime.ends_at, seen.verdict, seen.trusted_by, seen.pin_status, id)
        .run();
    if (is_new) impl_->look_at_pins_of_key(*this, facts.spki_hash);
    settle(cause("unreachable", id));
    // One of several servers behind a name may present what was seen before: that is no news.
    if (is_new && how != Succession::first) {
      settle(cause("changed", id));
      raise(cause("changed", id), changed_alert(*before, seen, how));
    } else if (seen.trusted() && before->fingerprint == facts.fingerprint) {
      settle(cause("changed", id)); // it stayed, and is vouched for
    }
    if (differs_from_pins(seen)) {
      raise(cause("pin", id), pin_alert(*before, seen));
    } else {
      settle(cause("pin", id));
    }
    if (seen.weakness) {
      Breaks breaks;
      breaks.hosts = {before->target};
      raise(cause("weak", id), weak_alert(before->target, std::nullopt, *seen.weakness, breaks));
    } else {
      settle(cause("weak", id));
    }
    depend(DependantKind::endpoint, id, {{seen.first_end, before->target}});
  });
}

void Store::watch_failed(std::int64_t id, const std::string& problem, UnixTime next_at) {
  impl_->in_transaction([&] {
    const auto before = watch(id);
    if (!before) return;
    const std::uint64_t failures = before->failures + 1;
    Query(impl_->db,
          "UPDATE watch SET next_at = ?, looked_at = ?, failures = ?, problem = ? WHERE id = ?",
          next_at, impl_->clock(), failures, problem, id)
        .run();
    if (failures >= kFailuresToTell) {
      raise(cause("unreachable", id), unreachable_alert(*before, problem));
    }
  });
}

void Store::suspicion_looked_at(const std::string& target, const Seen& seen) {
  impl_->in_transaction([&] {
    Watch watch;
    watch.target = target;
    {
      Query query(impl_->db,
                  "SELECT " TRUST_WATCH_COLUMNS " FROM watch WHERE kind = 0 AND target = ?",
                  target);
      if (query.step()) watch = watch_of(query);
    }
    // Of a server that is watched it is the same alert, which the next look resolves.
    const std::string name = watch.id != 0 ? cause("pin", watch.id) : "pin:" + target;
    if (differs_from_pins(seen)) {
      raise(name, pin_alert(watch, seen));
    } else {
      settle(name);
    }
  });
}

void Store::watch_saw_files(std::int64_t id, const FilesSeen& seen) {
  impl_->in_transaction([&] {
    const auto before = watch(id);
    if (!before) return;
    const UnixTime now = impl_->clock();
    std::vector<Dependence> on;
    std::optional<UnixTime> first_end;
    std::optional<std::string> weakness;
    for (const SeenFile& file : seen.certificates) {
      const CertificateFacts& facts = file.certificate;
      Facet facet;
      facet.spki_hash = facts.spki_hash;
      facet.self_signed = facts.is_self_signed;
      bool is_new = false;
      impl_->keep_sighting(*before, facts, facet, is_new);
      on.push_back(
          {Ending::of(facts.fingerprint, facts.subject, {facts.not_before, facts.not_after}),
           file.path});
      first_end = std::min(first_end.value_or(facts.not_after), facts.not_after);
      if (file.weakness && !weakness) weakness = file.weakness;
    }
    const std::string problem = seen.problems.empty() ? "" : seen.problems.front();
    // A file that is being replaced may be missing for a moment: what it held stays until it is
    // known what it holds.
    const bool failed = seen.certificates.empty() && !problem.empty();
    const std::uint64_t failures = failed ? before->failures + 1 : 0;
    if (failed) {
      Query(impl_->db, "UPDATE watch SET looked_at = ?, failures = ?, problem = ? WHERE id = ?",
            now, failures, problem, id)
          .run();
    } else {
      Query(impl_->db,
            "UPDATE watch SET looked_at = ?, first_seen_at = coalesce(first_seen_at, ?), "
            "last_seen_at = ?, failures = 0, problem = ?, certificates = ?, ends_at = ? "
            "WHERE id = ?",
            now, now, now, problem, static_cast<std::uint64_t>(on.size()), first_end, id)
          .run();
      depend(DependantKind::file, id, on);
    }
    if (failures >= kFailuresToTell) {
      raise(cause("unreachable", id), unreachable_alert(*before, problem));
    } else if (!failed) {
      settle(cause("unreachable", id));
    }
    if (failed) return;
    if (weakness) {
      Breaks breaks;
      breaks.files = {before->target};
      raise(cause("weak", id), weak_alert(before->target, std::nullopt, *weakness, breaks));
    } else {
      settle(cause("weak", id));
    }
  });
}

} // namespace trust
