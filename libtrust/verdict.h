#pragma once
// Of several things that are wrong, which one is told. Pure.

#include "libtrust/judge.h"

namespace trust {

// Of all that was wrong with the candidate paths the answer is what weighs most, then what was
// found first: how near it came to being trusted, but what the store forbids before all. 0 if all
// is well.
int weight_of(Verdict verdict) noexcept;

} // namespace trust
