#pragma once
// GET /v1/sinks, POST /v1/sinks/{name}/test

#include <vector>

#include "daemon/routes/table.h"

namespace trust {

std::vector<Route> sinks_routes();

} // namespace trust
