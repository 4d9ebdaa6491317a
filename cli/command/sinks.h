#pragma once
// trustctl alerts test

#include <string>

#include "cli/context.h"

namespace trust {

// Sends a test alert through one sink, and waits until it was taken.
int alerts_test_command(Context& context, const std::string& sink);

} // namespace trust
