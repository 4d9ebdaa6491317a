#pragma once
// A secret that stands in a file of its own: never on a command line, in no log and no message.

#include <string>

namespace trust {

inline constexpr std::size_t kMostSecretBytes = 4096;

// What stands in it, without white space at its end. Error{store_access} unless it belongs to root
// or the effective user and is neither readable nor writable by anybody else (0600 or 0400), also
// if it is a symlink; Error{not_found}; Error{invalid} if it is empty or no file; Error{too_large}.
std::string read_secret_file(const std::string& path);

} // namespace trust
