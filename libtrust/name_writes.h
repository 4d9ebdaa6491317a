#pragma once
// The names that a change brings, written into their directories: one file for each certificate,
// linked under its other names. Many are written by a thread of their own, while the caller writes
// what else the generation has, and then by both: making files is what most of a large change waits
// for, and the kernel makes one at a time in a directory.
//
// Threads: one caller; from start() to finish() the directories are not to be changed. Failure:
// Error from start() or finish(); names too many may be left.

#include <atomic>
#include <cstddef>
#include <exception>
#include <string>
#include <thread>
#include <vector>

#include "libtrust/name_directory.h"
#include "libtrust/unsynced.h"

namespace trust {

class NameWrites {
 public:
  NameWrites() = default;
  // Begins no more of them.
  ~NameWrites();
  NameWrites(const NameWrites&) = delete;
  NameWrites& operator=(const NameWrites&) = delete;

  // The directory must outlive this. The number of the file, for link().
  std::size_t file(NameDirectory& directory, std::string name, std::string bytes);
  void link(std::size_t file, NameDirectory& directory, std::string name);

  // `aside`: a directory of nobody else, open, for temporaries; `spare`: the name of one that is
  // there, if any.
  void start(int aside, const char* spare);
  // All are written, and to be synced.
  void finish(Unsynced& unsynced);

 private:
  struct Name {
    NameDirectory* directory;
    std::string name;
  };
  struct File {
    NameDirectory* directory;
    std::string name, bytes;
    std::vector<Name> links;
  };

  enum class Temporaries : bool { beside, aside };
  void write_rest(Temporaries temporaries);

  std::vector<File> files_;
  int aside_ = -1;
  const char* spare_ = nullptr;
  std::atomic<std::size_t> next_ = 0; // of files_, to be written
  std::exception_ptr failure_; // of the thread
  std::thread beside_;
};

} // namespace trust
