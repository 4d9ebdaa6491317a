#include "libtrust/containers.h"

#include <openssl/provider.h>

#include <algorithm>
#include <array>
#include <new>
#include <utility>

#include "libtrust/decode.h"
#include "libtrust/error.h"
#include "libtrust/handles.h"

namespace trust {
namespace {

// Rounds of key derivation in one file, all together: some seconds. Browsers write a million.
constexpr std::int64_t kMaxRounds = 5'000'000;
constexpr int kMaxNesting = 8;

enum class Kind { neither, pkcs7, pkcs12 };

// By the first bytes; BER too, which Windows writes, so without trusting any length.
Kind kind_of(ByteView bytes) {
  if (bytes.size() < 16 || bytes[0] != der::kSequence) return Kind::neither;
  const std::size_t length_bytes = bytes[1] > 0x80 ? bytes[1] & 0x7FU : 0;
  if (length_bytes > 4) return Kind::neither;
  const ByteView inner = bytes.subspan(2 + length_bytes);
  constexpr std::array<std::uint8_t, 3> kVersion3{der::kInteger, 1, 3};
  constexpr std::array<std::uint8_t, 10> kPkcs7{der::kObject, 9,    0x2A, 0x86, 0x48,
                                                0x86,         0xF7, 0x0D, 0x01, 0x07};
  const auto begins = [&](const auto& prefix) {
    return inner.size() > prefix.size() && std::equal(prefix.begin(), prefix.end(), inner.begin());
  };
  if (begins(kVersion3) && inner[3] == der::kSequence) return Kind::pkcs12;
  return begins(kPkcs7) ? Kind::pkcs7 : Kind::neither;
}

// The bytes of the one PEM block in a text, if it is PKCS#7 and there is no other.
std::optional<Bytes> pem_pkcs7(std::string_view text) {
  constexpr std::string_view kBegin = "-----BEGIN ";
  constexpr std::string_view kDashes = "-----";
  const std::size_t begin = text.find(kBegin);
  if (begin == std::string_view::npos || text.find(kBegin, begin + 1) != std::string_view::npos) {
    return {};
  }
  text.remove_prefix(begin + kBegin.size());
  const std::size_t label_end = text.find(kDashes);
  if (label_end == std::string_view::npos) return {};
  const std::string_view label = text.substr(0, label_end);
  if (label != "PKCS7" && label != "CMS" && label != "PKCS #7 SIGNED DATA") return {};
  text.remove_prefix(label_end + kDashes.size());
  std::string body(text.substr(0, text.find(kDashes)));
  std::erase_if(body, [](char c) { return c == '\n' || c == '\r' || c == ' ' || c == '\t'; });
  return parse_base64(body);
}

class Reader {
 public:
  Reader(std::string_view source, const AskPassword& ask) : source_(shown(source)), ask_(ask) {}

  Contained read_pkcs7(ByteView bytes) {
    const unsigned char* cursor = bytes.data();
    const CmsPtr content(d2i_CMS_ContentInfo(nullptr, &cursor, static_cast<long>(bytes.size())));
    if (!content) fail("is damaged, or PKCS#7 of a kind that cannot be read");
    const X509StackPtr found(CMS_get1_certs(content.get()));
    for (int i = 0; i < sk_X509_num(found.get()); ++i) take(sk_X509_value(found.get(), i));
    return finish("PKCS#7");
  }

  Contained read_pkcs12(ByteView bytes) {
    const unsigned char* cursor = bytes.data();
    const Pkcs12Ptr file(d2i_PKCS12(nullptr, &cursor, static_cast<long>(bytes.size())));
    if (!file) fail("is damaged: it cannot be read as PKCS#12");
    count_mac_rounds(file.get());
    const Pkcs7StackPtr safes(PKCS12_unpack_authsafes(file.get()));
    if (!safes) fail("is damaged, or PKCS#12 of a kind that cannot be read");
    for (int i = 0; i < sk_PKCS7_num(safes.get()); ++i) {
      const PKCS7* safe = sk_PKCS7_value(safes.get(), i);
      if (PKCS7_type_is_encrypted(safe)) {
        count_rounds(safe->d.encrypted->enc_data->algorithm);
        encrypted_ = true;
      }
    }
    find_password(file.get(), safes.get());
    for (int i = 0; i < sk_PKCS7_num(safes.get()); ++i) {
      const SafeBagStackPtr bags(open(sk_PKCS7_value(safes.get(), i)));
      take_bags(bags.get(), 0);
    }
    return finish("PKCS#12");
  }

