#include "tests/libtrust/mint.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <stdexcept>

namespace trust::testing {
namespace {

std::string drained(const BioPtr& bio) {
  char* data = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(length)};
}

BioPtr memory() { return BioPtr(must(BIO_new(BIO_s_mem()), "a buffer")); }

void put(X509_NAME* name, const char* field, const std::string& value) {
  if (value.empty()) return;
  must(X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                  reinterpret_cast<const unsigned char*>(value.data()),
                                  static_cast<int>(value.size()), -1, 0) == 1,
       "a name");
}

void put_time(ASN1_TIME* time, UnixTime value) {
  must(ASN1_TIME_adj(time, static_cast<time_t>(value), 0, 0), "a date");
}

const EVP_MD* digest_for(const Key& key, const char* name) {
  if (EVP_PKEY_is_a(key.get(), "ED25519") == 1) return nullptr;
  return must(EVP_get_digestbyname(name), "a digest");
}

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : ",") + part;
  return out;
}

} // namespace

Key::Key(EVP_PKEY* key) : key_(PkeyPtr(must(key, "a key"))) {}

Key Key::p256() { return curve("P-256"); }
Key Key::curve(const char* name) { return Key(EVP_EC_gen(name)); }
Key Key::rsa(unsigned bits) { return Key(EVP_RSA_gen(bits)); }
Key Key::rsa_in_appearance(unsigned bits, std::uint64_t e) {
  const std::unique_ptr<BIGNUM, Deleter<BN_free>> modulus(BN_new()), exponent(BN_new());
  must(BN_rand(modulus.get(), static_cast<int>(bits), BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD) == 1,
       "a number");
  must(BN_set_word(exponent.get(), e) == 1, "a number");
  const std::unique_ptr<OSSL_PARAM_BLD, Deleter<OSSL_PARAM_BLD_free>> builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_D, exponent.get());
  const std::unique_ptr<OSSL_PARAM, Deleter<OSSL_PARAM_free>> parameters(
      OSSL_PARAM_BLD_to_param(builder.get()));
  const PkeyCtxPtr context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* key = nullptr;
  must(EVP_PKEY_fromdata_init(context.get()) == 1 &&
           EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_KEYPAIR, parameters.get()) == 1,
       "a key");
  return Key(key);
}
Key Key::ed25519() { return Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")); }
Key Key::shared() {
  static const Key key = p256();
  return key;
}

std::string Key::pem() const {
  const BioPtr out = memory();
  must(PEM_write_bio_PrivateKey(out.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1,
       "a key's PEM");
  return drained(out);
}

Bytes Key::der() const {
  const BioPtr out = memory();
  must(i2d_PKCS8PrivateKey_bio(out.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1,
       "a key's DER");
  const std::string text = drained(out);
  return {text.begin(), text.end()};
}

Minted mint(const Mint& what, const Minted* issuer) {
  const Key key = what.key ? *what.key : Key::p256();
  const Key& signer = issuer ? issuer->key : key;
  const X509Ptr x509(must(X509_new(), "a certificate"));
  X509* const made = x509.get();
  must(X509_set_version(made, what.version_1 ? X509_VERSION_1 : X509_VERSION_3) == 1,
       "the version");

  std::int64_t serial = 0;
  if (what.serial) {
    serial = *what.serial;
  } else {
    must(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), 7) == 1, "a serial number");
    ++serial; // never zero
  }
  must(ASN1_INTEGER_set_int64(X509_get_serialNumber(made), serial) == 1, "the serial number");

  const X509NamePtr subject(must(X509_NAME_new(), "a name"));
  put(subject.get(), "O", what.organization);
  put(subject.get(), "CN", what.common_name);
  must(X509_set_subject_name(made, subject.get()) == 1, "the subject");
  must(X509_set_issuer_name(
           made, issuer ? X509_get_subject_name(issuer->certificate.x509()) : subject.get()) == 1,
       "the issuer");
  const UnixTime now = system_clock_now();
  put_time(X509_getm_notBefore(made), what.not_before.value_or(now - 3600));
  put_time(X509_getm_notAfter(made), what.not_after.value_or(now + 30 * kDay));
  must(X509_set_pubkey(made, key.get()) == 1, "the key");

  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer ? issuer->certificate.x509() : made, made, nullptr, nullptr, 0);
  X509V3_set_ctx_nodb(&context);
  const auto add = [&](const std::string& name, const std::string& value) {
    const X509ExtensionPtr extension(
        must(X509V3_EXT_nconf(nullptr, &context, name.c_str(), value.c_str()), name.c_str()));
    must(X509_add_ext(made, extension.get(), -1) == 1, name.c_str());
  };
  if (what.ca) {
    std::string value = *what.ca ? "critical,CA:TRUE" : "critical,CA:FALSE";
    if (what.path_length) value += ",pathlen:" + std::to_string(*what.path_length);
    add("basicConstraints", value);
  }
  if (!what.key_usage.empty()) add("keyUsage", what.key_usage);
  if (what.key_identifiers) {
    add("subjectKeyIdentifier", "hash");
    if (!issuer || X509_get0_subject_key_id(issuer->certificate.x509()) != nullptr) {
      add("authorityKeyIdentifier", "keyid");
    }
  }
  if (!what.sans.empty()) add("subjectAltName", joined(what.sans));
  for (const auto& [name, value] : what.extensions) add(name, value);

  must(X509_sign(made, signer.get(), digest_for(signer, what.digest)) > 0, "the signature");
  unsigned char* der = nullptr;
  const int length = i2d_X509(made, &der);
  must(length > 0, "the encoding");
  const OpensslBytes owned(der);
  return {Certificate::from_der({der, static_cast<std::size_t>(length)}), key};
}

std::string mint_request(const Key& key, const std::string& common_name) {
  const X509ReqPtr request(must(X509_REQ_new(), "a request"));
  put(X509_REQ_get_subject_name(request.get()), "CN", common_name);
  must(X509_REQ_set_pubkey(request.get(), key.get()) == 1, "a request's key");
  must(X509_REQ_sign(request.get(), key.get(), digest_for(key, "SHA256")) > 0,
       "a request's signature");
  const BioPtr out = memory();
  must(PEM_write_bio_X509_REQ(out.get(), request.get()) == 1, "a request's PEM");
  return drained(out);
}

std::string mint_crl(const Minted& issuer) {
  const X509CrlPtr crl(must(X509_CRL_new(), "a CRL"));
  must(X509_CRL_set_version(crl.get(), 1) == 1, "a CRL's version");
  must(X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(issuer.certificate.x509())) == 1,
       "a CRL's issuer");
  const std::unique_ptr<ASN1_TIME, Deleter<ASN1_TIME_free>> now(
      must(ASN1_TIME_set(nullptr, static_cast<time_t>(system_clock_now())), "a date"));
  must(X509_CRL_set1_lastUpdate(crl.get(), now.get()) == 1, "a CRL's date");
  must(X509_CRL_set1_nextUpdate(crl.get(), now.get()) == 1, "a CRL's date");
  must(X509_CRL_sign(crl.get(), issuer.key.get(), digest_for(issuer.key, "SHA256")) > 0,
       "a CRL's signature");
  const BioPtr out = memory();
  must(PEM_write_bio_X509_CRL(out.get(), crl.get()) == 1, "a CRL's PEM");
  return drained(out);
}

} // namespace trust::testing
