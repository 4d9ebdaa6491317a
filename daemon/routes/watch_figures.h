#pragma once
// What is watched as metrics: entries, servers and alerts. Names and labels are close to those of
// certificate exporters. Bounded: the entries that end first, and the servers that were added
// first; no metric costs more than that, however much is stored.

#include "daemon/routes/figures.h"
#include "libtrust/store.h"

namespace trust {

inline constexpr std::size_t kMostEntriesInMetrics = 1'000;
inline constexpr std::size_t kMostEndpointsInMetrics = 1'000;

void add_watch_figures(Figures& figures, Store& store);

} // namespace trust
