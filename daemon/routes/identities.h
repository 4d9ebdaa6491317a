#pragma once
// /v1/identities and /v1/ca: what trustd made and renews. No answer holds a private key; no request
// holds a command, and a path only those of root and of the daemon's own user.

#include <vector>

#include "daemon/routes/table.h"

namespace trust {

std::vector<Route> identities_routes();

} // namespace trust
