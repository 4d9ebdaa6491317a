#pragma once
// A path as text: no file is looked at, but for the working directory.

#include <string>
#include <string_view>

namespace trust {

// `path` from the root on: against the working directory if it is relative, without ".", "..",
// empty parts and a slash at its end. Error{io} if there is no working directory.
std::string absolute_path(std::string_view path);

} // namespace trust
