#pragma once
// `trustctl list` and `trustctl show`.

#include <optional>
#include <string>

#include "cli/context.h"

namespace trust {

struct ListArguments {
  bool all = false; // the layers beneath too
  std::string expires_within;
  std::string host;
  std::string label;
};
int list_command(Context& context, const ListArguments& arguments);

// `what` is an ID, a file or a host, in that order; a path with a slash is a file.
int show_command(Context& context, const std::string& what);

}  // namespace trust
