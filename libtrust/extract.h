#pragma once
// Every certificate of a file as programs keep them: PEM (with keys beside), DER, PKCS#7, PKCS#12,
// Java's keystores. Run only where nothing can be lost by it: in trustctl, and in the daemon's
// decoder, a process without rights. What is wrong is said by a line and a reason out of a list,
// never by bytes of the file. Pure; bounded by kMaxImportBytes and kMaxImportCertificates.

#include <cstdint>
#include <string_view>
#include <vector>

#include "libtrust/certificate.h"

namespace trust {

enum class ExtractFault : std::uint8_t {
  empty,
  too_large,
  truncated,
  not_base64,
  unusable,       // a certificate that cannot be used
  other_kind,     // a block of another kind
  no_certificate, // nothing of the file is one
  only_key,       // a private key, and no certificate
  password,       // it opens neither without a password nor with "changeit"
  damaged,
};
inline constexpr std::uint8_t kExtractFaults = 10;
std::string_view words_of(ExtractFault fault) noexcept; // to follow "LINE: "

struct ExtractProblem {
  std::uint32_t line; // from 1; 0: the whole
  ExtractFault fault;
};

struct Extracted {
  std::vector<Certificate> certificates; // in order, duplicates kept
  std::vector<ExtractProblem> problems;  // at most 20
};

Extracted extract(std::string_view bytes);

} // namespace trust
