#pragma once
// The names of one generation, in the directories that it shares with others (name_directory.h):
// all made anew, or the difference to the generation before. Each is listed in its trust.db as it
// is made.
//
// Threads: one caller; names of a large difference are written by a thread of their own from
// change() to finish(). Failure: Error; names that nobody lists may be left.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "libtrust/emit/anchors.h"
#include "libtrust/name_directory.h"
#include "libtrust/name_writes.h"
#include "libtrust/snapshot.h"
#include "libtrust/unsynced.h"

namespace trust {

class GenerationNames {
 public:
  struct Places {
    int store = -1;     // the directory that holds the generations
    int directory = -1; // the generation's
    int before = -1;    // that of the one before, if it is gone on from
    const char* spare = nullptr; // a file in `directory` that may become the first new name
  };
  // `before`: what is gone on from; null: all names are made, not the difference. What is given
  // stays the caller's and must outlive this.
  GenerationNames(const Places& places, GenerationNumber generation, SnapshotWriter& writer,
                  const Snapshot* before, Unsynced& unsynced);

  // ---- all
  void make_directories();
  // Every name of one pair's certificates: one file, linked.
  void write(const std::vector<StoredEntry>& same_pair, const Emission& emission);

  // ---- the difference
  // What one pair gives now, of a subject that is affected.
  void take(const std::vector<StoredEntry>& same_pair, const Emission& emission);
  // Of all subjects that are, after their pairs were taken.
  void change(const std::set<std::uint32_t>& subjects);

  // ---- both
  using Files = std::vector<std::pair<std::string, std::string>>; // name and text
  // env/ has these; the one before is kept if it has the same.
  void environment(const Files& files);
  // All is written, and the generation's directory has a link to each of its four.
  void finish();

 private:
  // A name in one of the shared directories.
  struct Name;
  struct NewName {
    Digest digest;
    std::string pem;
  };
  enum : std::size_t { kByLabel = 0, kCerts = 1, kEnv = 2, kHashed = 3, kDirectories = 4 };

  static std::size_t directory_of(std::string_view path);
  static std::string name_in(const std::string& path);

  std::vector<Name> names_of(const std::vector<StoredEntry>& same_pair, const Emission& emission,
                             std::map<std::uint32_t, std::size_t>& numbers) const;
  void old_names_of(const Entry& entry, std::set<std::string>& names);
  NameDirectory make(std::size_t at);
  NameDirectory before(std::size_t at) const;
  void write_name(std::size_t at, const std::string& name, std::string_view bytes);

  const Places places_;
  const GenerationNumber generation_;
  SnapshotWriter& writer_;
  const Snapshot* const before_;
  Unsynced& unsynced_;
  // Numbers that are taken in hashed/, by subject hash: of subjects with several keys, of those
  // that were taken, and of the generation before.
  std::map<std::uint32_t, std::size_t> numbers_, new_numbers_, old_numbers_;
  std::map<std::string, NewName> new_names_; // by path
  std::array<std::optional<NameDirectory>, kDirectories> directories_;
  NameWrites writes_; // last: it may have a thread that writes into the directories
};

} // namespace trust
