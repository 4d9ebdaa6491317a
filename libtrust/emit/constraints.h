#pragma once
// The name constraints that hold a CA to a scope: the scope intersected with the constraints that
// the CA has of its own. Names and addresses are intersected exactly; subtrees of other types are
// kept. Source: RFC 5280 section 4.2.1.10; a leading period in a CA's own constraint is read as
// everybody reads it: names below, not the name itself.
//
// Threads: a pure function. Failure: a value that says why.

#include <optional>
#include <string>
#include <vector>

#include "libtrust/certificate.h"
#include "libtrust/host.h"

namespace trust {

struct Constraints {
  std::optional<Bytes> der; // the value of the extension, a NameConstraints; none: why_not says why
  std::string why_not;
  std::vector<std::string> wider_by; // as in Shadow
};

// `own`: the value of the CA's own extension, if it has one. `scope` is not empty.
Constraints constraints_for(std::optional<ByteView> own, const std::vector<Pattern>& scope);

// Names of a server's certificate that constraints for this scope do not admit. Verifiers ask for
// every name that a certificate has, so with one outside programs refuse it for all. Where the SAN
// has no DNS name, OpenSSL and GnuTLS take a common name that looks like one for a name too.
std::vector<std::string> names_outside(const std::vector<Pattern>& scope,
                                       const Certificate& server);

} // namespace trust
