#pragma once
// What programs do with an entry, said at once when it is added: who verifies the server now, who
// does not and why, and how to use it. Pure.

#include <string>
#include <vector>

#include "cli/context.h"

namespace trust {

// One sentence a line, about one Entry object.
std::vector<std::string> consequences(const Json& entry);

// The commands to type next, for an entry of that label.
std::string usage_text(const std::string& label);

}  // namespace trust
