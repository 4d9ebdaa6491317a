#pragma once
// /v1/watches: servers, files and directories that are watched, and what was seen there.

#include <vector>

#include "daemon/routes/table.h"

namespace trust {

std::vector<Route> watches_routes();

} // namespace trust
