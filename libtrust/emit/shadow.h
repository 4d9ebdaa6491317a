#pragma once
// A shadow anchor: a certificate that stands in published files for a CA whose trust is narrower
// than the CA itself, or which is no root. It has the CA's subject, key, SKI, serial, dates, path
// length, key usages and policies, so that every chain of that CA ends in it; it is self-issued,
// so that tools without partial chains take it as an anchor; and it carries critical name
// constraints, which OpenSSL, Go, rustls, GnuTLS and NSS obey in an anchor, and Java does not.
// Nobody has to hold the CA's key: verifiers do not check an anchor's own signature.
//
// The original must stand nowhere in the same file. Source: RFC 5280 section 4.2.1.10.
//
// Threads: pure functions. The same arguments give the same bytes. Failure: a shadow that cannot
// be made is a value that says why; such a CA is not emitted at all.

#include <optional>
#include <string>
#include <vector>

#include "libtrust/certificate.h"
#include "libtrust/host.h"
#include "libtrust/instant.h"

namespace trust {

struct Shadow {
  std::optional<Bytes> der; // none: it cannot be expressed
  std::string why_not;      // then: a clause, "its own name constraints admit nothing of …"
  // What the constraints admit beyond the patterns, in words: "names below api.corp.test".
  // Constraints know suffixes and ranges only.
  std::vector<std::string> wider_by;
};

// `scope`: empty for a CA that is trusted for every name (an intermediate that serves as anchor):
// its own name constraints are kept as they are. Otherwise the constraints are the intersection
// of its own with the scope; DNS names and addresses outside it are excluded, other types of name
// stay as the CA has them. `end`: the entry's own; notAfter is the earlier of the two.
Shadow shadow_of(const Certificate& ca, const std::vector<Pattern>& scope,
                 std::optional<UnixTime> end);

// Names the arguments of shadow_of: equal keys, equal shadows, whatever the patterns' order.
// Changes with the form of a shadow, so a kept one is never of an older form.
Digest shadow_key(const Fingerprint& ca, const std::vector<Pattern>& scope,
                  std::optional<UnixTime> end);

} // namespace trust
