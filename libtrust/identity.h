#pragma once
// An identity: a key and certificate that trustd made and can renew. The key is nowhere but in its
// file; what stands here says where that is. Plain data.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libtrust/host.h"
#include "libtrust/instant.h"
#include "libtrust/private_key.h"
#include "libtrust/record.h"

namespace trust {

inline constexpr std::size_t kMostCertificateNames = 100;        // of one certificate
inline constexpr std::int64_t kMostDays = 36'500;
inline constexpr std::int64_t kDefaultDays = 365;     // of a server's certificate
inline constexpr std::int64_t kDefaultCaDays = 3650;
inline constexpr std::int64_t kSecondsPerDay = 86'400;

// The names of a server: hosts, addresses and "*.name". Error{invalid} for other patterns, for none
// and for too many; names that stand there twice are taken once.
std::vector<Pattern> parse_names(const std::vector<std::string>& texts);

struct Identity {
  enum class Kind {
    server = 0,
    ca = 1 // the local CA, of which there is one
  };

  std::int64_t id = 0;
  Kind kind = Kind::server;
  std::string label; // unique among identities
  CertificateFacts certificate; // the current one
  std::vector<Pattern> names; // of a server its names, of the CA what it may sign
  KeyKind key = KeyKind::ecdsa_p256;
  SigningDigest digest = SigningDigest::sha256;
  KeyFormat key_format = KeyFormat::pkcs8;
  std::int64_t days = 0; // how long each certificate lasts
  bool ca = false; // a server's that is CA:TRUE
  bool from_ca = false; // signed by the local CA
  std::string directory; // with its files; "": the key is its owner's, and it is not renewed
  bool renews = false; // by itself
  std::string after_renew; // the name of a hook, or ""
  uid_t owner = 0; // who had it made
  UnixTime made_at = 0;
  std::optional<UnixTime> next_at; // when to renew it, or to try again; none: not by itself
  bool pending = false; // renewed in the store, but its files or its hook are still to come
  std::uint32_t failures = 0; // of what is next, one after another
  std::string problem; // what the last one said
};
std::string_view name_of(Identity::Kind kind) noexcept; // "server"

} // namespace trust
