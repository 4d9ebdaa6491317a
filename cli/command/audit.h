#pragma once
// `trustctl log` and `trustctl events`: what was changed, by whom, and what happens now.

#include <cstdint>
#include <string>

#include "cli/context.h"

namespace trust {

struct LogArguments {
  std::uint64_t most = 50;
  bool verify = false;
  std::string head; // "N:HASH", kept elsewhere
};
// 1 if the chain does not verify or does not go through the head.
int log_command(Context& context, const LogArguments& arguments);

// The events that were, then, with `follow`, those that come.
int events_command(Context& context, bool follow);

}  // namespace trust
