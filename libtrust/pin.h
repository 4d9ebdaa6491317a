#pragma once
// A pin: the SHA-256 of a SubjectPublicKeyInfo. Text "sha256/<base64>"; curl's
// "sha256//<base64>" is read too. Source: RFC 7469 section 2.4.

#include <string>
#include <string_view>

#include "libtrust/certificate.h"

namespace trust {

struct Pin {
  Digest spki_hash{};

  static Pin parse(std::string_view text); // Error{invalid} otherwise
  static Pin of(const Certificate& certificate) { return {certificate.spki_hash()}; }
  std::string text() const { return "sha256/" + base64(spki_hash); }
  auto operator<=>(const Pin&) const = default;
};

} // namespace trust
