#pragma once
// A certificate: DER bytes, named by their SHA-256, with the facts read once at import.
// Immutable; copies share. Any number of threads may read one. Source: RFC 5280.

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libtrust/handles.h"
#include "libtrust/host.h"
#include "libtrust/instant.h"

namespace trust {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

using Digest = std::array<std::uint8_t, 32>;
Digest sha256(ByteView bytes);
std::string hex(ByteView bytes);           // lower case
std::string base64(ByteView bytes);        // RFC 4648 section 4, padded, one line
std::optional<Bytes> parse_base64(std::string_view text); // strict, canonical; none if malformed

// The SHA-256 of a certificate's DER.
struct Fingerprint {
  Digest bytes{};

  // 64 hex digits, any case, "sha256:" or "sha256 Fingerprint=" before them, colons between;
  // Error{invalid} otherwise.
  static Fingerprint parse(std::string_view text);
  std::string text() const { return hex(bytes); }
  auto operator<=>(const Fingerprint&) const = default;
};

inline constexpr std::size_t kMaxCertificateBytes = 100 * 1024;

class Certificate {
 public:
  // Exactly one certificate, nothing behind it; Error{invalid}, Error{too_large} otherwise.
  static Certificate from_der(ByteView der);

  ByteView der() const noexcept;
  const Fingerprint& fingerprint() const noexcept;
  const Digest& spki_hash() const noexcept;     // SHA-256 of the SubjectPublicKeyInfo
  ByteView subject_der() const noexcept;        // the Name, as encoded
  std::uint32_t subject_hash() const noexcept;  // as `openssl x509 -subject_hash`
  const std::string& subject() const noexcept;  // RFC 2253, UTF-8; from outside: use shown()
  const std::string& issuer() const noexcept;
  const std::string& common_name() const noexcept; // the last CN of the subject, or ""
  const std::string& serial() const noexcept;   // hex, upper case, as OpenSSL prints it
  UnixTime not_before() const noexcept;
  UnixTime not_after() const noexcept;
  const std::vector<std::string>& dns_names() const noexcept; // SAN, as encoded
  const std::vector<Host>& addresses() const noexcept;        // SAN
  const std::string& key_kind() const noexcept; // "RSA 2048", "EC P-256", "Ed25519"
  const std::string& signature_kind() const noexcept; // "sha256WithRSAEncryption"

  bool is_ca() const noexcept;          // basicConstraints says CA:TRUE
  bool could_sign() const noexcept;     // CA:TRUE or no basicConstraints, unless a keyUsage
                                        // without keyCertSign is present
  bool is_self_issued() const noexcept; // subject == issuer
  bool is_self_signed() const noexcept; // self-issued, and its own key verifies it
  bool has_names() const noexcept { return !dns_names().empty() || !addresses().empty(); }
  // Whether the SAN covers the host: RFC 6125, a wildcard is one whole left-most label,
  // addresses match addresses only; never the CN.
  bool covers(const Host& host) const noexcept;

  // Why its key or signature is below the policy (RSA under 2048 or over 8192 bits, EC under
  // 256, DSA, MD5 or SHA-1 signatures unless self-signed); none if it is not.
  std::optional<std::string> weakness() const;

  X509* x509() const noexcept;          // borrowed
  std::string pem() const;              // 64 columns, LF

 private:
  struct Facts;
  explicit Certificate(std::shared_ptr<const Facts> facts) : facts_(std::move(facts)) {}
  std::shared_ptr<const Facts> facts_;
};

// PEM text of any DER, 64 columns, without parsing it.
std::string pem_of(ByteView der, std::string_view label = "CERTIFICATE");

} // namespace trust
