#include "libtrust/unsynced.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <system_error>
#include <thread>
#include <vector>

#include "libtrust/error.h"

namespace trust {
namespace {

// Only to start: what fails here fails again when it is waited for.
void start(const Fd& file) { ::sync_file_range(file.get(), 0, 0, SYNC_FILE_RANGE_WRITE); }

} // namespace

Unsynced::Unsynced(int directory)
    : file_system_(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (!file_system_) throw system_error("cannot open a directory", errno);
}

// Whether it is among the few.
bool Unsynced::add(int directory, const char* name, int flags) {
  constexpr std::size_t kFew = 64;
  if (many_) return false;
  if (few_.size() == kFew) {
    many_ = true;
    few_.clear();
    return false;
  }
  few_.emplace_back(::openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | flags));
  if (!few_.back()) throw system_error(std::string("cannot open ") + name, errno);
  return true;
}

void Unsynced::file(int directory, const std::string& name) {
  constexpr off_t kLarge = off_t{64} << 10;
  struct stat facts;
  if (add(directory, name.c_str(), 0) && ::fstat(few_.back().get(), &facts) == 0 &&
      facts.st_size >= kLarge)
    start(few_.back());
}

void Unsynced::directory(int directory) { add(directory, ".", O_DIRECTORY); }

void Unsynced::sync() {
  if (many_) {
    if (::syncfs(file_system_.get()) != 0) throw system_error("cannot sync the file system", errno);
    return;
  }
  // All are started before the first is waited for, so that blocks are allocated in one
  // transaction of the journal.
  for (const Fd& each : few_) start(each);
  std::atomic<std::size_t> next = 0;
  std::atomic<int> failed = 0;
  const auto work = [&] {
    for (std::size_t index = next++; index < few_.size(); index = next++)
      // Some file systems have nothing to sync of a directory and say so.
      if (::fsync(few_[index].get()) != 0 && errno != EINVAL) failed = errno;
  };
  // Most of the waiting for one is waiting for the others too: a thread for a few of them.
  constexpr std::size_t kForEach = 4;
  std::vector<std::jthread> helpers;
  try {
    for (std::size_t count = kForEach; count < few_.size(); count += kForEach)
      helpers.emplace_back(work);
  } catch (const std::system_error&) {
    // Without more threads it takes longer.
  }
  work();
  helpers.clear(); // joins
  if (failed != 0) throw system_error("cannot sync a file", failed);
}

} // namespace trust
