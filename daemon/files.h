#pragma once
// Looks at the files and directories that are watched: at once when the kernel tells of a change
// there, and every half minute where it does not. Each is read by a process without rights.
//
// A thread of its own, which sleeps as long as nothing is watched.

#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "daemon/changes.h"
#include "daemon/decoder.h"
#include "daemon/readers.h"
#include "libtrust/handles.h"
#include "libtrust/watch.h"

namespace trust {

class Files {
 public:
  struct Settings {
    std::chrono::milliseconds scan_every{30'000};
    // Who replaces a file does so in several steps: the last one counts.
    std::chrono::milliseconds settle{200};
  };

  // `saw`: called after each look that was written down: something may be due now.
  Files(Settings settings, Changes& changes, Readers& readers, std::function<void()> saw);
  ~Files() { stop(); }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;

  void start();
  void wake() noexcept; // watches may have come or gone; any thread
  void stop() noexcept;

 private:
  using Steady = std::chrono::steady_clock;

  // What a file was when it was read, and what was in it.
  struct Known {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    timespec modified{}, changed{};
    DecodedFile decoded;
    bool is(const struct stat& status) const noexcept;
  };
  // What was last written down of a watch, so that the same is not written again.
  struct Reported {
    std::string version;
    std::uint64_t failures = 0;
  };

  void run() noexcept;
  void turn();
  void wait();
  bool watches_changed();
  void follow(const std::vector<Watch>& watches);
  FilesSeen look(const Watch& watch);
  void look_at_file(const std::string& path, FilesSeen& seen, bool quiet);
  const DecodedFile& decoded(const std::string& path, int fd, const struct stat& status);

  const Settings settings_;
  Changes& changes_;
  Readers& readers_;
  const std::function<void()> saw_;
  const Fd wake_;
  const Fd inotify_;
  std::map<std::string, int> directories_; // told of by the kernel
  std::map<std::string, Known> known_;
  std::set<std::string> used_; // of known_, in this turn
  std::map<std::int64_t, Reported> reported_;
  std::vector<std::int64_t> looked_at_; // ids of the last turn
  bool asked_ = false;
  bool any_ = false;
  Steady::time_point due_{};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

} // namespace trust
