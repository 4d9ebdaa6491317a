#pragma once
// What must be on disk before something may point to it.
//
// Threads: one, but for those that sync() starts itself. Failure: Error; a full disk is
// Error{storage_full}.

#include <string>
#include <vector>

#include "libtrust/handles.h"

namespace trust {

// A few files and directories are synced side by side, which waits for nothing but them and about
// as long as for one; many by one syncfs of the file system that they are on, which then costs less
// than a barrier for each, though it waits for what others wrote.
class Unsynced {
 public:
  // `directory`: any of that file system.
  explicit Unsynced(int directory);

  // A file that is complete. The disk begins with a large one while the caller goes on.
  void file(int directory, const std::string& name);
  void directory(int directory);

  // All are on disk when it returns.
  void sync();

 private:
  bool add(int directory, const char* name, int flags);

  Fd file_system_;
  std::vector<Fd> few_;
  bool many_ = false;
};

} // namespace trust
