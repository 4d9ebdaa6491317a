// Changing the store: entries and pins come and go, each change one generation.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "libtrust/error.h"
#include "libtrust/store_impl.h"

namespace trust {
namespace {

// An audit record names this many of what one import added; the rest is in the rows, by
// generation.
constexpr std::size_t kAuditedItems = 50;

nlohmann::json audited(const Entry& entry) {
  nlohmann::json json{{"fingerprint", entry.certificate.fingerprint.text()},
                      {"trust", name_of(entry.trust)},
                      {"label", entry.label},
                      {"subject", shown(entry.certificate.subject)}};
  for (const Pattern& host : entry.hosts) json["hosts"].push_back(host.text());
  if (entry.expires_at) json["expires_at"] = rfc3339(*entry.expires_at);
  if (entry.only_this_certificate) json["only_this_certificate"] = true;
  if (entry.emit_signing) json["emit_signing"] = true;
  return json;
}

nlohmann::json audited(const PinRow& pin) {
  nlohmann::json json{{"pin", pin.pin.text()},
                      {"pattern", pin.pattern.text()},
                      {"mode", name_of(pin.mode)},
                      {"role", name_of(pin.role)},
                      {"position", name_of(pin.position)}};
  if (pin.expires_at) json["expires_at"] = rfc3339(*pin.expires_at);
  return json;
}

// What people call an entry.
std::string called(const Entry& entry) {
  if (!entry.label.empty()) return entry.label;
  return entry.certificate.fingerprint.text().substr(0, 16);
}

std::string plural(std::size_t count, const char* one, const char* many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

bool same_decision(const Entry& a, const Entry& b) {
  return a.trust == b.trust && hosts_text(a.hosts) == hosts_text(b.hosts) &&
         a.expires_at == b.expires_at && a.only_this_certificate == b.only_this_certificate &&
         a.emit_signing == b.emit_signing;
}

void check_end(const std::optional<UnixTime>& end, UnixTime now) {
  if (end && *end <= now)
    throw Error(Code::invalid, "the end " + rfc3339(*end) + " is not in the future");
}

} // namespace

std::string dumped(const nlohmann::json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void check_reason(std::string_view reason) {
  constexpr std::size_t kMaxReason = 1000;
  if (reason.size() > kMaxReason)
    throw Error(Code::too_large, "a reason is at most " + std::to_string(kMaxReason) +
                                     " bytes long, this one is " + std::to_string(reason.size()));
}

// ---- rows -----------------------------------------------------------------

std::optional<Entry> Store::Impl::own_entry(const Fingerprint& fingerprint) const {
  Query query(db,
              "SELECT " TRUST_ENTRY_COLUMNS TRUST_ENTRY_TABLES
              "WHERE c.fingerprint = ? AND e.layer = 0 AND e.until IS NULL",
              fingerprint.bytes);
  if (!query.step()) return std::nullopt;
  return entry_of(query);
}

std::optional<Entry> Store::Impl::distrusting(const CertificateFacts& certificate) const {
  Query query(db,
              // From the entries that distrust, which are few, and not from those with the key.
              "SELECT " TRUST_ENTRY_COLUMNS
              " FROM entry e CROSS JOIN certificate c ON c.id = e.certificate "
              "WHERE e.layer IN (0, 1, 2) AND e.trust = 2 AND e.until IS NULL AND c.spki_hash = ? "
              "AND (e.only_this = 0 OR c.fingerprint = ?) ORDER BY e.layer DESC LIMIT 1",
              certificate.spki_hash, certificate.fingerprint.bytes);
  if (!query.step()) return std::nullopt;
  return entry_of(query);
}

std::string Store::Impl::free_label(const std::string& wanted) const {
  constexpr std::size_t kMaxLabel = 63;
  std::string label = wanted;
  for (std::uint64_t number = 2;; ++number) {
    Query query(
        db, "SELECT 1 FROM entry WHERE label = ? AND label <> '' AND layer = 0 AND until IS NULL",
        label);
    if (label.empty() || !query.step()) return label;
    const std::string suffix = "-" + std::to_string(number);
    label = wanted.substr(0, kMaxLabel - suffix.size()) + suffix;
  }
}

std::int64_t Store::Impl::certificate_id(const Fingerprint& fingerprint) const {
  Query query(db, "SELECT id FROM certificate WHERE fingerprint = ?", fingerprint.bytes);
  if (!query.step())
    throw Error(Code::not_found,
                "no certificate in the store has the fingerprint " + fingerprint.text());
  return query.integer(0);
}

std::int64_t Store::Impl::keep_certificate(const Certificate& certificate,
                                           const CertificateFacts& facts) {
  {
    Query query(db, "SELECT id FROM certificate WHERE fingerprint = ?", facts.fingerprint.bytes);
    if (query.step()) return query.integer(0);
  }
  Query(db, "INSERT INTO certificate VALUES(NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        facts.fingerprint.bytes, facts.spki_hash, facts.subject_hash, facts.subject, facts.issuer,
        facts.serial, facts.not_before, facts.not_after, dumped(nlohmann::json(facts.names)),
        facts.key_kind, facts.signature_kind, facts.is_ca, facts.could_sign, facts.is_self_signed,
        certificate.der())
      .run();
  return db.last_id();
}

std::int64_t Store::Impl::insert_entry(const Entry& entry, std::int64_t certificate,
                                       GenerationNumber since) {
  const UnixTime ends_at =
      std::min(entry.certificate.not_after, entry.expires_at.value_or(INT64_MAX));
  Query(db, "INSERT INTO entry VALUES(NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
        certificate, static_cast<int>(entry.layer), static_cast<int>(entry.trust), entry.label,
        hosts_text(entry.hosts), entry.reason, entry.owner, entry.added_at, entry.expires_at,
        ends_at, entry.only_this_certificate, entry.emit_signing, since)
      .run();
  return db.last_id();
}

void Store::Impl::end_entry(std::int64_t id, GenerationNumber until) {
  Query(db, "UPDATE entry SET until = ? WHERE id = ? AND until IS NULL", until, id).run();
}

std::int64_t Store::Impl::insert_pin(const PinRow& pin, GenerationNumber since) {
  Query(db, "INSERT INTO pin VALUES(NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, NULL)",
        static_cast<int>(pin.layer), pin.pin.spki_hash, pin.pattern.pattern.text(),
        static_cast<int>(pin.pattern.port), pin.pattern.pattern.kind() == Pattern::Kind::network,
        static_cast<int>(pin.mode), static_cast<int>(pin.role), static_cast<int>(pin.position),
        pin.expires_at, pin.note, pin.owner, pin.added_at, since)
      .run();
  return db.last_id();
}

void Store::Impl::end_pin(std::int64_t id, GenerationNumber until) {
  Query(db, "UPDATE pin SET until = ? WHERE id = ? AND until IS NULL", until, id).run();
}

// The index is named, for SQLite would rather go through all pins of the layer.
std::optional<PinRow> Store::Impl::same_pin(const PinRow& pin, UnixTime now) const {
  Query query(db,
              "SELECT " TRUST_PIN_COLUMNS
              " FROM pin INDEXED BY pin_pattern "
              "WHERE pattern = ? AND port = ? AND spki_hash = ? AND mode = ? AND role = ? "
              "AND position = ? AND layer = ? AND until IS NULL AND expires_at IS ? "
              "AND (expires_at IS NULL OR expires_at > ?)",
              pin.pattern.pattern.text(), static_cast<int>(pin.pattern.port), pin.pin.spki_hash,
              static_cast<int>(pin.mode), static_cast<int>(pin.role),
              static_cast<int>(pin.position), static_cast<int>(pin.layer), pin.expires_at, now);
  if (!query.step()) return std::nullopt;
  return pin_of(query);
}

// ---- entries ----------------------------------------------------------------

Added Store::add(const Asked& asked, const Addition& addition) {
  check_reason(asked.reason);
  check_end(addition.expires_at, impl_->clock());
  Added added;
  added.change = impl_->change(asked, "add", [&](GenerationNumber generation) {
    return impl_->add(asked, addition, generation, added);
  });
  return added;
}

std::optional<Store::Impl::Made> Store::Impl::add(const Asked& asked, const Addition& addition,
                                                  GenerationNumber generation, Added& added) {
  const UnixTime now = clock();
  std::optional<Made> made;
  nlohmann::json details = nlohmann::json::array(), pin_details = nlohmann::json::array();
  std::size_t created = 0;
  std::string first;
  std::set<Fingerprint> seen;
  for (const Addition::Item& item : addition.items) {
    Entry entry;
    entry.trust = item.trust;
    entry.certificate = CertificateFacts::of(item.certificate);
    entry.hosts = item.hosts;
    entry.label = item.label;
    entry.reason = asked.reason;
    entry.owner = asked.actor.uid;
    entry.added_at = now;
    entry.expires_at = addition.expires_at;
    entry.only_this_certificate = addition.only_this_certificate;
    entry.emit_signing = addition.emit_signing;
    const Fingerprint& fingerprint = entry.certificate.fingerprint;
    if (!seen.insert(fingerprint).second) continue;

    if (item.trust != Trust::distrusted) {
      if (const auto forbidding = distrusting(entry.certificate))
        throw Error(Code::conflict,
                    "the certificate " + fingerprint.text() + " is distrusted" +
                        (forbidding->certificate.fingerprint == fingerprint
                             ? std::string()
                             : ", as everything with the key of " +
                                   forbidding->certificate.fingerprint.text()) +
                        (forbidding->layer == Layer::own ? "" : " by the machine's store"),
                    forbidding->layer == Layer::own
                        ? "trustctl rm " + forbidding->certificate.fingerprint.text()
                        : std::string());
    }
    if (const auto existing = own_entry(fingerprint)) {
      const bool same_label = !item.label_is_fixed || item.label == existing->label;
      if (same_decision(*existing, entry) && same_label) {
        added.items.push_back({*existing, false});
        continue;
      }
      if (!addition.replace && item.trust != Trust::distrusted)
        throw Error(Code::conflict,
                    "the certificate " + fingerprint.text() + " is in the store already, as " +
                        std::string(name_of(existing->trust)) +
                        (existing->label.empty() ? std::string() : " \"" + existing->label + "\"") +
                        ", with another scope, end or label",
                    "trustctl add --replace …, or trustctl rm " + fingerprint.text());
      if (!item.label_is_fixed && !existing->label.empty()) entry.label = existing->label;
      end_entry(existing->id, generation);
    }
    if (const auto holder = own_labelled(entry.label)) {
      if (addition.replace) {
        end_entry(holder->id, generation);
      } else if (item.label_is_fixed) {
        throw Error(Code::conflict,
                    "the label \"" + entry.label + "\" is that of the certificate " +
                        holder->certificate.fingerprint.text(),
                    "trustctl add --replace …, or another --label");
      } else {
        entry.label = free_label(entry.label);
      }
    }
    entry.id =
        insert_entry(entry, keep_certificate(item.certificate, entry.certificate), generation);
    entry.since = generation;
    if (details.size() < kAuditedItems) details.push_back(audited(entry));
    if (++created == 1) first = called(entry);
    added.items.push_back({std::move(entry), true});
  }
  for (PinRow pin : addition.pins) {
    pin.owner = asked.actor.uid;
    pin.added_at = now;
    if (same_pin(pin, now)) continue;
    insert_pin(pin, generation);
    pin_details.push_back(audited(pin));
  }
  if (created == 0 && pin_details.empty()) return made;
  nlohmann::json detail{{"count", created}, {"certificates", std::move(details)}};
  if (!pin_details.empty()) detail["pins"] = std::move(pin_details);
  std::string summary = created == 1   ? "added " + first
                        : created == 0 ? std::string("pinned")
                                       : "added " + std::to_string(created) + " certificates";
  if (created > 0 && addition.items.front().trust == Trust::distrusted)
    summary.replace(0, 5, "distrusted");
  made = Made{std::move(summary), dumped(detail)};
  return made;
}

Change Store::patch(const Asked& asked, const Fingerprint& fingerprint, const EntryPatch& patch) {
  check_reason(asked.reason);
  const UnixTime now = impl_->clock();
  if (patch.expires_at) check_end(*patch.expires_at, now);
  return impl_->change(asked, "change", [&](GenerationNumber generation) {
    const auto before = impl_->own_entry(fingerprint);
    if (!before)
      throw Error(Code::not_found,
                  "no entry of this store has the fingerprint " + fingerprint.text(),
                  "trustctl list");
    Entry after = *before;
    if (patch.label) after.label = *patch.label;
    if (patch.hosts) after.hosts = *patch.hosts;
    if (patch.reason) after.reason = *patch.reason;
    if (patch.expires_at) after.expires_at = *patch.expires_at;
    if (patch.trust) after.trust = *patch.trust;
    std::optional<Impl::Made> made;
    if (same_decision(*before, after) && before->label == after.label &&
        before->reason == after.reason)
      return made;
    if (before->trust == Trust::distrusted && after.trust != Trust::distrusted) {
      // Lifting distrust and trusting are two decisions.
      throw Error(Code::conflict, "the certificate " + fingerprint.text() + " is distrusted",
                  "trustctl rm " + fingerprint.text());
    }
    if (const auto holder = impl_->own_labelled(after.label); holder && holder->id != before->id)
      throw Error(Code::conflict, "the label \"" + after.label + "\" is that of the certificate " +
                                      holder->certificate.fingerprint.text());
    impl_->end_entry(before->id, generation);
    impl_->insert_entry(after, impl_->certificate_id(fingerprint), generation);
    made = Impl::Made{"changed " + called(after),
                      dumped({{"from", audited(*before)}, {"to", audited(after)}})};
    return made;
  });
}

Change Store::remove(const Asked& asked, const Fingerprint& fingerprint) {
  check_reason(asked.reason);
  return impl_->change(asked, "remove", [&](GenerationNumber generation) {
    const auto own = impl_->own_entry(fingerprint);
    if (!own) {
      if (const auto beneath = entry(fingerprint))
        throw Error(Code::conflict,
                    "the certificate " + fingerprint.text() +
                        (beneath->layer == Layer::base
                             ? " belongs to the base, which this store does not change"
                             : " belongs to the machine's store"),
                    "trustctl distrust " + fingerprint.text());
      throw Error(Code::not_found,
                  "no certificate in the store has the fingerprint " + fingerprint.text(),
                  "trustctl list");
    }
    impl_->end_entry(own->id, generation);
    return std::optional(Impl::Made{"removed " + called(*own), dumped(audited(*own))});
  });
}

// ---- pins -------------------------------------------------------------------

Store::PinsAdded Store::add_pins(const Asked& asked, const std::vector<PinRow>& rows) {
  check_reason(asked.reason);
  const UnixTime now = impl_->clock();
  PinsAdded added;
  added.change = impl_->change(asked, "pin", [&](GenerationNumber generation) {
    nlohmann::json details = nlohmann::json::array();
    for (PinRow pin : rows) {
      check_end(pin.expires_at, now);
      if (auto same = impl_->same_pin(pin, now)) {
        added.rows.push_back(*std::move(same));
        continue;
      }
      pin.owner = asked.actor.uid;
      pin.added_at = now;
      pin.since = generation;
      pin.id = impl_->insert_pin(pin, generation);
      if (details.size() < kAuditedItems) details.push_back(audited(pin));
      added.rows.push_back(std::move(pin));
    }
    std::optional<Impl::Made> made;
    if (details.empty()) return made;
    made = Impl::Made{"pinned " + rows.front().pattern.text(), dumped({{"pins", details}})};
    return made;
  });
  return added;
}

Change Store::remove_pins(const Asked& asked, const std::vector<std::int64_t>& ids) {
  check_reason(asked.reason);
  return impl_->change(asked, "unpin", [&](GenerationNumber generation) {
    nlohmann::json details = nlohmann::json::array();
    std::string place;
    for (const std::int64_t id : ids) {
      const auto row = pin(id);
      if (!row)
        throw Error(Code::not_found, "there is no pin " + std::to_string(id), "trustctl pin list");
      if (row->layer != Layer::own)
        throw Error(Code::forbidden,
                    "the pin " + std::to_string(id) + " belongs to the machine's store");
      impl_->end_pin(id, generation);
      details.push_back(audited(*row));
      place = row->pattern.text();
    }
    std::optional<Impl::Made> made;
    if (details.empty()) return made;
    made = Impl::Made{"unpinned " + place, dumped({{"pins", details}})};
    return made;
  });
}

// ---- ends ---------------------------------------------------------------------

Change Store::end_due(UnixTime now) {
  const Asked asked{{::geteuid(), ::getpid(), "trustd"}, "", std::nullopt};
  return impl_->change(asked, "end", [&](GenerationNumber generation) {
    nlohmann::json details = nlohmann::json::array(), pins = nlohmann::json::array();
    std::size_t count = 0;
    std::vector<Entry> due;
    {
      Query query(impl_->db,
                  "SELECT " TRUST_ENTRY_COLUMNS TRUST_ENTRY_TABLES
                  "WHERE e.until IS NULL AND e.expires_at IS NOT NULL AND e.expires_at <= ?",
                  now);
      while (query.step()) due.push_back(entry_of(query));
    }
    for (const Entry& entry : due) {
      impl_->end_entry(entry.id, generation);
      if (++count <= kAuditedItems) details.push_back(audited(entry));
    }
    std::vector<PinRow> lapsed;
    {
      Query query(impl_->db,
                  "SELECT " TRUST_PIN_COLUMNS
                  " FROM pin WHERE until IS NULL AND lapsed IS NULL AND expires_at IS NOT NULL "
                  "AND expires_at <= ?",
                  now);
      while (query.step()) lapsed.push_back(pin_of(query));
    }
    for (const PinRow& pin : lapsed) {
      Query(impl_->db, "UPDATE pin SET lapsed = ? WHERE id = ?", generation, pin.id).run();
      if (pins.size() < kAuditedItems) pins.push_back(audited(pin));
    }
    std::optional<Impl::Made> made;
    if (due.empty() && lapsed.empty()) return made;
    std::string summary = "ended: ";
    if (due.size() == 1) summary += called(due.front());
    if (due.size() > 1) summary += plural(due.size(), "entry", "entries");
    if (!due.empty() && !lapsed.empty()) summary += ", ";
    if (!lapsed.empty()) summary += plural(lapsed.size(), "pin", "pins");
    made = Impl::Made{std::move(summary),
                      dumped({{"count", count}, {"certificates", details}, {"pins", pins}})};
    return made;
  });
}

} // namespace trust
