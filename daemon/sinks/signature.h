#pragma once
// What proves to a webhook's receiver that a delivery came from this daemon, and when: the field
//
//   Trustd-Signature: t=1764000000,id=4b1f…-17-19,v1=<64 hex digits>
//
// with the HMAC-SHA256, under the shared secret, of "<t>.<id>." and the body. A receiver computes
// it over the bytes as they came, compares in constant time, refuses an old `t` and remembers the
// ids of the last minutes. Pure.

#include <string>
#include <string_view>

#include "libtrust/instant.h"

namespace trust {

std::string signature_field(std::string_view secret, UnixTime at, std::string_view id,
                            std::string_view body);

} // namespace trust
