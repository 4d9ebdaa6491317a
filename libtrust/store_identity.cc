// Identities: the rows that say what was made and when it is to be renewed.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "libtrust/error.h"
#include "libtrust/store_impl.h"

namespace trust {
namespace {

#define TRUST_IDENTITY_COLUMNS                                                               \
  "i.id, i.kind, i.label, i.names, i.key, i.digest, i.key_format, i.days, i.ca, i.from_ca, " \
  "i.directory, i.renews, i.after_renew, i.owner, i.made_at, i.next_at, i.pending, "         \
  "i.failures, i.problem, " TRUST_FACT_COLUMNS
#define TRUST_IDENTITY_TABLES " FROM identity i JOIN certificate c ON c.id = i.certificate "

constexpr int kFirstFact = 19;
constexpr std::size_t kMostProblemBytes = 1000;
// What the label of a renewed certificate becomes as long as it is trusted still.
constexpr const char* kBefore = "-before";

Identity identity_of(const Query& row) {
  Identity identity;
  identity.id = row.integer(0);
  identity.kind = static_cast<Identity::Kind>(row.integer(1));
  identity.label = row.text(2);
  identity.names = hosts_of(row.view(3));
  identity.key = static_cast<KeyKind>(row.integer(4));
  identity.digest = static_cast<SigningDigest>(row.integer(5));
  identity.key_format = static_cast<KeyFormat>(row.integer(6));
  identity.days = row.integer(7);
  identity.ca = row.integer(8) != 0;
  identity.from_ca = row.integer(9) != 0;
  identity.directory = row.text(10);
  identity.renews = row.integer(11) != 0;
  identity.after_renew = row.text(12);
  identity.owner = static_cast<uid_t>(row.integer(13));
  identity.made_at = row.integer(14);
  identity.next_at = row.maybe_integer(15);
  identity.pending = row.integer(16) != 0;
  identity.failures = static_cast<std::uint32_t>(row.integer(17));
  identity.problem = row.text(18);
  identity.certificate = facts_of(row, kFirstFact);
  return identity;
}

// In the order they were given in, unlike a scope.
std::string names_text(const std::vector<Pattern>& names) {
  std::string text;
  for (const Pattern& name : names) text += (text.empty() ? "" : "\n") + name.text();
  return text;
}

nlohmann::json audited(const Identity& identity, const Fingerprint& fingerprint) {
  nlohmann::json json{{"fingerprint", fingerprint.text()}, {"label", identity.label},
                      {"kind", name_of(identity.kind)},    {"from_ca", identity.from_ca},
                      {"directory", identity.directory},   {"days", identity.days}};
  for (const Pattern& name : identity.names) json["names"].push_back(name.text());
  if (!identity.after_renew.empty()) json["after_renew"] = identity.after_renew;
  return json;
}

Error unknown(std::string_view id) {
  return {Code::not_found, "no identity is called \"" + shown(id) + "\"", "trustctl identity list"};
}

} // namespace

Store::IdentityAdded Store::add_identity(const Asked& asked, const Identity& identity,
                                         const Certificate& certificate,
                                         const std::optional<Addition::Item>& trusted,
                                         bool emit_signing) {
  check_reason(asked.reason);
  IdentityAdded added;
  added.identity = identity;
  Identity& made = added.identity;
  made.certificate = CertificateFacts::of(certificate);
  made.owner = asked.actor.uid;
  made.made_at = impl_->clock();
  added.change = impl_->change(asked, "identity", [&](GenerationNumber generation) {
    {
      Query query(impl_->db, "SELECT 1 FROM identity WHERE label = ?", made.label);
      if (query.step())
        throw Error(Code::conflict, "the label \"" + made.label + "\" is that of another identity",
                    "another --label, or trustctl identity rm " + made.label);
    }
    if (const auto ca = local_ca(); made.kind == Identity::Kind::ca && ca)
      throw Error(Code::conflict,
                  "there is a local CA already, \"" + ca->label +
                      "\": " + ca->certificate.fingerprint.text(),
                  "trustctl ca show");
    const std::int64_t row = impl_->keep_certificate(certificate, made.certificate);
    nlohmann::json detail = audited(made, made.certificate.fingerprint);
    if (trusted) {
      Addition addition;
      addition.items.push_back(*trusted);
      addition.emit_signing = emit_signing;
      Added entries;
      if (impl_->add(asked, addition, generation, entries)) {
        detail["trust"] = name_of(trusted->trust);
        detail["entry"] = entries.items.front().entry.label;
        for (const Pattern& host : trusted->hosts) detail["hosts"].push_back(host.text());
      }
    }
    Query(impl_->db,
          "INSERT INTO identity VALUES(NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, "
          "'')",
          static_cast<int>(made.kind), made.label, row, names_text(made.names),
          static_cast<int>(made.key), static_cast<int>(made.digest),
          static_cast<int>(made.key_format), made.days, made.ca, made.from_ca, made.directory,
          made.renews, made.after_renew, made.owner, made.made_at, made.next_at)
        .run();
    made.id = impl_->db.last_id();
    Query(impl_->db, "INSERT INTO identity_certificate VALUES(?, ?)", made.id, row).run();
    return std::optional(Impl::Made{
        "made the " + std::string(made.kind == Identity::Kind::ca ? "local CA " : "identity ") +
            made.label,
        dumped(detail)});
  });
  return added;
}

Store::IdentityAdded Store::renew_identity(const Asked& asked, const Fingerprint& current,
                                           const Certificate& next) {
  check_reason(asked.reason);
  const UnixTime now = impl_->clock();
  IdentityAdded renewed;
  renewed.change = impl_->change(asked, "renew", [&](GenerationNumber generation) {
    const auto before = identity(current);
    if (!before)
      throw Error(Code::not_found, "no identity has the fingerprint " + current.text(),
                  "trustctl identity list");
    const CertificateFacts facts = CertificateFacts::of(next);
    if (impl_->distrusting(facts))
      throw Error(Code::conflict, "the certificate " + facts.fingerprint.text() + " is distrusted");
    const std::int64_t row = impl_->keep_certificate(next, facts);
    nlohmann::json detail = audited(*before, facts.fingerprint);
    detail["before"] = current.text();

    if (const auto own = impl_->own_entry(current); own && own->trust != Trust::distrusted) {
      Entry old = *own;
      impl_->end_entry(own->id, generation);
      old.label = impl_->free_label(
          own->label.substr(0, std::min(own->label.size(), std::size_t{55})) + kBefore);
      // Not beyond its certificate, so that it leaves the store when it is of no more use.
      old.expires_at = std::min(own->expires_at.value_or(INT64_MAX), before->certificate.not_after);
      if (*old.expires_at > now)
        impl_->insert_entry(old, impl_->certificate_id(current), generation);
      Entry entry = *own;
      entry.certificate = facts;
      entry.added_at = now;
      impl_->insert_entry(entry, row, generation);
      detail["trust"] = name_of(entry.trust);
      detail["entry"] = entry.label;
    }
    // Every certificate that the identity has had: pins of keys whose certificates have ended go.
    std::vector<Digest> over;
    {
      Query query(impl_->db,
                  "SELECT c.spki_hash FROM identity_certificate v JOIN certificate c "
                  "ON c.id = v.certificate WHERE v.identity = ? AND c.not_after <= ? "
                  "AND c.id <> (SELECT certificate FROM identity WHERE id = v.identity)",
                  before->id, now);
      while (query.step()) over.push_back(query.digest(0));
    }
    std::vector<PinRow> pinned, gone;
    each_pin([&](const PinRow& pin) {
      if (pin.layer != Layer::own || (pin.expires_at && *pin.expires_at <= now)) return;
      if (pin.pin.spki_hash == before->certificate.spki_hash) pinned.push_back(pin);
      if (std::find(over.begin(), over.end(), pin.pin.spki_hash) != over.end()) gone.push_back(pin);
    });
    for (PinRow pin : pinned) {
      pin.pin = Pin{facts.spki_hash};
      pin.added_at = now;
      if (!impl_->same_pin(pin, now)) impl_->insert_pin(pin, generation);
      detail["pins"].push_back(pin.pattern.text());
    }
    for (const PinRow& pin : gone) impl_->end_pin(pin.id, generation);

    Query(impl_->db,
          "UPDATE identity SET certificate = ?, next_at = ?, pending = 1, failures = 0, "
          "problem = '' WHERE id = ?",
          row, now, before->id)
        .run();
    Query(impl_->db, "INSERT OR IGNORE INTO identity_certificate VALUES(?, ?)", before->id, row)
        .run();
    renewed.identity = identity(facts.fingerprint).value();
    return std::optional(Impl::Made{"renewed " + before->label, dumped(detail)});
  });
  return renewed;
}

Change Store::remove_identity(const Asked& asked, const Fingerprint& current) {
  check_reason(asked.reason);
  return impl_->change(asked, "forget", [&](GenerationNumber) {
    const auto found = identity(current);
    if (!found)
      throw Error(Code::not_found, "no identity has the fingerprint " + current.text(),
                  "trustctl identity list");
    Query(impl_->db, "DELETE FROM identity_certificate WHERE identity = ?", found->id).run();
    Query(impl_->db, "DELETE FROM identity WHERE id = ?", found->id).run();
    return std::optional(
        Impl::Made{"forgot the identity " + found->label, dumped(audited(*found, current))});
  });
}

void Store::finish_identity(std::int64_t id, std::optional<UnixTime> next_at) {
  Query(impl_->db,
        "UPDATE identity SET pending = 0, failures = 0, problem = '', next_at = ? WHERE id = ?",
        next_at, id)
      .run();
}

void Store::note_identity_problem(std::int64_t id, std::string_view problem,
                                  std::optional<UnixTime> next_at) {
  Query(impl_->db,
        "UPDATE identity SET failures = failures + 1, problem = ?, next_at = ? WHERE id = ?",
        problem.substr(0, kMostProblemBytes), next_at, id)
      .run();
}

std::vector<Identity> Store::identities(std::size_t limit, std::int64_t cursor) const {
  std::vector<Identity> found;
  Query query(impl_->db,
              "SELECT " TRUST_IDENTITY_COLUMNS TRUST_IDENTITY_TABLES
              "WHERE i.id > ? ORDER BY i.id LIMIT ?",
              cursor, static_cast<std::uint64_t>(limit));
  while (query.step()) found.push_back(identity_of(query));
  return found;
}

std::optional<Identity> Store::identity(const Fingerprint& current) const {
  Query query(impl_->db,
              "SELECT " TRUST_IDENTITY_COLUMNS TRUST_IDENTITY_TABLES "WHERE c.fingerprint = ?",
              current.bytes);
  if (!query.step()) return std::nullopt;
  return identity_of(query);
}

Identity Store::find_identity(std::string_view id, std::size_t least_digits) const {
  try {
    if (auto whole = identity(Fingerprint::parse(id))) return *std::move(whole);
    throw unknown(id);
  } catch (const Error& error) {
    if (error.code() != Code::invalid) throw;
  }
  {
    Query query(impl_->db,
                "SELECT " TRUST_IDENTITY_COLUMNS TRUST_IDENTITY_TABLES "WHERE i.label = ?", id);
    if (query.step()) return identity_of(query);
  }
  if (!is_hex(id) || id.size() < least_digits || id.size() >= kFingerprintDigits) throw unknown(id);
  const auto [low, high] = digests_with(id);
  std::vector<Identity> found;
  Query query(impl_->db,
              "SELECT " TRUST_IDENTITY_COLUMNS TRUST_IDENTITY_TABLES
              "WHERE c.fingerprint BETWEEN ? AND ? LIMIT 2",
              low, high);
  while (query.step()) found.push_back(identity_of(query));
  if (found.empty()) throw unknown(id);
  if (found.size() > 1)
    throw Error(Code::conflict, "\"" + std::string(id) + "\" could be " + found[0].label + " (" +
                                    found[0].certificate.fingerprint.text() + ") or " +
                                    found[1].label + " (" +
                                    found[1].certificate.fingerprint.text() + ")");
  return std::move(found.front());
}

std::optional<Identity> Store::local_ca() const {
  Query query(impl_->db, "SELECT " TRUST_IDENTITY_COLUMNS TRUST_IDENTITY_TABLES "WHERE i.kind = 1");
  if (!query.step()) return std::nullopt;
  return identity_of(query);
}

std::vector<Identity> Store::identities_due(UnixTime now, std::size_t limit) const {
  std::vector<Identity> due;
  Query query(impl_->db,
              "SELECT " TRUST_IDENTITY_COLUMNS TRUST_IDENTITY_TABLES
              "WHERE i.next_at IS NOT NULL AND i.next_at <= ? ORDER BY i.next_at LIMIT ?",
              now, static_cast<std::uint64_t>(limit));
  while (query.step()) due.push_back(identity_of(query));
  return due;
}

std::optional<UnixTime> Store::next_identity_due() const {
  Query query(impl_->db, "SELECT min(next_at) FROM identity WHERE next_at IS NOT NULL");
  if (!query.step()) return std::nullopt;
  return query.maybe_integer(0);
}

} // namespace trust
