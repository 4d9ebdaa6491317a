#pragma once
// The published trust.db: the snapshot that readers judge by. SQLite, immutable, opened by
// descriptor below a generation's directory; opening it parses no certificate and costs the
// same for ten entries as for a million. What writes the format and what reads it share this
// file. Every row carries a hash over its columns, verified when the row is read.
//
// Threads: a Snapshot may be used by one thread at a time. Failure: Error{store_missing},
// Error{store_invalid}, Error{store_access}.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libtrust/record.h"

namespace trust {

inline constexpr int kSnapshotFormat = 1;

struct SnapshotHeader {
  std::string store_id; // 32 hex digits
  GenerationNumber generation = 0;
  UnixTime created_at = 0;
  std::string audit_head;
};

// Writes a trust.db. Rows in any order, then finish(). Not thread-safe.
class SnapshotWriter {
 public:
  // `path` must not exist; the file is for the caller to fsync, chmod and rename.
  SnapshotWriter(const std::string& path, const SnapshotHeader& header);
  ~SnapshotWriter();
  SnapshotWriter(const SnapshotWriter&) = delete;
  SnapshotWriter& operator=(const SnapshotWriter&) = delete;

  void entry(const Entry& entry, ByteView der);
  void pin(const PinRow& pin);
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class Snapshot {
 public:
  // `store_directory` holds `current`. The directory, its parents and the generation must
  // belong to root or the effective user (below /var/lib/trustd: or to its owner; on a
  // read-only mount: to anyone) and be writable by nobody else.
  static Snapshot open(const std::string& store_directory);
  Snapshot(Snapshot&&) noexcept;
  Snapshot& operator=(Snapshot&&) noexcept;
  ~Snapshot();

  const SnapshotHeader& header() const noexcept;

  // The entries for a fingerprint, a subject (hash), an SPKI; labels and prefixes as `find`.
  std::vector<Entry> by_fingerprint(const Fingerprint& fingerprint) const;
  std::vector<Entry> by_subject(std::uint32_t subject_hash) const;
  std::vector<Entry> by_spki(const Digest& spki_hash) const;
  // Interfaces' ID, as Store::find.
  Entry find(std::string_view id, std::size_t least_digits) const;
  std::optional<Bytes> der(std::int64_t entry_id) const; // fingerprint verified
  std::vector<PinRow> pins_for(const Host& host, Port port) const;
  std::vector<std::string> labels(std::string_view prefix, std::size_t limit) const;
  std::vector<std::string> hosts(std::string_view prefix, std::size_t limit) const;

  // Everything, streamed: for a store that takes this one as its base.
  void each_entry(const std::function<void(const Entry&, ByteView der)>& visit) const;
  void each_pin(const std::function<void(const PinRow&)>& visit) const;

 private:
  struct Impl;
  explicit Snapshot(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

} // namespace trust