 private:
  [[noreturn]] void fail(const std::string& why, std::string hint = {}) const {
    throw Error(Code::invalid, source_ + ' ' + why, std::move(hint));
  }

  Contained finish(const std::string& kind) {
    if (contained_.certificates.empty()) {
      const std::string why =
          contained_.bad.empty() ? std::string() : ": " + contained_.bad.front();
      fail("is " + kind + " and holds no certificate that can be used" + why);
    }
    return std::move(contained_);
  }

  void take(const X509* x509) {
    const std::size_t number = contained_.certificates.size() + contained_.bad.size() + 1;
    if (number > kMaxImportCertificates) {
      throw Error(Code::too_large, source_ + " holds more than " +
                                       std::to_string(kMaxImportCertificates) + " certificates");
    }
    unsigned char* der = nullptr;
    const int length = i2d_X509(x509, &der);
    if (length <= 0) throw std::bad_alloc();
    const OpensslBytes owned(der);
    try {
      contained_.certificates.push_back(
          Certificate::from_der({der, static_cast<std::size_t>(length)}));
    } catch (const Error& error) {
      contained_.bad.push_back("certificate " + std::to_string(number) + ": " + error.message());
    }
  }

  void add_rounds(const ASN1_INTEGER* number) {
    std::int64_t rounds = 1;
    if (number != nullptr && ASN1_INTEGER_get_int64(&rounds, number) != 1) rounds = kMaxRounds + 1;
    if (rounds < 0 || rounds > kMaxRounds || (rounds_ += rounds) > kMaxRounds) {
      throw Error(Code::too_large, source_ + " wants more than " + std::to_string(kMaxRounds) +
                                       " rounds of key derivation");
    }
  }

  void count_mac_rounds(const PKCS12* file) {
    if (PKCS12_mac_present(file) != 1) return;
    const ASN1_INTEGER* rounds = nullptr;
    PKCS12_get0_mac(nullptr, nullptr, nullptr, &rounds, file);
    add_rounds(rounds);
  }

  // Only derivations whose cost their number of rounds says.
  void count_rounds(const X509_ALGOR* algorithm) {
    const ASN1_OBJECT* object = nullptr;
    int type = 0;
    const void* value = nullptr;
    X509_ALGOR_get0(&object, &type, &value, algorithm);
    if (type != V_ASN1_SEQUENCE) fail("is encrypted in a way that is not known");
    const auto* sequence = static_cast<const ASN1_STRING*>(value);
    const unsigned char* cursor = ASN1_STRING_get0_data(sequence);
    const long length = ASN1_STRING_length(sequence);
    const int kind = OBJ_obj2nid(object);
    if (kind != NID_pbes2) {
      const PbeParametersPtr parameters(d2i_PBEPARAM(nullptr, &cursor, length));
      if (!parameters) fail("is encrypted in a way that is not known");
      add_rounds(parameters->iter);
      needs_legacy_ = needs_legacy_ || kind == NID_pbe_WithSHA1And40BitRC2_CBC ||
                      kind == NID_pbe_WithSHA1And128BitRC2_CBC ||
                      kind == NID_pbe_WithSHA1And40BitRC4 || kind == NID_pbe_WithSHA1And128BitRC4;
      return;
    }
    const Pbe2ParametersPtr outer(d2i_PBE2PARAM(nullptr, &cursor, length));
    if (!outer) fail("is encrypted in a way that is not known");
    X509_ALGOR_get0(&object, &type, &value, outer->keyfunc);
    if (OBJ_obj2nid(object) != NID_id_pbkdf2 || type != V_ASN1_SEQUENCE) {
      fail("is encrypted in a way that is not known");
    }
    sequence = static_cast<const ASN1_STRING*>(value);
    cursor = ASN1_STRING_get0_data(sequence);
    const Pbkdf2ParametersPtr inner(
        d2i_PBKDF2PARAM(nullptr, &cursor, ASN1_STRING_length(sequence)));
    if (!inner) fail("is encrypted in a way that is not known");
    add_rounds(inner->iter);
  }

  const char* password() const { return has_password_ ? password_.c_str() : nullptr; }
  int password_length() const { return static_cast<int>(password_.size()); }

