#pragma once
// openapi.json, which stands beside this file, as it was when the daemon was built.

#include <string_view>

namespace trust {

std::string_view openapi_text() noexcept;

} // namespace trust
