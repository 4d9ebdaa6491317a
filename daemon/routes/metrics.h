#pragma once
// GET /metrics: figures in Prometheus' text form.

#include <vector>

#include "daemon/routes/table.h"

namespace trust {

std::vector<Route> metrics_routes();

} // namespace trust
