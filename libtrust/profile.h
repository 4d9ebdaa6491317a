#pragma once
// What RFC 5280 and the CA/Browser Forum ask of the certificates of a path and X509_verify_cert
// does not look at, or takes otherwise. Pure. Failure: std::bad_alloc alone.
// Sources: RFC 5280 section 4, RFC 9525 section 6.3, the CA/Browser Forum's Baseline Requirements
// section 7.1.

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "libtrust/certificate.h"
#include "libtrust/judge.h"

namespace trust {

struct PathFault {
  Verdict verdict = Verdict::bad_chain;
  std::size_t index = 0; // of the certificate
  std::string why;       // to follow the certificate's name: "is no CA"
};

// Paths: leaf first, the anchor last.

// Name constraints: how many comparisons they cost (`left` is counted down), that they can be read
// in one way only, and wildcards, of which a constraint may forbid a part.
std::optional<PathFault> check_constraints(std::span<const Certificate* const> path,
                                           std::size_t& left);
// Whether keyUsage and extendedKeyUsage, where they are, allow a TLS server (or client), of the
// leaf and of every CA above it.
std::optional<PathFault> check_purpose(std::span<const Certificate* const> path, bool client);
std::optional<PathFault> check_profile(std::span<const Certificate* const> path);

} // namespace trust
