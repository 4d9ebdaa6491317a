#pragma once
// A certificate: DER bytes, named by their SHA-256, with the facts read once at import.
// Immutable; copies share. Any number of threads may read one. Source: RFC 5280.
//
// Reading one costs about a tenth of d2i_X509, because the public key is not decoded: OpenSSL
// does that when x509() is first asked for, and keeps the result as long as the certificate.
// Whoever needs facts only (an import, a listing) never pays for it, in time or in memory; who
// is about to verify says so, and has it read once instead of twice.

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libtrust/der.h"
#include "libtrust/handles.h"
#include "libtrust/host.h"
#include "libtrust/instant.h"

namespace trust {

using Bytes = std::vector<std::uint8_t>;

using Digest = std::array<std::uint8_t, 32>;
Digest sha256(ByteView bytes);
std::string hex(ByteView bytes);           // lower case
std::string base64(ByteView bytes);        // RFC 4648 section 4, padded, one line
std::optional<Bytes> parse_base64(std::string_view text); // strict, canonical; none if malformed

inline constexpr std::size_t kFingerprintDigits = 64;
bool is_hex(std::string_view text) noexcept; // digits of any case, one at least

// The SHA-256 of a certificate's DER.
struct Fingerprint {
  Digest bytes{};

  // 64 hex digits, any case, "sha256:" or "sha256 Fingerprint=" before them, colons between;
  // Error{invalid} otherwise.
  static Fingerprint parse(std::string_view text);
  std::string text() const { return hex(bytes); }
  auto operator<=>(const Fingerprint&) const = default;
};

// The least and the greatest digest that begin with these hex digits, kFingerprintDigits at most.
std::pair<Digest, Digest> digests_with(std::string_view prefix);

inline constexpr std::size_t kMaxCertificateBytes = 100 * 1024;
// Of a chain, as a peer presents it.
inline constexpr std::size_t kMaxChainCertificates = 32;
inline constexpr std::size_t kMaxChainBytes = 100 * 1024;

class Certificate {
 public:
  // Exactly one certificate in DER, nothing behind it, whose dates, names, basicConstraints
  // and keyUsage can be read; Error{invalid}, Error{too_large} otherwise.
  static Certificate from_der(ByteView der);
  // The same, with x509() made at once where the key is of a common kind and size; of others it
  // is not decoded before somebody asks for it.
  static Certificate to_verify(ByteView der);
  // The same of one that OpenSSL has read, key and all; x509() shares it. `der`: its encoding.
  static Certificate of(X509* x509, ByteView der);
  // The same of one that was just made, whose key OpenSSL need not know: as from_der.
  static Certificate made(X509* x509, ByteView der);

  ByteView der() const noexcept;
  const Fingerprint& fingerprint() const noexcept;
  const Digest& spki_hash() const noexcept;     // SHA-256 of the SubjectPublicKeyInfo
  ByteView subject_der() const noexcept;        // the Name, as encoded
  std::uint32_t subject_hash() const noexcept;  // as `openssl x509 -subject_hash`
  std::uint32_t issuer_hash() const noexcept;   // the same of its issuer
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
  // Self-issued, and its authorityKeyIdentifier, if any, names itself: what path building
  // takes for self-signed. Nothing is verified; trust never follows from it.
  bool is_self_signed() const noexcept;
  // is_self_signed(), and its own key verifies its signature. Computed at each call.
  bool verifies_itself() const;
  // Whether the issuer's key verifies its signature. That it does is kept with the certificate,
  // for the last key that did: it depends on nothing else, neither on time nor on a store.
  bool is_signed_by(const Certificate& issuer) const;
  bool has_names() const noexcept { return !dns_names().empty() || !addresses().empty(); }
  // Whether the SAN covers the host: RFC 6125, a wildcard is one whole left-most label,
  // addresses match addresses only; never the CN.
  bool covers(const Host& host) const noexcept;

  // Why its key or signature is below the policy, to follow "it has": RSA under 2,048 or over
  // 8,192 bits or with an odd exponent, EC under 256 bits or with explicit parameters, DSA, keys
  // of an unknown kind, signatures with MD5 or SHA-1 unless self-signed; none if it is not.
  const std::optional<std::string>& weakness() const noexcept;
  // The same of its key alone: of an anchor the signature is not looked at.
  const std::optional<std::string>& key_weakness() const noexcept;

  // Borrowed; never null. Parsed at the first call, which throws only when out of memory.
  X509* x509() const;
  std::string pem() const; // 64 columns, LF

 private:
  struct Facts;
  template <typename Read>
  static Certificate guarded(const Read& read);
  static Certificate read(ByteView der, X509Ptr x509, bool with_key);
  explicit Certificate(std::shared_ptr<const Facts> facts) : facts_(std::move(facts)) {}
  std::shared_ptr<const Facts> facts_;
};

// PEM text of any DER, 64 columns, without parsing it.
std::string pem_of(ByteView der, std::string_view label = "CERTIFICATE");

} // namespace trust
