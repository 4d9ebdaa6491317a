#pragma once
// Whether the files that are published are still those that were: each against the manifest, and no
// name among them that it does not list. What somebody else wrote there would be trusted by every
// program that reads it.
//
// Threads: none shared; reads files only. Costs a stat for each file that was not touched since it
// was found whole, and reads the others.

#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "libtrust/record.h"

namespace trust {

struct PublishedFault {
  std::string file; // below the store's directory: "current/bundle.pem"
  std::string what; // "was changed", "is missing", "was added", …
};

struct PublishedState {
  std::vector<PublishedFault> faults; // kMostPublishedFaults at most
  std::uint64_t more = 0; // that are not named
  timespec newest{}; // when a file of it was touched last
  std::vector<std::string> directories; // that hold what is published: to be told of changes there

  bool whole() const noexcept { return faults.empty(); }
};
inline constexpr std::size_t kMostPublishedFaults = 50;

// `store` holds `current`, which is to be `generation`. `whole_at`: `newest` of a check that found
// everything whole; files that were not touched since are not read. `stop` is asked now and then;
// once it says so the answer is none.
std::optional<PublishedState> check_published(const std::string& store, GenerationNumber generation,
                                              const std::optional<timespec>& whole_at,
                                              const std::function<bool()>& stop);

} // namespace trust
