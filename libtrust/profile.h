#pragma once
// What RFC 5280 and the CA/Browser Forum ask of the certificates of a path and X509_verify_cert
// does not look at, or takes otherwise. Pure. Failure: std::bad_alloc alone.
// Sources: RFC 5280 section 4, RFC 9525 section 6.3, the CA/Browser Forum's Baseline Requirements
// section 7.1.

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "libtrust/certificate.h"
#include "libtrust/handles.h"
#include "libtrust/judge.h"

namespace trust {

struct PathFault {
  Verdict verdict = Verdict::bad_chain;
  std::size_t index = 0; // of the certificate
  std::string why;       // to follow the certificate's name: "is no CA"
};

// In one judgement: name constraints compared with names of their type; and names times constraints
// of whatever type, for OpenSSL passes over each of those too.
inline constexpr std::size_t kMostNameComparisons = 4096;
inline constexpr std::size_t kMostNameSteps = 200'000;

// What the paths of one judgement share: what is left of its budget, and what was found out about
// certificates that stand in several of them.
struct PathLedger {
  using Counts = std::array<std::size_t, 16>; // by type of GENERAL_NAME

  std::size_t comparisons_left = kMostNameComparisons;
  std::size_t steps_left = kMostNameSteps;
  std::map<const Certificate*, Counts> names;
  std::map<const Certificate*, NameConstraintsPtr> constraints; // null: they cannot be read
  std::optional<const char*> fault_of_leaf;
};

// Paths: leaf first, the anchor last.

// Name constraints: how many comparisons they cost, that they can be read in one way only, and
// wildcards, of which a constraint may forbid a part.
std::optional<PathFault> check_constraints(std::span<const Certificate* const> path,
                                           PathLedger& ledger);
// Whether keyUsage and extendedKeyUsage, where they are, allow a TLS server (or client), of the
// leaf and of every CA above it.
std::optional<PathFault> check_purpose(std::span<const Certificate* const> path, bool client);
std::optional<PathFault> check_profile(std::span<const Certificate* const> path,
                                       PathLedger& ledger);

} // namespace trust
