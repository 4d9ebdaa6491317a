#pragma once
// Publication: the store's state as a directory of files that every tool can read, whole or
// not at all. `gen-N/` is written beside, synced, and `current` is switched by one rename.
// Derived from the database alone: it can always be made again.
//
// Threads: one Publisher belongs to the thread that changes the store. Failure: Error, with
// the previous generation still published.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "libtrust/store.h"

namespace trust {

struct PublishSettings {
  std::string directory;                 // holds `current`
  std::uint64_t keep_generations = 10;
  std::int64_t keep_seconds = 60;        // younger generations stay, whatever their number
  std::uint64_t most_directories = 200;  // past that, publishing waits
  bool system = false;                   // leaves that could sign need emit_signing
  std::uint64_t reserve_bytes = 4 << 20; // given up to publish on a full disk
};

struct Publication {
  GenerationNumber generation = 0;
  std::vector<std::string> warnings; // a CA that could not be emitted, and why
};

class Publisher {
 public:
  // Makes and checks the directory, removes what an earlier, killed publication left.
  explicit Publisher(PublishSettings settings);
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  // The generation that `current` shows, whole and of this store; 0 if none is.
  GenerationNumber published(const Store& store) const;

  // Publishes the store's state as of now, unless it is published already. `anew`: everything is
  // written again, whatever is there, since somebody damaged it.
  Publication publish(Store& store, UnixTime now, bool anew = false);
  // Removes what need not stay any longer and makes the next directory ready, after a publication:
  // whoever waits for that need not wait for this.
  void clean_up(UnixTime now);

  // Seconds until there is room for one more directory; 0 if there is.
  std::int64_t wait_s(UnixTime now) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace trust
