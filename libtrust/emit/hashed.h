#pragma once
// hashed/: a directory in which OpenSSL finds a certificate by its subject. Pure.

#include <cstdint>
#include <string>

namespace trust {

// "<8 hex digits>.<number>"; numbers of one subject hash run from 0 without gaps, for OpenSSL
// stops at the first that is missing.
std::string hashed_name(std::uint32_t subject_hash, std::size_t number);

} // namespace trust