  bool opens(PKCS12* file, STACK_OF(PKCS7) * safes) const {
    if (PKCS12_mac_present(file) == 1) {
      return PKCS12_verify_mac(file, password(), password_length()) == 1;
    }
    for (int i = 0; i < sk_PKCS7_num(safes); ++i) {
      PKCS7* safe = sk_PKCS7_value(safes, i);
      if (!PKCS7_type_is_encrypted(safe)) continue;
      const SafeBagStackPtr bags(PKCS12_unpack_p7encdata(safe, password(), password_length()));
      if (!bags) return false;
    }
    return true;
  }

  void find_password(PKCS12* file, STACK_OF(PKCS7) * safes) {
    if (needs_legacy_) load_legacy();
    if (!encrypted_ && PKCS12_mac_present(file) != 1) return;
    // No password and an empty one are two things here.
    for (const bool empty : {false, true}) {
      has_password_ = empty;
      if (opens(file, safes)) return;
    }
    if (!ask_) fail("wants a password");
    password_ = ask_();
    has_password_ = true;
    if (!opens(file, safes)) fail("does not open with this password");
  }

  // RC2 and RC4, with which older programs hide certificates.
  void load_legacy() const {
    static OSSL_PROVIDER* const legacy = OSSL_PROVIDER_try_load(nullptr, "legacy", 1);
    if (legacy == nullptr) {
      fail("is encrypted with RC2 or RC4, which this OpenSSL does not have",
           "write it anew: openssl pkcs12 -legacy -nokeys -in FILE -out certs.pem, where the "
           "legacy provider is installed");
    }
  }

  STACK_OF(PKCS12_SAFEBAG) * open(PKCS7* safe) const {
    STACK_OF(PKCS12_SAFEBAG)* bags = nullptr;
    if (PKCS7_type_is_encrypted(safe)) {
      bags = PKCS12_unpack_p7encdata(safe, password(), password_length());
    } else if (PKCS7_type_is_data(safe)) {
      bags = PKCS12_unpack_p7data(safe);
    }
    if (bags == nullptr) fail("is damaged, or PKCS#12 of a kind that cannot be read");
    return bags;
  }

  void take_bags(const STACK_OF(PKCS12_SAFEBAG) * bags, int depth) {
    if (depth > kMaxNesting) fail("is nested too deeply");
    for (int i = 0; i < sk_PKCS12_SAFEBAG_num(bags); ++i) {
      const PKCS12_SAFEBAG* bag = sk_PKCS12_SAFEBAG_value(bags, i);
      switch (PKCS12_SAFEBAG_get_nid(bag)) {
        case NID_certBag:
          if (PKCS12_SAFEBAG_get_bag_nid(bag) == NID_x509Certificate) {
            const X509Ptr x509(PKCS12_SAFEBAG_get1_cert(bag));
            if (x509) {
              take(x509.get());
            } else {
              contained_.bad.push_back("a bag whose certificate cannot be read");
            }
          }
          break;
        case NID_keyBag:
        case NID_pkcs8ShroudedKeyBag: contained_.has_private_key = true; break;
        case NID_safeContentsBag: take_bags(PKCS12_SAFEBAG_get0_safes(bag), depth + 1); break;
        default: break; // CRLs and secrets
      }
    }
  }

  std::string source_;
  const AskPassword& ask_;
  Contained contained_;
  std::int64_t rounds_ = 0;
  bool encrypted_ = false;
  bool needs_legacy_ = false;
  bool has_password_ = false;
  std::string password_;
};

} // namespace

std::optional<Contained> read_container(std::string_view bytes, std::string_view source,
                                        const AskPassword& ask_password) {
  if (bytes.size() > kMaxImportBytes) return {}; // decode() says so
  const ErrorQueueGuard queue;
  Reader reader(source, ask_password);
  switch (kind_of(view_of(bytes))) {
    case Kind::pkcs7: return reader.read_pkcs7(view_of(bytes));
    case Kind::pkcs12: return reader.read_pkcs12(view_of(bytes));
    case Kind::neither: break;
  }
  if (const auto inner = pem_pkcs7(bytes); inner && kind_of(*inner) == Kind::pkcs7) {
    return reader.read_pkcs7(*inner);
  }
  return {};
}

} // namespace trust
