#pragma once
// What of the store stands in published files: which certificates, as themselves or as shadows.
// Decided for everything with one (subject, SPKI) together, since anchors are one by that pair,
// however many certificates have it:
//
// - what is distrusted, or has ended, is nowhere;
// - `root` entries with one pair hold together: if each has a scope, one shadow with the union of
//   their scopes stands for them and for the base's copies, and no original does;
// - a `root` that is not self-signed is a shadow also without a scope: no tool takes it as it is;
// - a `leaf` is itself, for it cannot be a shadow. One that could sign is not emitted where it
//   would undo a scope, nor, in a machine's store, without `emit_signing`;
// - the base's roots are themselves.
//
// Threads: pure but for the callback. Failure: what cannot be emitted is a value that says why.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "libtrust/emit/shadow.h"
#include "libtrust/snapshot_row.h"

namespace trust {

// shadow_of, or something that remembers what it made.
using ShadowSource = std::function<Shadow(const StoredEntry& ca, const std::vector<Pattern>& scope,
                                          std::optional<UnixTime> end)>;
Shadow make_shadow(const StoredEntry& ca, const std::vector<Pattern>& scope,
                   std::optional<UnixTime> end);

// One certificate of bundle.pem.
struct EmittedAnchor {
  std::size_t entry;            // which of the entries it stands for, the first if several
  std::optional<Bytes> shadow;  // none: the certificate itself
  bool in_extra;                // an entry's, of this store or the machine's: in extra.pem too
  std::vector<std::string> wider_by; // of a shadow: what it admits beyond the scope
};

// What became of an entry.
struct Emitted {
  std::optional<std::size_t> anchor; // which stands for it; none: it is in no file
  std::string why;                   // if it is not itself: a clause
};

struct Emission {
  std::vector<EmittedAnchor> anchors;
  std::vector<Emitted> entries;      // as the entries, one each
  std::vector<std::string> warnings; // of what a person would expect to be emitted
};

struct EmissionRules {
  UnixTime now = 0;
  bool system = false; // leaves that could sign need emit_signing
  bool key_is_distrusted = false; // by an entry, whatever its subject
};

// `same_pair`: every entry in force with one SPKI and one subject hash, which is of the name in
// canonical form, as verifiers compare it; in order of id.
Emission emission_of(const std::vector<StoredEntry>& same_pair, const EmissionRules& rules,
                     const ShadowSource& shadow);

} // namespace trust
