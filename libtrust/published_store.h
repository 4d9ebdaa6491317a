#pragma once
// The published store as a program that runs for long sees it: the generation that `current` shows,
// at most a second late, and nothing of one that is gone. A generation that cannot be read refuses:
// every call throws until one can be read, for yesterday's trust may have been taken back today.
//
// No call costs more for a store with a million entries than for one with ten. The daemon is not
// needed and not asked.
//
// Threads: any. After fork() a child opens its own generation at its first call. Failure: Error
// {store_missing, store_invalid, store_access}.

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libtrust/emit/env.h"
#include "libtrust/guarded.h"
#include "libtrust/instant.h"
#include "libtrust/layout.h"
#include "libtrust/per_process.h"
#include "libtrust/view.h"

namespace trust {

// How often `current` is looked at, at most.
inline constexpr std::chrono::milliseconds kLookInterval{1000};

// What a store depends on besides its files; the defaults are a program's.
struct StoreSurroundings {
  Environment environment = process_environment();
  Clock now = system_clock_now;
  std::function<std::chrono::steady_clock::time_point()> steady = std::chrono::steady_clock::now;
};

class PublishedStore {
 public:
  // `directory` holds `current`; none: as choose_store says. Reads the generation that is published
  // now; throws if it cannot.
  static std::shared_ptr<PublishedStore> open(const std::optional<std::string>& directory = {},
                                              StoreSurroundings surroundings = {});
  PublishedStore(const PublishedStore&) = delete;
  PublishedStore& operator=(const PublishedStore&) = delete;
  ~PublishedStore();

  // The generation to judge by. Looks at `current` if the last look is a second ago.
  std::shared_ptr<const View> view() const;
  // Looks now.
  std::shared_ptr<const View> refresh() const;
  // Of the generation that was read last, without looking; also when it can be read no more.
  GenerationNumber generation() const noexcept;

  UnixTime now() const { return surroundings_.now(); }

  const std::string& directory() const noexcept { return directory_; } // absolute
  const std::string& bundle_path() const noexcept { return bundle_path_; }
  // What makes other tools trust the same, as the env/ that was published when this was opened.
  const std::vector<EnvValue>& environment() const noexcept { return environment_; }

  // Where pin mismatches are told (report.h).
  const std::string& report_socket() const noexcept { return report_socket_; }

 private:
  struct Current;
  struct State {
    State();
    ~State();
    std::unique_ptr<Guarded<Current>> current;
  };

  PublishedStore(std::string directory, StoreSurroundings surroundings);
  std::shared_ptr<const View> look(std::chrono::milliseconds not_older) const;

  const std::string directory_;
  const std::string bundle_path_;
  const std::string report_socket_;
  const StoreSurroundings surroundings_;
  mutable std::atomic<GenerationNumber> generation_{0};
  PerProcess<State> state_;
  std::vector<EnvValue> environment_;
};

} // namespace trust
