#pragma once
// GET /v1/events: what happens, as it happens (text/event-stream), with nothing lost.

#include <vector>

#include "daemon/routes/table.h"

namespace trust {

std::vector<Route> events_routes();

} // namespace trust
