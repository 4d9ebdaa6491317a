#pragma once
// What an addition becomes: root or leaf, for which hosts, under which label, and what the person
// is told before it is stored. The policy of `trustctl add` and POST /v1/certificates in one
// place. Pure: the time is a parameter, nothing is stored.
//
// Refused outright (Error{invalid}, unless the certificate is to be distrusted):
//   a certificate that has expired; one that is not yet valid is taken, with a warning;
//   one whose key or signature is weak, by the reason of Certificate::weakness();
//   a leaf without names in its SAN and without a host pattern: nothing says whom it is for;
//   a root that is no CA.
// Refused in a system-wide store without emit_signing (Error{not_confirmed}): a leaf that could
// sign, because programs that read files would let it sign for any name.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libtrust/certificate.h"
#include "libtrust/host.h"
#include "libtrust/instant.h"
#include "libtrust/record.h"

namespace trust {

// What the person said.
struct Wish {
  std::optional<Trust> trust = {};       // none: as the certificate suggests
  std::vector<Pattern> hosts = {};       // empty: none said
  std::string label = {};                // "": none said; else valid
  std::optional<UnixTime> expires_at = {};
  bool emit_signing = false;
  bool system_wide = false;         // the store is the machine's
};

struct Proposal {
  Certificate certificate; // which of those given
  Trust trust;
  std::vector<Pattern> hosts;
  std::string label;
  std::vector<std::string> warnings; // sentences, with names from outside escaped
};

// A certificate out of a file. Without a wish: CA:FALSE, CA:TRUE with names in its SAN, and a CA
// whose keyUsage lets it sign nothing are leaves; any other CA is a root. `file` is for the
// label; may be empty.
Proposal propose(const Certificate& certificate, std::string_view file, const Wish& wish,
                 UnixTime now);

// What a server presented, its own certificate first; at least one. Without a wish: a
// self-signed one is a leaf; with its issuer presented, the topmost CA of its path that may be
// trusted (a CA, in its dates, not weak) is a root for this host alone; without one, the server's
// certificate is a leaf, with a warning of what that does not do. A leaf that does not name the
// host gets it as its scope.
Proposal propose(const Endpoint& endpoint, const std::vector<Certificate>& chain, const Wish& wish,
                 UnixTime now);

// The certificates of `chain` that lead up from its first, each one verified by the next; what
// else was presented is left out.
std::vector<Certificate> path_of(const std::vector<Certificate>& chain);

} // namespace trust
