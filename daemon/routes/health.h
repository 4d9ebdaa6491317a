#pragma once
// GET /healthz: the daemon answers. GET /readyz: what is stored is published.

#include <vector>

#include "daemon/routes/table.h"

namespace trust {

std::vector<Route> health_routes();

} // namespace trust
