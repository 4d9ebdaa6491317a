#pragma once
// /v1/generations: the states the store has been in, what differs, and the way back.

#include <vector>

#include "daemon/routes/table.h"

namespace trust {

std::vector<Route> generations_routes();

} // namespace trust
