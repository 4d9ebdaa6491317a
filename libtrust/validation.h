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
#include "libtrust/record.h"

namespace trust {

// `path`: leaf first, the anchor last. `anchor`: where that comes from: of the base's roots name
// and key are trusted (RFC 5280 section 6.1.1 (d)) and their form is not asked, for the
// distribution ships some from before there was a profile. `ledger`: of the judgement.
std::optional<PathFault> validate(std::span<const Certificate* const> path, Layer anchor,
                                  UnixTime now, const JudgeExtras& extras, PathLedger& ledger);

} // namespace trust
