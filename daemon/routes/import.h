#pragma once
// POST /v1/certificates: decisions about certificates, one or many, made all or none.

#include <vector>

#include "daemon/routes/table.h"

namespace trust {

std::vector<Route> import_routes();

} // namespace trust
