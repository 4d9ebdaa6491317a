#pragma once
// GET /v1/audit: who changed what, newest first, and whether the chain holds.

#include <vector>

#include "daemon/routes/table.h"

namespace trust {

std::vector<Route> audit_routes();

} // namespace trust
