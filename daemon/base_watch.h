#pragma once
// Notices that the source of the base may have changed: told by the kernel about the directories
// it lies in, and looked at every few seconds, since a directory may come to be, be replaced, or
// lie where the kernel tells nothing. Belongs to one thread.

#include <chrono>
#include <string>
#include <vector>

#include "libtrust/base.h"
#include "libtrust/handles.h"

namespace trust {

class BaseWatch {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // `setting` as read_base takes it.
  BaseWatch(std::string setting, bool system_store);

  int fd() const noexcept { return fd_.get(); } // readable: call noticed(); -1 if there is none
  void noticed(Time now);

  // When to look next, if nothing is noticed before.
  Time due() const noexcept { return due_; }
  // Whether the source is another than at the last call of this that said so.
  bool changed(Time now);
  // Watches where the base was read from.
  void follow(const std::string& source);

  // The version as of the last look; an error's text if it could not be looked at.
  const std::string& version() const noexcept { return version_; }

 private:
  std::string setting_;
  bool system_store_;
  std::string version_;
  std::string watched_; // the source that follow() was told
  std::vector<int> watches_;
  Time due_{};
  Fd fd_;
};

} // namespace trust
