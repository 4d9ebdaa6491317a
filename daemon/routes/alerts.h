#pragma once
// GET /v1/alerts and POST /v1/alerts/{id}/ack.

#include <vector>

#include "daemon/routes/table.h"

namespace trust {

std::vector<Route> alerts_routes();

} // namespace trust
