#pragma once
// Looks at the servers that are watched: each at its time, with jitter, a few at once, and ever
// later while one does not answer. A duty of the scheduler, whose thread never waits for a server.

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "daemon/changes.h"
#include "daemon/duty.h"
#include "daemon/readers.h"
#include "libtrust/host.h"
#include "libtrust/watch.h"

namespace trust {

class Endpoints : public Duty {
 public:
  struct Settings {
    std::int64_t interval_s = 6 * 3600;
    std::size_t at_once = 8;
  };
  // Throws what kept it from seeing anything.
  using Look = std::function<Seen(const Endpoint& endpoint, UnixTime now)>;

  // `wake`: of the scheduler, when there is room again.
  Endpoints(Settings settings, Clock clock, Changes& changes, Readers& readers, Look look,
            std::function<void()> wake);
  ~Endpoints() override { stop(); }
  Endpoints(const Endpoints&) = delete;
  Endpoints& operator=(const Endpoints&) = delete;

  std::optional<UnixTime> next_due(UnixTime now) override;
  void do_due(UnixTime now) override;

  // Somebody says that a server presented what is not pinned: anybody may say so, hence it is
  // believed only once this daemon has seen it, of servers that something is pinned for, and at
  // most one such look a minute is made for each. Any thread; returns at once.
  void suspect(const Endpoint& endpoint);

  // Begins no more looks, and waits for those that are under way.
  void stop() noexcept;

 private:
  struct Job {
    std::int64_t watch = 0; // 0: of a suspicion
    Endpoint endpoint;
    std::string target;
    std::uint64_t failures = 0;
  };
  void work() noexcept;
  void look_at(const Job& job);

  const Settings settings_;
  const Clock clock_;
  Changes& changes_;
  Readers& readers_;
  const Look look_;
  const std::function<void()> wake_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  std::set<std::string> busy_;                 // targets, waiting or under way
  std::map<std::string, UnixTime> suspected_;  // when each was looked at last
  std::vector<std::thread> threads_;           // made when first needed
  std::size_t idle_ = 0;
  bool stopping_ = false;
  std::mt19937_64 random_{std::random_device{}()};
};

} // namespace trust
