#pragma once
// `trustctl completion SHELL` prints a short script; the script asks `trustctl __complete WORDS…`,
// which walks the tree of commands and offers labels and hosts of the published store, and what
// only the daemon knows if it answers at once. Works without a daemon.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command/tree.h"
#include "cli/context.h"

namespace trust {

int completion_command(Context& context, const std::string& shell);

// What is known, as far as completion needs it. Each gets what the word begins with.
struct Offers {
  std::function<std::vector<std::string>(std::string_view prefix)> labels, hosts, sinks;
};

// Candidates for the last of `words`, the ones before it being what was typed after `trustctl`.
// Where the shell knows better, a line that says what it should offer: ":files" or ":commands".
std::vector<std::string> candidates(const Command& root, const std::vector<std::string>& words,
                                    const Offers& offers);

// Prints them; an error is no candidate and nothing else.
int complete_command(Context& context, const Command& root, const std::vector<std::string>& words);

} // namespace trust
