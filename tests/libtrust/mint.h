#pragma once
// Certificates and chains made for a test, so that none is checked in and none expires. Any
// thread; no file is touched. Failure is a std::runtime_error: the test is wrong.
//
//   const Minted ca = mint({.common_name = "Test CA", .ca = true});
//   const Minted leaf = mint({.common_name = "dev.test", .sans = {"DNS:dev.test"}}, &ca);

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libtrust/certificate.h"
#include "libtrust/handles.h"
#include "libtrust/instant.h"

namespace trust::testing {

// A private key; copies share it.
class Key {
 public:
  static Key p256();               // a new one
  static Key curve(const char* name); // "P-384", "secp256k1", …
  static Key rsa(unsigned bits = 2048);
  static Key ed25519();
  // Of so many bits as would take minutes to find primes for: it looks like one, and signs nothing.
  static Key rsa_in_appearance(unsigned bits, std::uint64_t exponent = 65537);
  static Key shared(); // always the same P-256 key: for many certificates fast

  EVP_PKEY* get() const { return key_.get(); }
  std::string pem() const; // PKCS#8
  Bytes der() const; // PKCS#8

 private:
  explicit Key(EVP_PKEY* key);
  std::shared_ptr<EVP_PKEY> key_;
};

inline constexpr std::int64_t kDay = 86400;
inline constexpr UnixTime kNow = 1'800'000'000; // a present, for tests that pass the time in

inline std::span<const std::uint8_t> bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// `result`, or an exception that says what failed.
template <typename Result>
Result must(Result result, const char* what) {
  if (!result) throw std::runtime_error(std::string(what) + " failed");
  return result;
}

struct Mint {
  std::string common_name = "dev.test"; // "": an empty subject
  std::string organization = {};
  std::vector<std::string> sans = {}; // "DNS:dev.test", "IP:127.0.0.1"
  std::optional<bool> ca = {}; // none: no basicConstraints
  std::optional<int> path_length = {};
  std::string key_usage = {}; // "critical,keyCertSign,cRLSign"
  // As in openssl.cnf: {"nameConstraints", "critical,permitted;DNS:dev.test"},
  // {"extendedKeyUsage", "serverAuth"}, {"1.2.3.4", "DER:0500"}.
  std::vector<std::pair<std::string, std::string>> extensions = {};
  bool key_identifiers = true; // subject and authority key identifier
  std::optional<UnixTime> not_before = {}; // none: an hour ago
  std::optional<UnixTime> not_after = {}; // none: in 30 days
  std::optional<Key> key = {}; // none: a new P-256 key
  std::optional<std::int64_t> serial = {}; // none: random
  const char* digest = "SHA256"; // ignored with Ed25519
  bool version_1 = false; // for one without extensions
};

struct Minted {
  Certificate certificate;
  Key key;

  std::string pem() const { return certificate.pem(); }
};

// Signed by `issuer`, or by itself if there is none.
Minted mint(const Mint& what, const Minted* issuer = nullptr);

// The SHA-256 fingerprint, for tests that paste it.
inline std::string fingerprint_of(const Minted& minted) {
  return minted.certificate.fingerprint().text();
}

// Other things that people have in files, in PEM.
std::string mint_request(const Key& key, const std::string& common_name = "dev.test");
std::string mint_crl(const Minted& issuer);

} // namespace trust::testing
