#pragma once
// What those are told who still wait when the daemon ends.

#include "libtrust/error.h"

namespace trust {

inline Error daemon_stops() { return {Code::busy, "the daemon is stopping"}; }

} // namespace trust
