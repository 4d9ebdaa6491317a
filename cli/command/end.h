#pragma once
// `--for` and `--until`: when what is added ends.

#include <optional>
#include <string>

#include "libtrust/instant.h"

namespace trust {

// Of "8h" or "2027-01-31", one of which may be empty. Error{invalid} for what is malformed or
// over already.
std::optional<UnixTime> end_from(const std::string& duration, const std::string& until,
                                 UnixTime now);

}  // namespace trust
