#pragma once
// What programs do with an entry, said at once when it is added: who verifies the server now, who
// does not and why, and how to use it. Pure.

#include <string>
#include <vector>

#include "cli/context.h"

namespace trust {

// One sentence a line, about one Entry object. What `warnings` say already is not said twice.
std::vector<std::string> consequences(const Json& entry, const std::vector<std::string>& warnings);

// The commands to type next, for an entry of that label.
std::string usage_text(const std::string& label);

}  // namespace trust
