#pragma once
// `trustctl generations`, `diff` and `rollback`: the states that the store has had.

#include <cstdint>
#include <optional>
#include <string>

#include "cli/context.h"

namespace trust {

int generations_command(Context& context, std::uint64_t most);

struct DiffArguments {
  std::uint64_t from = 0;
  std::optional<std::uint64_t> to; // none: now
};
int diff_command(Context& context, const DiffArguments& arguments);

struct RollbackArguments {
  std::optional<std::uint64_t> target; // none: the one before the last change
  bool yes = false;
};
// Shows what would change, what would be trusted again first, and asks.
int rollback_command(Context& context, const RollbackArguments& arguments);

// The lines of a difference object: what is added with "+", what is removed with "-".
std::string difference_text(const Json& difference, const Terminal& terminal);

}  // namespace trust
