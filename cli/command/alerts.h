#pragma once
// `trustctl alerts`, `alerts ack` and `watch add|list|rm`.

#include <string>

#include "cli/context.h"

namespace trust {

int alerts_command(Context& context, bool all);

struct AckArguments {
  std::string id;
  std::string duration, until; // one of them, or neither: until it is resolved
};
int alerts_ack_command(Context& context, const AckArguments& arguments);

int watch_add_command(Context& context, const std::string& target);
int watch_list_command(Context& context);
// `what`: a number of the list, or a target as it was added.
int watch_remove_command(Context& context, const std::string& what);

}  // namespace trust
