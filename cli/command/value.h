#pragma once
// Values as a person said them on the command line: what is malformed there is wrong usage, while
// the same in a file or an answer is not. Pure.

#include <optional>
#include <string>
#include <utility>

#include "libtrust/error.h"
#include "libtrust/instant.h"

namespace trust {

// What `parse` returns; its Error{invalid} becomes Error{usage}.
template <typename Parse>
auto said(Parse&& parse) {
  try {
    return std::forward<Parse>(parse)();
  } catch (const Error& error) {
    if (error.code() != Code::invalid) throw;
    throw Error(Code::usage, error.message(), error.hint());
  }
}

// `--for` and `--until`: when what is added ends, of "8h" or "2027-01-31", one of which may be
// empty. Error{usage} for what is malformed or over already.
std::optional<UnixTime> end_from(const std::string& duration, const std::string& until,
                                 UnixTime now);

}  // namespace trust
