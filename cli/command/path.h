#pragma once
// `trustctl path`: one path into the published store. Touches files only and works without a
// daemon.

#include <string>

#include "cli/context.h"

namespace trust {

// `what` is an ID, "bundle", "extra", "hashed" or "p12"; empty is "bundle".
int path_command(Context& context, const std::string& what);

// The path itself. `store` holds `current`. Error{not_found}, Error{conflict} as for every ID.
std::string path_in(const std::string& store, const std::string& what);

}  // namespace trust
