#pragma once
// The rows of the store as values: entries, pins, generations, audit records, events. Plain
// data; immutable by convention once handed out.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libtrust/certificate.h"
#include "libtrust/host.h"
#include "libtrust/instant.h"
#include "libtrust/pin.h"

namespace trust {

using GenerationNumber = std::uint64_t; // 0: nothing was ever changed

enum class Trust { root = 0, leaf = 1, distrusted = 2 };
std::string_view name_of(Trust trust) noexcept;      // "root"
Trust parse_trust(std::string_view text);            // Error{invalid}

// Whose decision an entry is.
enum class Layer {
  own = 0,     // this store's
  machine = 1, // an entry of the machine's store, which lies beneath a user's
  base = 2     // a root of the distribution's bundle
};
std::string_view name_of(Layer layer) noexcept; // "own", "machine", "base"

// What is known of a certificate without parsing it again; columns of the store.
struct CertificateFacts {
  Fingerprint fingerprint;
  Digest spki_hash{};
  std::uint32_t subject_hash = 0; // names a file in a hashed directory
  std::string subject;            // RFC 2253; from outside: use shown()
  std::string issuer;
  std::string serial;
  UnixTime not_before = 0;
  UnixTime not_after = 0;
  std::vector<std::string> names; // SAN: DNS names, then addresses
  std::string key_kind;
  std::string signature_kind;
  bool is_ca = false;
  bool could_sign = false;
  bool is_self_signed = false;

  static CertificateFacts of(const Certificate& certificate);
};

struct Entry {
  std::int64_t id = 0;
  Layer layer = Layer::own;
  Trust trust = Trust::root;
  CertificateFacts certificate;
  std::string label;                 // "" in the layers beneath
  std::vector<Pattern> hosts;        // scope; empty: every name it is valid for
  std::string reason;
  uid_t owner = 0;                   // who added it
  UnixTime added_at = 0;
  std::optional<UnixTime> expires_at; // the entry's own end
  bool only_this_certificate = false; // of a distrusted one: not everything with its key
  bool emit_signing = false;          // a leaf that could sign may be emitted system-wide
  GenerationNumber since = 0;
  std::optional<GenerationNumber> until; // the generation that ended it; none: in force
};

struct PinRow {
  enum class Mode { enforce = 0, report = 1 };
  enum class Role { active = 0, backup = 1 };
  enum class Position { path = 0, leaf = 1 };

  std::int64_t id = 0;
  Layer layer = Layer::own; // own or machine
  Pin pin;
  PortPattern pattern;
  Mode mode = Mode::enforce;
  Role role = Role::active;
  Position position = Position::path;
  std::optional<UnixTime> expires_at;
  std::string note;
  uid_t owner = 0;
  UnixTime added_at = 0;
  GenerationNumber since = 0;
  std::optional<GenerationNumber> until;
};
// Of the pins that match a host and port, in any order, those that count at `now`, most specific
// first: of the enforced ones those of the most specific pattern, for sets are not merged (a looser
// pattern's keys must not satisfy a stricter one), and every report-only one.
std::vector<PinRow> pins_that_count(std::vector<PinRow> matching, UnixTime now);
std::string_view name_of(PinRow::Mode mode) noexcept;
std::string_view name_of(PinRow::Role role) noexcept;
std::string_view name_of(PinRow::Position position) noexcept;
PinRow::Mode parse_pin_mode(std::string_view text); // Error{invalid}
PinRow::Role parse_pin_role(std::string_view text);
PinRow::Position parse_pin_position(std::string_view text);

// Who asks for a change. pid and executable are as claimed at the time.
struct Actor {
  uid_t uid = 0;
  pid_t pid = 0;
  std::string executable;
};

struct AuditRecord {
  std::uint64_t number = 0; // from 1, no gaps
  UnixTime at = 0;
  Actor actor;
  std::string action; // "add", "remove", "distrust", "change", "pin", "unpin", "rollback",
                      // "end", "base"; without a generation: "acknowledge",
                      // "watch", "unwatch"
  std::string detail; // JSON object: what exactly
  std::string reason; // as given with the change
  GenerationNumber before = 0;
  GenerationNumber after = 0;
  Digest previous{}; // hash of the record before; the first: SHA-256 of the store's id
  Digest hash{}; // over previous, number, store id and every field above
};

struct GenerationRow {
  GenerationNumber number = 0;
  UnixTime created_at = 0;
  std::string action; // as in its audit record
  std::string summary; // one line for people
  uid_t actor = 0;
};

// What subscribers are told; numbered from 1 without gaps.
struct Event {
  std::uint64_t number = 0;
  UnixTime at = 0;
  std::string kind; // "generation", …
  std::string data; // JSON object
};

} // namespace trust
