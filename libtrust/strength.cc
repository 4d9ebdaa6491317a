#include "libtrust/strength.h"

#include <openssl/objects.h>

#include <array>
#include <string_view>

#include "libtrust/der.h"

namespace trust {
namespace {

KeyStrength rsa_key(ByteView bits, std::string_view name) {
  DerReader outer(bits);
  const auto sequence = outer.next(der::kSequence);
  DerReader inner(sequence ? sequence->content : ByteView{});
  const auto modulus = inner.next(der::kInteger);
  const auto exponent = inner.next(der::kInteger);
  if (!modulus || !exponent) return {std::string(name), "an RSA key that cannot be read"};
  const auto magnitude = [](ByteView number) {
    while (!number.empty() && number.front() == 0) number = number.subspan(1);
    return number;
  };
  const ByteView n = magnitude(modulus->content);
  const ByteView e = magnitude(exponent->content);
  std::size_t length = n.size() * 8;
  if (!n.empty()) length -= static_cast<std::size_t>(__builtin_clz(n.front())) - 24;
  KeyStrength key{std::string(name) + ' ' + std::to_string(length), {}};
  if (length < 2048)
    key.weakness = "an RSA key of " + std::to_string(length) + " bits; 2048 is the least";
  if (length > 8192)
    key.weakness = "an RSA key of " + std::to_string(length) + " bits; 8192 is the most";
  else if (length > 2048 && length % 8 != 0)
    key.weakness =
        "an RSA key of " + std::to_string(length) + " bits, which is no whole number of bytes";
  if (e.size() > 4) key.weakness = "an RSA exponent of more than 32 bits";
  if (e.empty() || (e.back() & 1) == 0 || (e.size() == 1 && e.front() < 3)) {
    key.weakness = "an RSA exponent that is even or 1";
  }
  return key;
}

KeyStrength ec_key(const X509_ALGOR* algorithm) {
  int type = 0;
  const void* value = nullptr;
  X509_ALGOR_get0(nullptr, &type, &value, algorithm);
  if (type != V_ASN1_OBJECT) return {"EC explicit", "an EC key with explicit parameters"};
  const int curve = OBJ_obj2nid(static_cast<const ASN1_OBJECT*>(value));
  switch (curve) {
    case NID_X9_62_prime256v1: return {"EC P-256", {}};
    case NID_secp384r1: return {"EC P-384", {}};
    case NID_secp521r1: return {"EC P-521", {}};
    default: break;
  }
  const EcGroupPtr group(curve == NID_undef ? nullptr : EC_GROUP_new_by_curve_name(curve));
  if (!group) return {"EC unknown", "an EC key on an unknown curve"};
  const int degree = EC_GROUP_get_degree(group.get());
  KeyStrength key{curve == NID_secp224r1 ? "EC P-224" : std::string("EC ") + OBJ_nid2sn(curve), {}};
  if (degree < 256)
    key.weakness = "an EC key of " + std::to_string(degree) + " bits; 256 is the least";
  return key;
}

} // namespace

std::string algorithm_text(const ASN1_OBJECT* object) {
  std::array<char, 128> buffer{};
  OBJ_obj2txt(buffer.data(), static_cast<int>(buffer.size()), object, 0);
  return buffer.data();
}

KeyStrength key_strength(const X509* x509) {
  ASN1_OBJECT* object = nullptr;
  const unsigned char* data = nullptr;
  int length = 0;
  X509_ALGOR* algorithm = nullptr;
  X509_PUBKEY_get0_param(&object, &data, &length, &algorithm, X509_get_X509_PUBKEY(x509));
  const ByteView bits(data, static_cast<std::size_t>(length));
  switch (OBJ_obj2nid(object)) {
    case NID_rsaEncryption: return rsa_key(bits, "RSA");
    case NID_rsassaPss: return rsa_key(bits, "RSA-PSS");
    case NID_X9_62_id_ecPublicKey: return ec_key(algorithm);
    case NID_ED25519: return {"Ed25519", {}};
    case NID_ED448: return {"Ed448", {}};
    case NID_dsa: return {"DSA", "a DSA key"};
    default: break;
  }
  return {algorithm_text(object), "a key of a kind that is not used for TLS"};
}

std::optional<std::string> weak_signature(X509* x509) {
  int digest = NID_undef;
  const int signature = X509_get_signature_nid(x509);
  if (signature == NID_rsassaPss) {
    X509_get_signature_info(x509, &digest, nullptr, nullptr, nullptr);
  } else {
    OBJ_find_sigid_algs(signature, &digest, nullptr);
  }
  switch (digest) {
    case NID_md2:
    case NID_md4:
    case NID_md5:
    case NID_mdc2:
    case NID_md5_sha1:
    case NID_ripemd160:
    case NID_sha1: return std::string("a signature with ") + OBJ_nid2sn(digest);
    default: return {};
  }
}

} // namespace trust
