#pragma once
// /v1/pins: the pins in force for a host, or all; making and ending them.

#include <vector>

#include "daemon/routes/table.h"

namespace trust {

std::vector<Route> pins_routes();

} // namespace trust
