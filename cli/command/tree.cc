#include "cli/command/tree.h"

#include <algorithm>

namespace trust {

const Command* Command::find(std::string_view child) const noexcept {
  const auto found = std::find_if(commands.begin(), commands.end(),
                                  [child](const Command& c) { return c.name == child; });
  return found == commands.end() ? nullptr : &*found;
}

const CommandOption* Command::option(std::string_view option_name) const noexcept {
  for (const CommandOption& candidate : options) {
    if (std::find(candidate.names.begin(), candidate.names.end(), option_name) !=
        candidate.names.end()) {
      return &candidate;
    }
  }
  return nullptr;
}

std::string synopsis_of(const Command& command) {
  std::string text;
  const auto add = [&text](const std::string& word) { text += (text.empty() ? "" : " ") + word; };
  for (const CommandOption& option : command.options) {
    if (option.names.empty() || option.names.front() == "--help") continue;
    add("[" + option.names.front() + (option.value.empty() ? "" : " " + option.value) + "]" +
        (option.repeated ? "…" : ""));
  }
  for (const CommandArgument& argument : command.arguments) {
    const std::string word = argument.name + (argument.repeated ? "…" : "");
    add(argument.required ? word : "[" + word + "]");
  }
  if (!command.commands.empty()) {
    std::string names;
    for (const Command& child : command.commands) names += (names.empty() ? "" : "|") + child.name;
    add(command.stands_alone ? "[" + names + "]" : names);
  }
  return text;
}

}  // namespace trust
