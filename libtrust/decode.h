#pragma once
// Certificates out of bytes from outside: DER, or PEM with anything around the blocks. Bytes
// are bounded before they are parsed; PKCS#7 and PKCS#12 are not read here (they stay out of
// the daemon). Pure; may use a second thread for many certificates.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "libtrust/certificate.h"

namespace trust {

inline constexpr std::size_t kMaxImportBytes = 8 * 1024 * 1024;
inline constexpr std::size_t kMaxImportCertificates = 20'000;

struct DecodedCertificate {
  Certificate certificate;
  std::size_t line; // where its block begins, from 1; 0 for DER
};

struct BadBlock {
  std::size_t line; // from 1
  std::string reason;
};

struct Decoded {
  std::vector<DecodedCertificate> certificates; // in order, duplicates kept
  std::vector<BadBlock> bad;                    // blocks that are no certificate
};

// Reads one or more DER certificates, or every PEM block in any text around it.
//
// Error{private_key} if there is a private key in it, PEM or DER (PKCS#8, PKCS#1, SEC1, OpenSSH,
// PuTTY, encrypted or not; nothing of it is kept or shown); Error{too_large} over the limits;
// Error{invalid} if no certificate could be read, saying what it looks like: empty, a truncated
// block, a CRL, a request, PKCS#12, PKCS#7, HTML, a Java keystore, binary. So `certificates` is
// never empty. A block of another kind beside certificates is a bad block.
// "TRUSTED CERTIFICATE" and "X509 CERTIFICATE" blocks are read too (the certificate alone).
// `source` names the input in messages ("ca.pem", "the request").
Decoded decode(std::string_view bytes, std::string_view source);

} // namespace trust
