#pragma once
// /v1/bundle.pem and the other published files, as they stand in the published directory.

#include <vector>

#include "daemon/routes/table.h"

namespace trust {

std::vector<Route> bundles_routes();

} // namespace trust
