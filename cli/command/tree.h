#pragma once
// The commands of trustctl as data: what `--help`, completion and the manual say is read from one
// tree. Plain values.

#include <string>
#include <string_view>
#include <vector>

namespace trust {

struct CommandOption {
  std::vector<std::string> names;   // "--shell", "-h"
  std::string value;                // what it takes: "FILE", "HOST"; "" of a flag
  std::string help;
  std::vector<std::string> choices; // if these are all it takes
  bool repeated = false;
};

struct CommandArgument {
  std::string name; // "ID", "SOURCE"
  std::string help;
  std::vector<std::string> choices;
  bool required = false;
  bool repeated = false;
};

struct Command {
  std::string name;
  std::string help;
  std::vector<CommandOption> options;
  std::vector<CommandArgument> arguments;
  std::vector<Command> commands;
  bool stands_alone = true; // does something without one of `commands`, too

  const Command* find(std::string_view child) const noexcept;
  const CommandOption* option(std::string_view option_name) const noexcept;
};

// "[--yes] [GENERATION]"
std::string synopsis_of(const Command& command);

}  // namespace trust
