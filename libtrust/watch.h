#pragma once
// Watches: servers, files and directories that are looked at again and again, and what was seen
// there. Plain data and pure functions; kept by the store, looked at by the daemon.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libtrust/alert.h"
#include "libtrust/certificate.h"
#include "libtrust/ending.h"
#include "libtrust/record.h"

namespace trust {

enum class WatchKind { endpoint = 0, file = 1, directory = 2 };
std::string_view name_of(WatchKind kind) noexcept;

// In what way a server's certificate is another than the one before.
enum class Succession {
  first,                // there was none before
  same_key,             // renewed with the same key
  same_ca,              // a new key, certified by the same CA
  other_ca,             //
  self_signed_to_public, // by a CA of the base
  public_to_unknown,    // by nobody who is trusted
};
std::string_view name_of(Succession succession) noexcept; // "self_signed_to_public"

// What is compared of two certificates of one server.
struct Facet {
  Digest spki_hash{};
  std::string issuer;
  std::optional<Digest> anchor; // the key at the end of its path, if it is trusted
  bool self_signed = false;
  bool trusted = false;
  bool is_public = false; // trusted, by the base
};
Succession succession(const Facet& before, const Facet& now) noexcept;

// One look at a server that presented something.
struct Seen {
  CertificateFacts certificate; // the server's own
  std::optional<Digest> anchor;
  std::string verdict;    // "ok", "unknown_issuer", …; "" if it could not be judged
  std::string detail;     // one sentence, if it is not "ok"
  std::string hint;
  std::string trusted_by; // "nothing", "system_root", …
  std::string pin_status; // "none", "match", "mismatch", …
  std::optional<std::string> weakness; // of its own certificate
  Ending first_end;       // what ends first anywhere in its path

  bool trusted() const { return verdict == "ok"; }
  Facet facet() const;
};

// What a look at a file or directory found.
struct SeenFile {
  std::string path;
  CertificateFacts certificate;
  std::optional<std::string> weakness;
};
struct FilesSeen {
  std::vector<SeenFile> certificates;
  std::vector<std::string> problems; // "PATH:LINE: reason"; never a byte of a file
};

struct Watch {
  std::int64_t id = 0;
  WatchKind kind = WatchKind::endpoint;
  std::string target; // "dev.test:443", an absolute path
  uid_t owner = 0;
  std::string reason;
  UnixTime added_at = 0;
  UnixTime next_at = 0;                // when it is looked at next
  std::optional<UnixTime> looked_at;   // last
  std::optional<UnixTime> first_seen_at, last_seen_at; // looks that succeeded
  std::uint64_t failures = 0;          // since the last that succeeded
  std::string problem;                 // of the last look; ""
  std::uint64_t certificates = 0;      // of files: how many there are
  std::optional<Fingerprint> fingerprint; // of a server: what it presents
  std::optional<UnixTime> not_before, not_after; // of that
  std::optional<UnixTime> ends_at;     // what ends first
  std::string verdict, trusted_by, pin_status;
};

// A certificate that a watch has seen, and how it followed the one before.
struct Sighting {
  Fingerprint fingerprint;
  std::string subject, issuer;
  UnixTime not_before = 0, not_after = 0;
  Succession succession = Succession::first;
  Facet facet;
  UnixTime first_seen_at = 0, last_seen_at = 0;
};

// How long until the next look, after so many failures in a row: soon at first, then ever later.
// `spread` from 0 to 1 is the jitter, for not all to be looked at at once.
std::int64_t next_look_s(std::uint64_t failures, std::int64_t interval_s, double spread) noexcept;

// An endpoint is out of reach, or a file cannot be read, when so many looks in a row failed.
inline constexpr std::uint64_t kFailuresToTell = 3;

Alert changed_alert(const Watch& watch, const Seen& seen, Succession succession);
Alert pin_alert(const Watch& watch, const Seen& seen);
Alert unreachable_alert(const Watch& watch, const std::string& problem);

} // namespace trust
