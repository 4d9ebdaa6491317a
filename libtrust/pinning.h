#pragma once
// What the pins of a host and of a program say to a path. Pure. Source: RFC 7469 section 2.6, with
// the sets and modes of docs/pins.md.

#include <span>
#include <vector>

#include "libtrust/judge.h"

namespace trust {

struct PinDecision {
  PinStatus status = PinStatus::none;
  bool required_and_missing = false;
  bool own_mismatch = false;   // one of the program's own did not match; status is mismatch
  std::vector<PinRow> counted; // of the store: the most specific set of each mode, or what lapsed
};

// `rows`: as View::pins_for, most specific first. `path`: leaf first. Ends are compared with `now`.
PinDecision decide_pins(const std::vector<PinRow>& rows, std::span<const Certificate> path,
                        const JudgeOptions& options, UnixTime now);

} // namespace trust
