#include "libtrust/issue.h"

#include <openssl/rand.h>

#include <algorithm>
#include <array>

#include "libtrust/der.h"
#include "libtrust/emit/constraints.h"
#include "libtrust/emit/der_write.h"
#include "libtrust/error.h"

namespace trust {
namespace {

constexpr std::size_t kMostCommonName = 64; // ub-common-name, characters
constexpr int kVersion3 = 2;

[[noreturn]] void fail(const char* what) {
  ERR_clear_error();
  throw Error(Code::internal, std::string("a certificate could not be made: ") + what);
}
void must(bool done, const char* what) {
  if (!done) fail(what);
}

const EVP_MD* md_of(SigningDigest digest) {
  switch (digest) {
    case SigningDigest::sha256: return EVP_sha256();
    case SigningDigest::sha384: return EVP_sha384();
    case SigningDigest::sha512: return EVP_sha512();
  }
  return EVP_sha256();
}

bool is_address(const Pattern& name) { return name.base().is_address(); }

// 16 octets, the first from 0x40 to 0x7f: positive, of one length, 126 random bits.
void set_serial(X509* x509) {
  std::array<unsigned char, 16> bytes{};
  must(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1, "no random numbers");
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x3f) | 0x40);
  must(ASN1_STRING_set(X509_get_serialNumber(x509), bytes.data(), static_cast<int>(bytes.size())) ==
           1,
       "serial number");
}

void set_dates(X509* x509, UnixTime not_before, UnixTime not_after) {
  if (not_after <= not_before) throw Error(Code::invalid, "a certificate that ends at its start");
  must(ASN1_TIME_set(X509_getm_notBefore(x509), not_before) != nullptr &&
           ASN1_TIME_set(X509_getm_notAfter(x509), not_after) != nullptr,
       "dates");
}

void add_name_part(X509_NAME* name, const char* kind, const std::string& value) {
  must(X509_NAME_add_entry_by_txt(name, kind, MBSTRING_UTF8,
                                  reinterpret_cast<const unsigned char*>(value.data()),
                                  static_cast<int>(value.size()), -1, 0) == 1,
       "subject");
}

// An extension in openssl.cnf's words, of our own alone.
void add_extension(X509* x509, X509V3_CTX& context, int nid, const char* value) {
  const X509ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  must(extension && X509_add_ext(x509, extension.get(), -1) == 1, OBJ_nid2sn(nid));
}

void add_der_extension(X509* x509, int nid, bool critical, const Bytes& value) {
  const Asn1StringPtr string(ASN1_STRING_type_new(V_ASN1_OCTET_STRING));
  must(string && ASN1_STRING_set(string.get(), value.data(), static_cast<int>(value.size())) == 1,
       OBJ_nid2sn(nid));
  const X509ExtensionPtr extension(
      X509_EXTENSION_create_by_NID(nullptr, nid, critical ? 1 : 0, string.get()));
  must(extension && X509_add_ext(x509, extension.get(), -1) == 1, OBJ_nid2sn(nid));
}

Bytes san_of(const std::vector<Pattern>& names) {
  constexpr std::uint8_t kDnsName = der::primitive(2), kAddress = der::primitive(7);
  Bytes list;
  for (const Pattern& name : names) {
    der::append(list, is_address(name) ? der::wrap(kAddress, name.base().address())
                                       : der::wrap(kDnsName, view_of(name.text())));
  }
  return der::wrap(der::kSequence, list);
}

// The CN is one of the names, or nothing. Where the local CA signs, never an address: OpenSSL and
// GnuTLS take a CN for a DNS name when the SAN has none, and the CA's constraints, which exclude
// such a name, would refuse the certificate.
std::string common_name_of(const std::vector<Pattern>& names, bool self_signed) {
  for (const Pattern& name : names) {
    if (is_address(name) && !self_signed) continue;
    if (name.text().size() <= kMostCommonName) return name.text();
  }
  return "";
}

