#pragma once
// /v1/certificates: what is stored, one or many; changing and ending entries.

#include <vector>

#include "daemon/routes/table.h"

namespace trust {

std::vector<Route> certificates_routes();

} // namespace trust
