#pragma once
// `trustctl start`, `stop` and `status`: the daemon of this user, or with --system the machine's.

#include "cli/context.h"

namespace trust {

// Through the manager of services where one knows trustd, else detached. Returns once the daemon
// answers. One that runs already is fine.
int start_command(Context& context);

// Returns once the process is gone. None that runs is fine.
int stop_command(Context& context);

int status_command(Context& context);

}  // namespace trust
