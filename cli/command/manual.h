#pragma once
// The manual page, made of the tree of commands. Pure.

#include <string>

#include "cli/command/tree.h"

namespace trust {

// trustctl(1) as roff.
std::string manual_text(const Command& root, const std::string& version);

}  // namespace trust
