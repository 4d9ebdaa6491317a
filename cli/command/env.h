#pragma once
// `trustctl env`: the variables that tell programs about the store, as text for a shell. `trustctl
// run`: a command with those variables. Both work without a daemon.

#include <string>
#include <vector>

#include "cli/context.h"

namespace trust {

struct EnvArguments {
  std::string shell = "sh"; // sh, fish, dotenv, json
  bool java = false;
  bool force = false;
};
int env_command(Context& context, const EnvArguments& arguments);

struct RunArguments {
  std::vector<std::string> command; // at least the program
};
// Becomes the command, and so returns only when it could not: 127 not found, 126 not executable,
// 125 when something of trustd's failed.
int run_command(Context& context, const RunArguments& arguments);

}  // namespace trust
