#pragma once
// A table in a file that does not change: values under keys, several under one, found by one read
// of 1 KiB whatever the file holds. Nothing of it is kept in memory but its head. Every page
// carries a hash (page_hash.h), verified when it is read: damage is an error, and never a key that
// is not found.
//
// The file: pages of 1 KiB, numbers little-endian. Page 0 is the head: "TRSTHASH", form (u32),
// chains (u32), pages in all (u64), values in all (u64), what the file belongs to (32 bytes of text
// and u64). Pages 1 to `chains` begin the chain of the keys whose hash modulo `chains` is the
// page's number less one; a page is the number of the next (u32, 0: none), how many bytes of
// records follow (u16), and records: sizes of key and value (u16 each), key, value.
//
// Threads: a HashFile may be read by several threads at a time, a writer is one thread's. Failure:
// Error{store_invalid} for what is damaged or another file; Error{io}; a full disk is
// Error{storage_full}.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "libtrust/certificate.h"
#include "libtrust/handles.h"

namespace trust {

// What a file belongs to: a store, by its 32 hex digits, and the generation it was written for.
struct HashFileId {
  std::string store_id;
  std::uint64_t generation = 0;

  bool operator==(const HashFileId&) const = default;
};

class HashFile {
 public:
  // Error{store_invalid} unless the file belongs to `id`.
  HashFile(Fd file, std::string name, const HashFileId& id);

  const std::string& name() const noexcept { return name_; }
  // Every value under `key`, in no order; borrowed until `visit` returns.
  void each(std::string_view key, const std::function<void(ByteView value)>& visit) const;

 private:
  Fd file_;
  std::string name_;
  std::uint64_t seed_ = 0;
  std::uint32_t chains_ = 0;
  std::uint64_t pages_ = 0;
};

class HashFileWriter {
 public:
  // Into an empty file, open for reading and writing; for about `expected` values.
  HashFileWriter(Fd file, std::string name, HashFileId id, std::uint64_t expected);
  // Goes on from `before`, of which `file` becomes a copy, for another generation of its store.
  HashFileWriter(int before, const HashFileId& of, Fd file, std::string name,
                 std::uint64_t generation);

  // Whether a value can be put under a key: together they must fit into a page.
  static bool fits(std::string_view key, ByteView value) noexcept;
  void insert(std::string_view key, ByteView value);
  // The first value under `key` that is `wanted`; false: there is none.
  bool remove(std::string_view key, const std::function<bool(ByteView value)>& wanted);

  std::uint64_t count() const noexcept { return count_; }
  // Whether look-ups read several pages: it holds much more than was expected, or much came and
  // went. One that is written anew is not, whatever it holds.
  bool crowded() const noexcept;

  // Ends writing; syncs nothing. The SHA-256 of the whole file.
  Digest finish();

 private:
  Fd file_;
  std::string name_;
  HashFileId id_;
  std::uint64_t seed_ = 0;
  std::uint32_t chains_ = 0;
  std::uint64_t pages_ = 0;
  std::uint64_t count_ = 0;
};

} // namespace trust
