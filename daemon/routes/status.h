#pragma once
// GET /v1/status: where the daemon stands.

#include <vector>

#include "daemon/routes/table.h"

namespace trust {

std::vector<Route> status_routes();

// How many there are of each, counted once a generation.
Counts counts_of(Service& service, Store& store);

} // namespace trust