// As X509_set_pubkey does it, without decoding again what was just encoded: that takes longer than
// all else that making a certificate needs. False if the key is of a kind that it is left to.
bool put_public_key(X509* x509, EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int length = i2d_PUBKEY(key, &der);
  const OpensslBytes owned(der);
  must(length > 0, "public key");
  const auto info = DerReader({der, static_cast<std::size_t>(length)}).next(der::kSequence);
  DerReader inner(info ? info->content : ByteView{});
  const auto algorithm = inner.next(der::kSequence);
  const auto bits = inner.next(der::kBitString);
  if (!algorithm || !bits || bits->content.empty() || bits->content.front() != 0) return false;
  const unsigned char* at = algorithm->whole.data();
  const AlgorithmPtr read(d2i_X509_ALGOR(nullptr, &at, static_cast<long>(algorithm->whole.size())));
  must(read != nullptr, "public key");
  const ASN1_OBJECT* kind = nullptr;
  const void* curve = nullptr;
  int parameters = V_ASN1_UNDEF;
  X509_ALGOR_get0(&kind, &parameters, &curve, read.get());
  const bool has_curve = parameters == V_ASN1_OBJECT;
  if (!has_curve && parameters != V_ASN1_NULL && parameters != V_ASN1_UNDEF) return false;
  const ByteView content = bits->content.subspan(1);
  // Taken over when all is well.
  Asn1ObjectPtr own_kind(OBJ_dup(kind));
  Asn1ObjectPtr own_curve(has_curve ? OBJ_dup(static_cast<const ASN1_OBJECT*>(curve)) : nullptr);
  OpensslBytes own(static_cast<unsigned char*>(OPENSSL_memdup(content.data(), content.size())));
  must(
      own_kind && (own_curve || !has_curve) && own &&
          X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(x509), own_kind.get(), parameters,
                                 own_curve.get(), own.get(), static_cast<int>(content.size())) == 1,
      "public key");
  static_cast<void>(own_kind.release());
  static_cast<void>(own_curve.release());
  static_cast<void>(own.release());
  return true;
}

X509Ptr begin(UnixTime not_before, UnixTime not_after, EVP_PKEY* key) {
  X509Ptr x509(X509_new());
  must(x509 != nullptr && X509_set_version(x509.get(), kVersion3) == 1, "version");
  must(put_public_key(x509.get(), key) || X509_set_pubkey(x509.get(), key) == 1, "public key");
  set_serial(x509.get());
  set_dates(x509.get(), not_before, not_after);
  return x509;
}

Certificate sign(X509* x509, const PrivateKey& key, SigningDigest digest) {
  const bool has_own_digest = EVP_PKEY_is_a(key.get(), "ED25519") == 1;
  must(X509_sign(x509, key.get(), has_own_digest ? nullptr : md_of(digest)) > 0, "signature");
  unsigned char* der = nullptr;
  const int length = i2d_X509(x509, &der);
  const OpensslBytes owned(der);
  must(length > 0, "encoding");
  return Certificate::made(x509, {der, static_cast<std::size_t>(length)});
}

// RSA keys also encrypt the secret of a TLS 1.2 handshake.
const char* usage_of(EVP_PKEY* key, bool ca) {
  const bool is_rsa = EVP_PKEY_is_a(key, "RSA") == 1;
  if (ca) {
    return is_rsa ? "critical,digitalSignature,keyEncipherment,keyCertSign"
                  : "critical,digitalSignature,keyCertSign";
  }
  return is_rsa ? "critical,digitalSignature,keyEncipherment" : "critical,digitalSignature";
}

