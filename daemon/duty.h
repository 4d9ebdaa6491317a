#pragma once
// Something that the scheduler sees to at its time: renewals, alerts, probes. The scheduler sleeps
// until the earliest `next_due` of all of them, and looks anew after each generation, alert or
// watch, when the clock was set, and after a suspend.
//
// Threads: the scheduler's own, one duty after the other; what takes longer than a moment (a hook,
// a connection) is to be done on a thread of the duty's own. What is thrown is logged, and the
// duty is asked again a minute later.

#include <optional>

#include "libtrust/instant.h"

namespace trust {

class Duty {
 public:
  virtual ~Duty() = default;

  // When there is something to do: in the past or at `now` if there is already; none: not before
  // something changes. From the database or from memory, by an index: it is asked often.
  virtual std::optional<UnixTime> next_due(UnixTime now) = 0;
  // Does what is due, each thing once however often this is called or the daemon killed.
  virtual void do_due(UnixTime now) = 0;
};

} // namespace trust
