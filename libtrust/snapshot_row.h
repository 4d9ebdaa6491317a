#pragma once
// The form of trust.db: its tables, and how its rows are written, read and hashed, and of
// pins.index, where a host's pins are looked up. What writes the form and what reads it share this
// file. Every function that reads throws Error{store_invalid} for a row that does not match its
// hash.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libtrust/hash_file.h"
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

// Beside trust.db, if there is a pin: the rows of its table `pin` by pattern. A look-up through
// SQLite reads two of its pages or three of a large table; one here reads a quarter of one.
inline constexpr const char* kPinIndex = "pins.index";

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
  // The pins of one pattern, in no order. Not while it is written.
  std::vector<PinRow> pins_with(std::string_view pattern) const;

  // All rows of a query of TRUST_SNAPSHOT_ENTRY.
  std::vector<StoredEntry> all(Query& query) const;
  std::vector<Entry> entries(Query& query) const;

  // The shapes of the pins with stars that are there, in order; of a file that does not change.
  const std::vector<std::int64_t>& pin_shapes() const;

  mutable Database db;
  SnapshotHeader header;
  std::optional<GenerationNumber> pins_of; // that pins.index was written for; none: no pins

 private:
  std::optional<HashFile> pin_index_;
  mutable std::optional<std::vector<std::int64_t>> shapes_;
};

// Of a pattern with stars, how many labels follow them and how many stars; none of others.
std::optional<std::int64_t> pin_shape_of(std::string_view pattern);

struct StoredHeader {
  SnapshotHeader header;
  std::optional<GenerationNumber> pins_of; // as above
};
void write_header(Database& db, const StoredHeader& stored);
StoredHeader read_header(Database& db); // also what kind of file it is, and of which form

void insert_entry(Database& db, const Entry& entry, ByteView der);
void remove_entry(Database& db, std::int64_t id);
// Of a row of TRUST_SNAPSHOT_ENTRY.
StoredEntry stored_entry_of(const Query& row, const std::string& name);

void insert_pin(Database& db, const PinRow& pin);
void remove_pin(Database& db, std::int64_t id);
PinRow snapshot_pin_of(const Query& row, const std::string& name);
void each_pin(Database& db, const std::function<void(const PinRow&)>& visit);
std::string pattern_of_pin(Database& db, std::int64_t id); // empty: there is none

void index_pin(HashFileWriter& index, const PinRow& pin);
void unindex_pin(HashFileWriter& index, std::string_view pattern, std::int64_t id);

} // namespace trust
