#pragma once
// `trustctl env --install` and `--uninstall`: one line between markers in the file that a shell
// reads at its start, which sources the store's variables. Uninstalling restores the file byte for
// byte. What the file becomes is computed by pure functions; the file is then replaced whole, and a
// symlink stays one.

#include <optional>
#include <string>
#include <string_view>

#include "cli/context.h"

namespace trust {

struct ProfileArguments {
  bool uninstall = false;
  std::optional<std::string> profile; // none: by $SHELL
};
int profile_command(Context& context, const ProfileArguments& arguments);

// The content with exactly one block that holds `line`; none: there is no such file yet.
std::string with_block(const std::optional<std::string>& content, std::string_view line);

// The content without any block; none: there was no such file before.
std::optional<std::string> without_block(const std::string& content);

// The file that a shell of that name reads at its start, and what sources the store in it.
struct Profile {
  std::string file;
  bool fish = false;
};
Profile profile_for(const std::optional<std::string>& given, const Environment& environment,
                    const std::string& home);
std::string sourcing_line(const std::string& store, bool fish);

} // namespace trust
