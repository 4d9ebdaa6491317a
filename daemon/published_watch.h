#pragma once
// Watches the files that are published: what every program of the machine trusts is what the store
// decided, or somebody is told. The kernel tells of a change there; where it does not, and for what
// happened while no daemon ran, everything is looked at at the start and every ten minutes. What
// was changed, removed or added is an alert, and is written anew.
//
// A thread of its own, which sleeps while nothing changes there.

#include <atomic>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "daemon/changes.h"
#include "libtrust/handles.h"
#include "libtrust/publish_check.h"

namespace trust {

class PublishedWatch {
 public:
  struct Settings {
    // What we publish ourselves changes files too; several such changes are one look.
    std::chrono::milliseconds settle{1'000};
    std::chrono::milliseconds scan_every{600'000};
    // The alert stays for that long after the last fault: people are to see it, though it was
    // mended.
    std::chrono::milliseconds whole_for{600'000};
  };

  // `store`: the directory that holds `current`. `changes` outlives it.
  PublishedWatch(Settings settings, std::string store, Changes& changes);
  ~PublishedWatch() { stop(); }
  PublishedWatch(const PublishedWatch&) = delete;
  PublishedWatch& operator=(const PublishedWatch&) = delete;

  void start();
  void stop() noexcept;

 private:
  using Steady = std::chrono::steady_clock;

  void run() noexcept;
  void turn();
  bool is_published(GenerationNumber generation) const;
  void look_again_by(Steady::time_point at) { due_ = std::min(due_, at); }
  void follow(const std::vector<std::string>& directories);
  void tell(const PublishedState& state);
  void wait();
  void forget_touches();

  const Settings settings_;
  const std::string store_;
  Changes& changes_;
  const Fd wake_;
  const Fd inotify_;
  std::map<std::string, int> followed_;
  bool touched_ = false; // something in there, since the last look
  std::optional<timespec> whole_at_;
  bool may_be_open_ = true; // the alert, also from before the start
  Steady::time_point last_fault_ = Steady::now();
  Steady::time_point due_{};
  Steady::time_point not_before_{};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

} // namespace trust
