#pragma once
// The form of trust.db: its tables, and how its rows are written, read and hashed. What
// writes the form and what reads it share this file. Every function that reads throws
// Error{store_invalid} for a row that does not match its hash.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libtrust/pin_index.h"
#include "libtrust/record.h"
#include "libtrust/sql.h"

namespace trust {

// Raised with every change of tables, indexes or hashes: another form is refused by each side, and
// a daemon writes what it finds in another one anew when it starts.
inline constexpr int kSnapshotFormat = 4;

struct SnapshotHeader {
  std::string store_id; // 32 hex digits
  GenerationNumber generation = 0;
  UnixTime created_at = 0;
  std::string audit_head;

  bool operator==(const SnapshotHeader&) const = default;
};

struct StoredEntry {
  Entry entry;
  Bytes der;
};

inline constexpr int kSnapshotApplicationId = 0x54525354; // "TRST"

// Tables; indexes are apart, for making them after the rows is quicker.
extern const char* const kSnapshotTables;
extern const char* const kSnapshotIndexes;

#define TRUST_SNAPSHOT_ENTRY                                                                   \
  "id, layer, trust, fingerprint, spki, subject_hash, subject, issuer, serial, not_before, "   \
  "not_after, names, key_kind, signature_kind, flags, label, hosts, reason, owner, added_at, " \
  "expires_at, since, der, hash"
#define TRUST_SNAPSHOT_PIN                                                          \
  "id, layer, spki, pattern, port, mode, role, position, expires_at, note, owner, " \
  "added_at, since, hash"

// A connection to a trust.db, and what its header says; and its pins.index.
struct SnapshotDatabase {
  SnapshotDatabase() = default;
  SnapshotDatabase(int file, const std::string& name); // for reading

  // Whether there is a pins.index, which is then to be given before pins are looked up.
  bool has_pin_index() const noexcept { return pins_of.has_value(); }
  void open_pin_index(Fd file, const std::string& name);
  // The pins of one pattern, or of kNetworks, in no order. Not while it is written.
  std::vector<PinRow> pins_with(std::string_view pattern) const;

  std::optional<StoredEntry> entry(std::int64_t id) const;
  // Those that a query of numbers lists. It names few columns and this one all: a statement costs a
  // process, once, as much as it has columns.
  std::vector<StoredEntry> listed(Query& ids) const;
  std::vector<Entry> entries(Query& ids) const; // without their DER

  mutable Database db;
  SnapshotHeader header;
  std::optional<GenerationNumber> pins_of; // that pins.index was written for; none: no pins
  PinShapes shapes;

 private:
  std::optional<HashFile> pin_index_;
};

struct StoredHeader {
  SnapshotHeader header;
  std::optional<GenerationNumber> pins_of; // as above
  PinShapes shapes;
};
void write_header(Database& db, const StoredHeader& stored);
StoredHeader read_header(Database& db); // also what kind of file it is, and of which form

void insert_entry(Database& db, const Entry& entry, ByteView der);
void remove_entry(Database& db, std::int64_t id);
// Of a row of TRUST_SNAPSHOT_ENTRY.
StoredEntry stored_entry_of(const Query& row, const std::string& name);

void insert_pin(Database& db, const PinRow& pin);
void remove_pin(Database& db, std::int64_t id, std::string_view pattern);
PinRow snapshot_pin_of(const Query& row, const std::string& name);
void each_pin(Database& db, const std::function<void(const PinRow&)>& visit);
std::string pattern_of_pin(Database& db, std::int64_t id); // empty: there is none

} // namespace trust
