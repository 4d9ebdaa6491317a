#pragma once
// What the daemon keeps resident through a quiet time.

namespace trust {

// Gives back what is free in the heap, and the pages of code that were used: those that are needed
// again come back from the page cache, a start's and a publication's do not. Any thread, any time.
void release_idle_memory() noexcept;

} // namespace trust
