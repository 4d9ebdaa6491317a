#pragma once
// Certificates that peers presented, kept by fingerprint with what OpenSSL parsed of them, so that
// the next connection to the same server does not parse them again. Bounded; the oldest goes. What
// was thought of them is not kept.
//
// Threads: any.

#include <cstddef>
#include <list>
#include <map>

#include "libtrust/certificate.h"
#include "libtrust/guarded.h"

namespace trust {

class CertificateCache {
 public:
  static constexpr std::size_t kMostCertificates = 1024;
  static constexpr std::size_t kMostBytes = 4 * 1024 * 1024; // of DER

  // As Certificate::from_der: Error{invalid, too_large}.
  Certificate get(ByteView der);

  std::size_t count() const;

 private:
  struct Kept {
    std::list<Certificate> by_use; // the latest first
    std::map<Fingerprint, std::list<Certificate>::iterator> by_fingerprint;
    std::size_t bytes = 0;
  };
  Guarded<Kept> kept_;
};

} // namespace trust
