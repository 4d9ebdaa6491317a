#pragma once
// One generation's directory, written beside the published one: `.new/` below the store's
// directory, complete when this returns, and seen by nobody until it is renamed and pointed to.
//
// What did not change is not written again: trust.db is the one before with the difference, names
// are shared (name_directory.h), and if no certificate changed the bundles are the ones before. It
// gives the same files as writing everything.
//
// Threads: none shared. Failure: Error; `.new` and names that nobody lists may be left.

#include <string>
#include <vector>

#include "libtrust/emit/pieces.h"
#include "libtrust/file.h"
#include "libtrust/snapshot.h"
#include "libtrust/store.h"

namespace trust {

inline constexpr const char* kNewGeneration = ".new";
inline constexpr std::size_t kMostWarnings = 100; // of a publication, that are told

struct GenerationJob {
  int store = -1;     // the directory that holds `current`, open
  std::string path;   // its path
  bool system = false;
  UnixTime now = 0;
  // What is published, of this store and tidy, to go on from; none: everything is written.
  const Snapshot* before = nullptr;
  int before_directory = -1; // its generation's directory, open
  bool prepared = false; // what prepare_generation() made is there
  KeptPieces* pieces = nullptr; // of what was published last; then of what is written
};

struct GenerationWritten {
  SnapshotHeader header;
  std::vector<std::string> warnings;
  Unsynced unsynced; // to be synced before anything points to it
};

// Makes the directory of the generation to come with its files, empty: where inodes that were freed
// a moment ago are passed over one by one, as ext4 without a journal does, making them takes longer
// than all else that a small change needs. What fails here is made then.
void prepare_generation(int store);

GenerationWritten write_generation(Store& source, const GenerationJob& job);

} // namespace trust
