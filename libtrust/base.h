#pragma once
// The base: the roots beneath the entries. Read from one named file, or from the machine's
// published store, never from a variable. Fails closed: a base that cannot be read, holds no
// certificate, or lost more than half is not taken.

#include <string>
#include <vector>

#include "libtrust/record.h"
#include "libtrust/store.h"

namespace trust {

struct Base {
  std::string source; // the file or store directory it was read from; "none"
  std::vector<BaseEntry> entries;
  std::vector<PinRow> pins; // of a machine's store
  std::vector<std::string> warnings;
  std::string version; // changes when the source does: link text, device, inode, ctime, size
};

// Where "system" is.
struct BasePlaces {
  std::string machine_store = "/var/lib/trustd/public";
  std::vector<std::string> bundles = { // the first that exists
      "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
      "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};
};

// `setting` is "system", "none" or a path to a PEM bundle. "system" is, for a user's store, the
// machine's published store where there is one, else the distribution's bundle; for the
// machine's own, the distribution's bundle. A bundle must be owned by root or the effective
// user and writable by no one else; single blocks in it that are no certificates are warnings.
// A source that is there and cannot be used is an Error, and never a reason to take the next.
Base read_base(const std::string& setting, bool system_store, const BasePlaces& places = {});

// The `version` alone, without reading. Of a source that is not there: of its absence.
std::string base_version(const std::string& setting, bool system_store,
                         const BasePlaces& places = {});

// Whether `now` may take the place of `before` certificates: not if it is empty or lost more
// than half.
bool base_is_plausible(std::size_t before, std::size_t now) noexcept;

} // namespace trust