// `issuer`: null where it signs itself.
X509Ptr server_certificate(const ServerCertificate& wish, UnixTime not_after, EVP_PKEY* key,
                           X509* issuer) {
  X509Ptr x509 = begin(wish.not_before, not_after, key);
  X509_NAME* subject = X509_get_subject_name(x509.get());
  const std::string common_name = common_name_of(wish.names, issuer == nullptr);
  if (!common_name.empty()) {
    add_name_part(subject, "CN", common_name);
  } else if (issuer == nullptr) {
    add_name_part(subject, "O", "trustd"); // an issuer has a name
  }
  const bool has_subject = X509_NAME_entry_count(subject) > 0;
  must(X509_set_issuer_name(x509.get(),
                            issuer == nullptr ? subject : X509_get_subject_name(issuer)) == 1,
       "issuer");
  X509V3_CTX context{};
  X509V3_set_ctx(&context, issuer == nullptr ? x509.get() : issuer, x509.get(), nullptr, nullptr,
                 0);
  add_extension(x509.get(), context, NID_basic_constraints,
                wish.ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
  add_extension(x509.get(), context, NID_key_usage, usage_of(key, wish.ca));
  add_extension(x509.get(), context, NID_ext_key_usage, "serverAuth");
  add_extension(x509.get(), context, NID_subject_key_identifier, "hash");
  add_extension(x509.get(), context, NID_authority_key_identifier, "keyid:always");
  add_der_extension(x509.get(), NID_subject_alt_name, !has_subject, san_of(wish.names));
  return x509;
}

void check_names(const std::vector<Pattern>& names) {
  if (names.empty()) throw Error(Code::invalid, "a certificate needs a name");
}

PkeyPtr public_key(ByteView spki) {
  constexpr std::size_t kMostSpkiBytes = 4096;
  const char* why = "the public key is not the DER of one SubjectPublicKeyInfo";
  if (spki.size() > kMostSpkiBytes) throw Error(Code::too_large, "the public key is too large");
  const unsigned char* at = spki.data();
  PkeyPtr key(d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
  if (!key || at != spki.data() + spki.size()) throw Error(Code::invalid, why);
  const bool is_ours =
      EVP_PKEY_is_a(key.get(), "ED25519") == 1 ||
      (EVP_PKEY_is_a(key.get(), "RSA") == 1 && EVP_PKEY_get_bits(key.get()) >= 2048 &&
       EVP_PKEY_get_bits(key.get()) <= 8192) ||
      (EVP_PKEY_is_a(key.get(), "EC") == 1 && EVP_PKEY_get_bits(key.get()) >= 256);
  if (!is_ours) {
    throw Error(Code::invalid,
                "the public key is of a kind that is not signed: it is RSA of 2048 bits or more, "
                "EC of 256 or Ed25519");
  }
  return key;
}

} // namespace

Certificate issue_self_signed(const ServerCertificate& wish, const PrivateKey& key) {
  const ErrorQueueGuard queue;
  check_names(wish.names);
  const X509Ptr x509 = server_certificate(wish, wish.not_after, key.get(), nullptr);
  return sign(x509.get(), key, wish.digest);
}

IssuedCa issue_ca(const CaCertificate& wish, const PrivateKey& key) {
  const ErrorQueueGuard queue;
  if (wish.permit.empty()) throw Error(Code::invalid, "a local CA needs something it may sign");
  if (wish.name.empty() || wish.name.size() > kMostCommonName) {
    throw Error(Code::invalid, "the name of a CA has from 1 to 64 characters");
  }
  Constraints constraints = constraints_for(std::nullopt, wish.permit);
  if (!constraints.der) throw Error(Code::invalid, constraints.why_not);
  const X509Ptr x509 = begin(wish.not_before, wish.not_after, key.get());
  X509_NAME* subject = X509_get_subject_name(x509.get());
  add_name_part(subject, "O", "trustd");
  add_name_part(subject, "CN", wish.name);
  must(X509_set_issuer_name(x509.get(), subject) == 1, "issuer");
  X509V3_CTX context{};
  X509V3_set_ctx(&context, x509.get(), x509.get(), nullptr, nullptr, 0);
  // It signs servers and no further CA.
  add_extension(x509.get(), context, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  add_extension(x509.get(), context, NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(x509.get(), context, NID_ext_key_usage, "serverAuth");
  add_extension(x509.get(), context, NID_subject_key_identifier, "hash");
  add_extension(x509.get(), context, NID_authority_key_identifier, "keyid:always");
  add_der_extension(x509.get(), NID_name_constraints, true, *constraints.der);
  return {sign(x509.get(), key, wish.digest), std::move(constraints.wider_by)};
}

Certificate issue_for(const ServerCertificate& wish, ByteView spki, const Issuer& issuer) {
  const ErrorQueueGuard queue;
  check_names(wish.names);
  if (wish.ca) {
    throw Error(Code::invalid, "the local CA signs servers, and no further CA",
                "leave out --ca, or --from-ca");
  }
  for (const Pattern& name : wish.names) {
    if (std::any_of(issuer.permit.begin(), issuer.permit.end(),
                    [&](const Pattern& permitted) { return contains(permitted, name); })) {
      continue;
    }
    std::string permitted;
    for (const Pattern& pattern : issuer.permit) {
      permitted += (permitted.empty() ? "" : ", ") + pattern.text();
    }
    throw Error(Code::conflict,
                "the local CA may not sign for " + name.text() + ": it is limited to " + permitted,
                "trustctl new " + name.text() + " --trust");
  }
  if (wish.not_before >= issuer.certificate.not_after()) {
    throw Error(Code::conflict, "the local CA ended on " + rfc3339(issuer.certificate.not_after()),
                "trustctl renew " + issuer.certificate.fingerprint().text());
  }
  const PkeyPtr key = public_key(spki);
  const X509Ptr x509 =
      server_certificate(wish, std::min(wish.not_after, issuer.certificate.not_after()), key.get(),
                         issuer.certificate.x509());
  return sign(x509.get(), issuer.key, wish.digest);
}

bool contains(const Pattern& outer, const Pattern& inner) noexcept {
  if (inner.kind() == Pattern::Kind::host) return outer.matches(inner.base());
  if (outer.kind() == Pattern::Kind::network) {
    return inner.kind() == Pattern::Kind::network &&
           inner.prefix_length() >= outer.prefix_length() && outer.matches(inner.base());
  }
  if (inner.kind() == Pattern::Kind::network || outer.kind() == Pattern::Kind::host) return false;
  const std::string& above = outer.base().text();
  const std::string& below = inner.base().text();
  if (outer.kind() == Pattern::Kind::one_label) {
    return inner.kind() == Pattern::Kind::one_label && above == below;
  }
  return above == below || (below.size() > above.size() && below.ends_with(above) &&
                            below[below.size() - above.size() - 1] == '.');
}

UnixTime renewal_time(UnixTime not_before, UnixTime not_after) noexcept {
  return not_before + (not_after - not_before) / 3 * 2;
}

} // namespace trust
