#pragma once
// Requests that change the store, read from JSON once, at the edge, into values that cannot be
// wrong. A member that is not known is refused by its name, as is one of the wrong type, one that
// stands there twice, and one whose value is malformed. Pure; failure is Error{usage} or
// Error{invalid}, naming the member.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libtrust/record.h"
#include "libtrust/store.h"
#include "libtrust/watch.h"

namespace trust {

using QueryPairs = std::vector<std::pair<std::string, std::string>>;

// POST /v1/certificates
struct AddRequest {
  std::string pem;                        // certificates, PEM or DER; or
  std::optional<Fingerprint> fingerprint; // one that is stored already
  std::optional<Trust> trust;             // none: as libtrust/propose decides
  std::vector<Pattern> hosts;
  std::string label;
  std::string reason;
  std::optional<UnixTime> expires_at;
  bool replace = false;
  bool skip_invalid = false;
  bool only_this_certificate = false;
  bool emit_signing = false;
  bool pin = false;   // pin each leaf's key for its scope or its names
  std::vector<PinRow> pins; // made in the same generation: a server's own key, for its endpoint
  std::string source; // a file's name, for messages and for the default label

  static AddRequest parse(std::string_view json);
  // Of a body that is the certificates themselves: the rest stands in the query, "host" once
  // for each pattern.
  static AddRequest parse_raw(std::string body, const QueryPairs& query);
};

// PATCH /v1/certificates/{fingerprint}
EntryPatch parse_patch(std::string_view json);

// POST /v1/pins
struct PinsRequest {
  std::vector<PinRow> rows; // without id, owner and time
  std::string reason;

  static PinsRequest parse(std::string_view json);
};

// POST /v1/identities
struct IdentityRequest {
  std::vector<Pattern> names;
  KeyKind key = KeyKind::ecdsa_p256;
  SigningDigest digest = SigningDigest::sha256;
  KeyFormat key_format = KeyFormat::pkcs8;
  std::int64_t days = kDefaultDays;
  bool ca = false;
  bool from_ca = false;
  bool trust = false;
  bool renew = false;
  std::string after_renew;   // the name of a hook
  bool replace = false;      // what stands in `directory`
  bool emit_signing = false;
  std::string label;
  std::string directory;     // absolute; "": the daemon's own
  std::optional<Bytes> public_key; // SubjectPublicKeyInfo: the key is the caller's
  std::string reason;

  static IdentityRequest parse(std::string_view json);
};

// POST /v1/ca
struct CaRequest {
  std::vector<Pattern> permit;
  KeyKind key = KeyKind::ecdsa_p256;
  SigningDigest digest = SigningDigest::sha256;
  std::int64_t days = kDefaultCaDays;
  std::string name; // "": made up
  std::string label;
  std::string reason;

  static CaRequest parse(std::string_view json);
};

// The reason of a request that says nothing else; nothing at all is `{}`.
std::string parse_reason(std::string_view json);

// POST /v1/verify
struct VerifyRequest {
  Host host;
  Port port = 0;         // 0: pins of any port
  std::string chain_pem; // PEM, the server's own first; yet to be decoded
  std::optional<UnixTime> at; // judged as of then; none: now

  static VerifyRequest parse(std::string_view json);
};

// POST /v1/probe
struct ProbeRequest {
  Host host;
  std::optional<Port> port;
  std::optional<std::string> starttls; // a name of starttls.h; yet to be read

  static ProbeRequest parse(std::string_view json);
};

// POST /v1/generations/{n}/rollback; nothing at all is `{}`.
struct RollbackRequest {
  std::vector<std::string> accept;
  std::string reason;
  bool plan = false; // say what it would do, and do nothing

  static RollbackRequest parse(std::string_view json);
};

// POST /v1/alerts/{id}/ack; nothing at all is `{}`.
struct AcknowledgeRequest {
  std::optional<std::int64_t> for_s; // none, and no `until`: until it is resolved
  std::optional<UnixTime> until;
  std::string reason;

  static AcknowledgeRequest parse(std::string_view json);
};

// POST /v1/watches
struct WatchRequest {
  WatchKind kind = WatchKind::endpoint;
  std::string target; // as it is kept: "dev.test:443", an absolute path without "." and ".."
  std::string reason;

  static WatchRequest parse(std::string_view json);
};

} // namespace trust
