#pragma once
// GET /openapi.json: the description of this interface.

#include <vector>

#include "daemon/routes/table.h"

namespace trust {

std::vector<Route> openapi_routes();

} // namespace trust
