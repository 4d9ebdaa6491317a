#pragma once
// Certificates that trustd makes: for servers, signed by themselves or by the local CA, and the
// local CA itself, which can sign for nothing but what its name constraints permit. Pure but for
// random numbers: names, keys and dates are parameters.
//
// What is in each: version 3; a random serial number of 126 bits; names of the right type in the
// SAN, the first name that fits as CN; basicConstraints, keyUsage as the kind of key wants it,
// extKeyUsage serverAuth, subject and authority key identifier. Sources: RFC 5280, the CA/Browser
// Forum's Baseline Requirements, section 7.1.2.
//
// Failure: Error{invalid} for what cannot be issued, naming the name; Error{conflict} for what the
// local CA may not sign.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libtrust/certificate.h"
#include "libtrust/host.h"
#include "libtrust/identity.h"
#include "libtrust/instant.h"
#include "libtrust/private_key.h"

namespace trust {

struct ServerCertificate {
  std::vector<Pattern> names; // as parse_names() gives them
  SigningDigest digest = SigningDigest::sha256;
  UnixTime not_before = 0;
  UnixTime not_after = 0;
  bool ca = false; // CA:TRUE: it could sign for any name wherever it is trusted
};

Certificate issue_self_signed(const ServerCertificate& wish, const PrivateKey& key);

struct CaCertificate {
  std::string name;            // its CN
  std::vector<Pattern> permit; // not empty
  SigningDigest digest = SigningDigest::sha256;
  UnixTime not_before = 0;
  UnixTime not_after = 0;
};

struct IssuedCa {
  Certificate certificate;
  // What name constraints admit and the patterns do not, in words: what verifiers that know
  // constraints alone would accept. issue_for() keeps to the patterns.
  std::vector<std::string> wider_by;
};

IssuedCa issue_ca(const CaCertificate& wish, const PrivateKey& key);

struct Issuer {
  const Certificate& certificate;
  const PrivateKey& key;
  const std::vector<Pattern>& permit;
};

// Signed by the local CA. `spki` is the server's key: one of our kinds, else Error{invalid}. Ends
// with the CA at the latest. `ca` is refused.
Certificate issue_for(const ServerCertificate& wish, ByteView spki, const Issuer& issuer);

// Whether everything that `inner` matches, `outer` matches too.
bool contains(const Pattern& outer, const Pattern& inner) noexcept;

// When two thirds of a lifetime are over.
UnixTime renewal_time(UnixTime not_before, UnixTime not_after) noexcept;

} // namespace trust
