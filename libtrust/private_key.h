#pragma once
// Private keys and how they sign: made, written as PEM and read back. What a key consists of is in
// OpenSSL's memory, which cleanses it, and in Secrets. Threads: a value that is moved; one thread
// at a time. Failure: Error; no message ever holds a byte of a key or of a passphrase.

#include <string>
#include <string_view>

#include "libtrust/certificate.h"
#include "libtrust/handles.h"
#include "libtrust/secret.h"

namespace trust {

enum class KeyKind { ecdsa_p256, rsa_2048, rsa_4096, ed25519 };
std::string_view name_of(KeyKind kind) noexcept; // "ecdsa-p256"
KeyKind parse_key_kind(std::string_view text);   // Error{invalid}

// How a key stands in its file: PKCS#8 ("PRIVATE KEY"), or the form of its own kind that came
// before ("RSA PRIVATE KEY", "EC PRIVATE KEY"; Ed25519 has none).
enum class KeyFormat { pkcs8, traditional };
std::string_view name_of(KeyFormat format) noexcept; // "pkcs8"
KeyFormat parse_key_format(std::string_view text);   // Error{invalid}

enum class SigningDigest { sha256, sha384, sha512 };       // Ed25519 has its own
std::string_view name_of(SigningDigest digest) noexcept;   // "sha256"
SigningDigest parse_signing_digest(std::string_view text); // Error{invalid}

// Error{invalid} for what cannot be written: Ed25519 as traditional, encrypted as traditional
// (that form's encryption derives its key with one round of MD5).
void check_key_form(KeyKind kind, KeyFormat format, bool encrypted);

class PrivateKey {
 public:
  static PrivateKey generate(KeyKind kind);
  // An unencrypted one. Error{invalid} that names `where`.
  static PrivateKey from_pem(const Secret& pem, const std::string& where);

  EVP_PKEY* get() const noexcept { return key_.get(); }
  Bytes spki() const; // DER of the SubjectPublicKeyInfo

  // With a passphrase: PBES2 of PBKDF2 with HMAC-SHA-256 and AES-256, which OpenSSL, GnuTLS, Go
  // and Java read.
  Secret pem(KeyFormat format, const Secret& passphrase = {}) const;

 private:
  explicit PrivateKey(PkeyPtr key) : key_(std::move(key)) {}

  PkeyPtr key_;
};

} // namespace trust
