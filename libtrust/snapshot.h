#pragma once
// The published trust.db: the snapshot that readers judge by. SQLite, immutable, opened by
// descriptor below a generation's directory; opening it parses no certificate and costs the
// same for ten entries as for a million, and every look-up goes through an index, that of a host's
// pins through pins.index beside it. Every row carries a hash over its columns and every page one
// over its bytes, verified when it is read: damage is an error and never a row that is not found.
//
// Threads: a Snapshot may be used by one thread at a time. Failure: Error{store_missing},
// Error{store_invalid}, Error{store_access}; what cannot be read is never "not found".

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libtrust/record.h"
#include "libtrust/snapshot_row.h"

namespace trust {

class Snapshot;

// Writes a trust.db, and pins.index beside it: rows in any order, then index(), then what is
// derived from the rows, then finish_pins() and finish(). Not thread-safe. Failure: Error; the
// files are then of no use.
class SnapshotWriter {
 public:
  // `path` must not exist.
  SnapshotWriter(const std::string& path, const SnapshotHeader& header);
  // Goes on from a finished one, which `path` is a copy of. Its pins.index, if it has one, is there
  // too: the same file, which is left as it is and replaced when a pin comes or goes.
  static SnapshotWriter amend(const std::string& path, const SnapshotHeader& header);
  SnapshotWriter(SnapshotWriter&&) noexcept;
  SnapshotWriter& operator=(SnapshotWriter&&) noexcept;
  ~SnapshotWriter();

  void entry(const Entry& entry, ByteView der);
  void remove_entry(std::int64_t id);
  void pin(const PinRow& pin);
  void remove_pin(std::int64_t id);

  // Makes the indexes; the rows can be read from now on.
  void index();
  // What was written, as its reader sees it, but for a host's pins. The writer's own, until
  // finish().
  Snapshot& written();

  // The generation's files by name ("bundle.pem", "certs/….pem"), but for trust.db itself, the
  // manifest and pins.index, which finish_pins() lists.
  void file(std::string_view name, const Digest& digest);
  void remove_file(std::string_view name);
  void clear_files(); // but pins.index; and warnings
  // What could not be emitted of the certificates with a subject; adds to what was said.
  void warnings(std::uint32_t subject_hash, const std::vector<std::string>& texts);
  void clear_warnings(std::uint32_t subject_hash);

  // Ends writing pins, and lists pins.index among the files, or takes it away if there is no pin
  // left. Whether it was written: then it is for the caller to sync and chmod.
  bool finish_pins();
  // Ends writing and syncs nothing: the file is for the caller to sync and chmod. Its SHA-256.
  Digest finish();

 private:
  struct Impl;
  explicit SnapshotWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class Snapshot {
 public:
  // `store_directory` holds `current`. The directory, its parents and the generation must
  // belong to root or the effective user (below /var/lib/trustd: or to its owner; on a
  // read-only mount: to anyone) and be writable by nobody else.
  static Snapshot open(const std::string& store_directory);
  // The one in a generation's directory that is open and was checked.
  static Snapshot open_at(int generation_directory, const std::string& name);
  Snapshot(Snapshot&&) noexcept;
  Snapshot& operator=(Snapshot&&) noexcept;
  ~Snapshot();

  const SnapshotHeader& header() const noexcept;

  // The entries for a fingerprint, a subject (hash), an SPKI; labels and prefixes as `find`.
  std::vector<Entry> by_fingerprint(const Fingerprint& fingerprint) const;
  std::vector<Entry> by_subject(std::uint32_t subject_hash) const;
  std::vector<Entry> by_spki(const Digest& spki_hash) const;
  // Roots with that subject (hash), the base's among them: entries of this store first, of one
  // layer the last added first. Does not grow with the number of other entries that have the
  // subject.
  std::vector<StoredEntry> roots_of_subject(std::uint32_t subject_hash, std::size_t limit) const;
  // The entry that forbids a certificate: its key's, or its own. Does not grow with the number of
  // certificates that share the key.
  std::optional<Entry> distrusting(const Fingerprint& fingerprint, const Digest& spki_hash) const;
  bool distrusts_key(const Digest& spki_hash) const; // everything with it
  // Interfaces' ID, as Store::find.
  Entry find(std::string_view id, std::size_t least_digits) const;
  std::optional<StoredEntry> by_id(std::int64_t id) const;
  std::optional<Bytes> der(std::int64_t entry_id) const; // fingerprint verified
  // Every pin for a host and port (0: any port's), lapsed ones too; most specific first: the
  // pattern, then one with a port before one without.
  std::vector<PinRow> pins_for(const Host& host, Port port) const;
  std::vector<std::string> labels(std::string_view prefix, std::size_t limit) const;
  std::vector<std::string> hosts(std::string_view prefix, std::size_t limit) const;

  // ---- for publication ----------------------------------------------------
  // Entries with one (SPKI, subject) together, in order of both; of one pair by id.
  using PairVisitor = std::function<void(const std::vector<StoredEntry>& same_pair)>;
  void each_pair(const PairVisitor& visit) const;
  void each_pair_of(std::uint32_t subject_hash, const PairVisitor& visit) const;
  std::vector<std::uint32_t> subjects_of_key(const Digest& spki_hash) const; // each once
  std::vector<std::uint32_t> subjects_of_label(std::string_view label) const;
  std::vector<std::uint32_t> subjects_ended(UnixTime after, UnixTime until) const; // (after, until]
  // How many entries have that subject, and whether of more than one key.
  std::size_t count_of_subject(std::uint32_t subject_hash) const;
  bool has_many_keys(std::uint32_t subject_hash) const;
  // The entry that a label names: of this store before the machine's, then the first.
  std::optional<std::int64_t> labelled(std::string_view label) const;
  std::optional<Digest> file(std::string_view name) const;
  // In order of name, those that begin with `prefix`.
  void each_file(std::string_view prefix,
                 const std::function<void(std::string_view name, const Digest&)>& visit) const;
  std::size_t count_files(std::string_view prefix) const;
  std::size_t count_entries() const;
  std::vector<std::string> warnings(std::size_t limit) const;

  // Everything, streamed: for a store that takes this one as its base.
  void each_entry(const std::function<void(const Entry&, ByteView der)>& visit) const;
  void each_pin(const std::function<void(const PinRow&)>& visit) const;

 private:
  friend class SnapshotWriter;
  explicit Snapshot(std::unique_ptr<SnapshotDatabase> impl);
  std::unique_ptr<SnapshotDatabase> impl_;
};

} // namespace trust
