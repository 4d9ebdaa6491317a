#pragma once
// The daemon's log, on standard error: with the journal's levels where that is the journal, with
// time and level otherwise.

namespace trust {

// Call once, before there are threads.
void set_up_logging();

} // namespace trust
