#pragma once
// `trustctl verify`: what the C library would decide of a server, or of a chain in a file.

#include "cli/command/judged.h"

namespace trust {

// 0, or 3 if it is not trusted.
int verify_command(Context& context, const VerifyArguments& arguments);

} // namespace trust
