#pragma once
// `trustctl rm` and `trustctl distrust`.

#include <string>

#include "cli/context.h"

namespace trust {

int remove_command(Context& context, const std::string& id);

struct DistrustArguments {
  std::string what; // an ID or a file
  bool only_this_certificate = false;
};
int distrust_command(Context& context, const DistrustArguments& arguments);

}  // namespace trust
