#pragma once
// What the files of the store share: its connection, how rows become values, and how a change
// is made. Included by store*.cc alone.

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "libtrust/sql.h"
#include "libtrust/store.h"

namespace trust {

// As it stands in the audit and in events.
std::string dumped(const nlohmann::json& json);
// A number that was kept as a note; 0: none was.
std::uint64_t number_in(const std::optional<std::string>& note);

// Columns that entry_of reads, in its order; to be joined as below.
#define TRUST_FACT_COLUMNS                                                                    \
  "c.fingerprint, c.spki_hash, c.subject_hash, c.subject, c.issuer, c.serial, "               \
  "c.not_before, c.not_after, c.names, c.key_kind, c.signature_kind, c.is_ca, c.could_sign, " \
  "c.is_self_signed"
#define TRUST_ENTRY_COLUMNS                                                                 \
  "e.id, e.layer, e.trust, e.label, e.hosts, e.reason, e.owner, e.added_at, e.expires_at, " \
  "e.only_this, e.emit_signing, e.since, e.until, " TRUST_FACT_COLUMNS
#define TRUST_ENTRY_TABLES " FROM entry e JOIN certificate c ON c.id = e.certificate "
#define TRUST_PIN_COLUMNS                                                                \
  "id, layer, spki_hash, pattern, port, mode, role, position, expires_at, note, owner, " \
  "added_at, since, until"

inline constexpr int kEntryColumns = 27;

CertificateFacts facts_of(const Query& row, int first); // TRUST_FACT_COLUMNS from there on
Entry entry_of(const Query& row);
PinRow pin_of(const Query& row);
std::vector<std::string> names_of(std::string_view json); // a certificate's, as stored
std::string hosts_text(const std::vector<Pattern>& hosts); // sorted, one a line
std::vector<Pattern> hosts_of(std::string_view text);      // the same back
std::string pin_place(const PinRow& pin);                  // "*.dev.test:8443"

struct Store::Impl {
  Impl(const std::string& path, bool writable, Clock from);

  mutable Database db;
  Clock clock;

  // What a change did, for its audit record and generation.
  struct Made {
    std::string summary; // one line for people
    std::string detail;  // JSON object
  };

  // Runs `body(generation)` in a transaction (of its own, or the batch's); if it made
  // something, writes generation, audit record and event with it.
  Change change(const Asked& asked, std::string_view action,
                const std::function<std::optional<Made>(GenerationNumber)>& body);

  // Runs `body` in a transaction (of its own, or the one that there is) without a generation. What
  // it returns, if anything, is written as an audit record, since somebody decided it.
  Change note(const Asked& asked, std::string_view action,
              const std::function<std::optional<Made>()>& body);
  void write_audit(const Asked& asked, std::string_view action, const std::string& detail,
                   GenerationNumber before, GenerationNumber after);
  // Runs `body` in a transaction, of its own or the one that there is.
  void in_transaction(const std::function<void()>& body);

  GenerationNumber generation() const;
  std::string store_id() const;
  std::pair<std::uint64_t, Digest> audit_head() const;

  std::optional<Entry> own_entry(const Fingerprint& fingerprint) const;
  std::optional<Entry> own_labelled(std::string_view label) const;
  // The entry in force that forbids a certificate, if any.
  std::optional<Entry> distrusting(const CertificateFacts& certificate) const;
  std::string free_label(const std::string& wanted) const;

  // Adds what `addition` says to the generation that is being made; none if all was there.
  std::optional<Made> add(const Asked& asked, const Addition& addition, GenerationNumber generation,
                          Added& added);
  // Writes down that a watch saw a certificate; how it followed the one before, if it is new.
  Succession keep_sighting(const Watch& watch, const CertificateFacts& facts, const Facet& facet,
                           bool& is_new);
  // A pattern and a port that is pinned.
  using Place = std::pair<std::string, std::int64_t>;
  void look_at_pins(Store& store, const Place& place, UnixTime now);
  void tell_lone_pins(Store& store);
  void look_at_pins_of_key(Store& store, const Digest& spki_hash); // it may live longer now
  // Of the certificates with a key, in force or seen at a server, the one that ends last.
  std::optional<Lifetime> latest_with_key(const Digest& spki_hash) const;
  // The row of what ends, made if it is not there, to be looked at at once.
  std::int64_t keep_ending(const Ending& ending);
  // Settles and forgets what nobody depends on any more.
  bool is_moot(std::int64_t ending) const;
  void look_again_at_distrusted(std::uint64_t since);
  void forget_unneeded_ending(Store& store, std::int64_t ending);
  Breaks breaks(std::int64_t ending, const std::string& published) const;

  std::int64_t keep_certificate(const Certificate& certificate, const CertificateFacts& facts);
  // `entry.certificate` must be kept already as row `certificate`. Returns the id.
  std::int64_t insert_entry(const Entry& entry, std::int64_t certificate, GenerationNumber since);
  std::int64_t certificate_id(const Fingerprint& fingerprint) const;
  void end_entry(std::int64_t id, GenerationNumber until);
  std::int64_t insert_pin(const PinRow& pin, GenerationNumber since);
  void end_pin(std::int64_t id, GenerationNumber until);
  // The same pin for the same pattern, in force and not lapsed.
  std::optional<PinRow> same_pin(const PinRow& pin, UnixTime now) const;
};

// An event for subscribers. `data`: a JSON object.
void tell(Database& db, UnixTime at, std::string_view kind, const std::string& data);
void check_reason(std::string_view reason); // Error{too_large}

// SHA-256 over a record's fields, each with its length before it.
Digest audit_hash(const AuditRecord& record, std::string_view store_id);

} // namespace trust
