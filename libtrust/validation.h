#pragma once
// One path, from leaf to anchor, against the rules of RFC 5280 section 6: X509_verify_cert, given
// exactly that path, and what it leaves out. Signatures are checked where paths are looked for.
// Pure; no clock. Failure: std::bad_alloc alone.

#include <cstddef>
#include <optional>
#include <span>

#include "libtrust/certificate.h"
#include "libtrust/judge_extras.h"
#include "libtrust/profile.h"

namespace trust {

// `path`: leaf first, the anchor last. `comparisons`: of name constraints, left; counted down.
std::optional<PathFault> validate(std::span<const Certificate* const> path, UnixTime now,
                                  const JudgeExtras& extras, std::size_t& comparisons);

} // namespace trust
