#include "libtrust/private_key.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <limits>

#include "libtrust/error.h"

namespace trust {
namespace {

constexpr int kIterations = 600'000;

Error failed(const std::string& what) {
  ERR_clear_error();
  return Error(Code::internal, what + " failed");
}

// Nobody is asked for a passphrase.
int no_passphrase(char*, int, int, void*) { return -1; }

Secret contents_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  if (size <= 0) throw failed("writing a private key");
  return Secret({data, static_cast<std::size_t>(size)});
}

} // namespace

std::string_view name_of(KeyKind kind) noexcept {
  switch (kind) {
    case KeyKind::ecdsa_p256: return "ecdsa-p256";
    case KeyKind::rsa_2048: return "rsa-2048";
    case KeyKind::rsa_4096: return "rsa-4096";
    case KeyKind::ed25519: return "ed25519";
  }
  return "";
}

KeyKind parse_key_kind(std::string_view text) {
  for (const KeyKind kind :
       {KeyKind::ecdsa_p256, KeyKind::rsa_2048, KeyKind::rsa_4096, KeyKind::ed25519}) {
    if (text == name_of(kind)) return kind;
  }
  throw Error(Code::invalid, "\"" + shown(text) + "\" is no kind of key",
              "known are ecdsa-p256, rsa-2048, rsa-4096, ed25519");
}

std::string_view name_of(KeyFormat format) noexcept {
  switch (format) {
    case KeyFormat::pkcs8: return "pkcs8";
    case KeyFormat::traditional: return "traditional";
  }
  return "";
}

KeyFormat parse_key_format(std::string_view text) {
  for (const KeyFormat format : {KeyFormat::pkcs8, KeyFormat::traditional}) {
    if (text == name_of(format)) return format;
  }
  throw Error(Code::invalid, "\"" + shown(text) + "\" is no form of a key",
              "known are pkcs8, traditional");
}

std::string_view name_of(SigningDigest digest) noexcept {
  switch (digest) {
    case SigningDigest::sha256: return "sha256";
    case SigningDigest::sha384: return "sha384";
    case SigningDigest::sha512: return "sha512";
  }
  return "";
}

SigningDigest parse_signing_digest(std::string_view text) {
  for (const SigningDigest digest :
       {SigningDigest::sha256, SigningDigest::sha384, SigningDigest::sha512}) {
    if (text == name_of(digest)) return digest;
  }
  throw Error(Code::invalid, "\"" + shown(text) + "\" is no digest that is signed",
              "known are sha256, sha384, sha512");
}

void check_key_form(KeyKind kind, KeyFormat format, bool encrypted) {
  if (format != KeyFormat::traditional) return;
  if (kind == KeyKind::ed25519) {
    throw Error(Code::invalid, "an Ed25519 key has no traditional form", "leave out --key-format");
  }
  if (encrypted) {
    throw Error(Code::invalid, "the traditional form of a key cannot be encrypted safely",
                "leave out --key-format, or --passphrase-file");
  }
}

PrivateKey PrivateKey::generate(KeyKind kind) {
  const ErrorQueueGuard queue;
  PkeyPtr key;
  switch (kind) {
    case KeyKind::ecdsa_p256: key.reset(EVP_EC_gen("P-256")); break;
    case KeyKind::rsa_2048: key.reset(EVP_RSA_gen(2048)); break;
    case KeyKind::rsa_4096: key.reset(EVP_RSA_gen(4096)); break;
    case KeyKind::ed25519: key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")); break;
  }
  if (!key) throw failed("making a key");
  return PrivateKey(std::move(key));
}

PrivateKey PrivateKey::from_pem(const Secret& pem, const std::string& where) {
  const ErrorQueueGuard queue;
  if (pem.size() > std::numeric_limits<int>::max()) {
    throw Error(Code::too_large, where + " is too large for a private key");
  }
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (!bio) throw failed("reading a private key");
  PkeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  if (!key) throw Error(Code::invalid, where + " does not hold an unencrypted private key");
  return PrivateKey(std::move(key));
}

Bytes PrivateKey::spki() const {
  const ErrorQueueGuard queue;
  unsigned char* der = nullptr;
  const int length = i2d_PUBKEY(key_.get(), &der);
  const OpensslBytes owned(der);
  if (length <= 0) throw failed("writing a public key");
  return {der, der + length};
}

Secret PrivateKey::pem(KeyFormat format, const Secret& passphrase) const {
  const ErrorQueueGuard queue;
  const BioPtr bio(BIO_new(BIO_s_secmem()));
  if (!bio) throw failed("writing a private key");
  if (format == KeyFormat::traditional) {
    if (PEM_write_bio_PrivateKey_traditional(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr,
                                             nullptr) != 1) {
      throw failed("writing a private key");
    }
    return contents_of(bio.get());
  }
  const Pkcs8InfoPtr plain(EVP_PKEY2PKCS8(key_.get()));
  if (!plain) throw failed("writing a private key");
  if (passphrase.empty()) {
    if (PEM_write_bio_PKCS8_PRIV_KEY_INFO(bio.get(), plain.get()) != 1) {
      throw failed("writing a private key");
    }
    return contents_of(bio.get());
  }
  // The algorithm belongs to what is encrypted with it, once there is such a thing.
  AlgorithmPtr algorithm(
      PKCS5_pbe2_set_iv(EVP_aes_256_cbc(), kIterations, nullptr, 0, nullptr, NID_hmacWithSHA256));
  if (!algorithm) throw failed("encrypting a private key");
  const X509SigPtr encrypted(PKCS8_set0_pbe(passphrase.data(), static_cast<int>(passphrase.size()),
                                            plain.get(), algorithm.get()));
  if (!encrypted) throw failed("encrypting a private key");
  static_cast<void>(algorithm.release());
  if (PEM_write_bio_PKCS8(bio.get(), encrypted.get()) != 1) throw failed("writing a private key");
  return contents_of(bio.get());
}

} // namespace trust
