#pragma once
// `trustctl pin add|list|rm`.

#include <optional>
#include <string>
#include <vector>

#include "cli/context.h"

namespace trust {

struct PinAddArguments {
  std::string pattern;           // HOST[:PORT]
  std::vector<std::string> pins; // none: the stored leaf's key, or --from
  std::string from;              // a file or HOST:PORT
  std::vector<std::string> backups;
  bool report_only = false;
  bool leaf_only = false;
  std::string duration, until; // one of them, or neither
};
int pin_add_command(Context& context, const PinAddArguments& arguments);

int pin_list_command(Context& context, const std::string& host);
int pin_remove_command(Context& context, const std::string& pattern, const std::string& pin);

}  // namespace trust
