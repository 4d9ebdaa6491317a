#pragma once
// /v1/verify: a chain that somebody else was presented; /v1/probe: one that this process is. Both
// are judged by what is published, as every program judges by it.

#include <vector>

#include "daemon/routes/table.h"

namespace trust {

std::vector<Route> verify_routes();

} // namespace trust
