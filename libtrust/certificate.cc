#include "libtrust/certificate.h"

#include <openssl/crypto.h>
#include <openssl/objects.h>
#include <openssl/provider.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <mutex>
#include <new>

#include "libtrust/der.h"
#include "libtrust/error.h"
#include "libtrust/guarded.h"
#include "libtrust/strength.h"

namespace trust {

struct Certificate::Facts {
  Bytes der;
  Fingerprint fingerprint;
  Digest spki_hash{};
  std::size_t subject_begin = 0;
  std::size_t subject_length = 0;
  std::uint32_t subject_hash = 0;
  std::uint32_t issuer_hash = 0;
  std::string subject;
  std::string issuer;
  std::string common_name;
  std::string serial;
  UnixTime not_before = 0;
  UnixTime not_after = 0;
  std::vector<std::string> dns_names;
  std::vector<Host> addresses;
  std::string key_kind;
  std::string signature_kind;
  std::optional<std::string> weakness;
  std::optional<std::string> key_weakness;
  bool is_ca = false;
  bool could_sign = false;
  bool is_self_issued = false;
  bool is_self_signed = false;

  mutable std::once_flag parse_once;
  mutable X509Ptr parsed;
  mutable Guarded<std::optional<Digest>> signer; // the SPKI's hash of the last key that verified it
};

namespace {

// An OpenSSL library context in which no key can be decoded. d2i_X509 spends nine tenths of its
// time on the public key, under locks that threads share; in this context it leaves the key
// alone. Never freed: it may be needed while the process ends.
OSSL_LIB_CTX* keyless_context() {
  static OSSL_LIB_CTX* const context = [] {
    OSSL_LIB_CTX* made = OSSL_LIB_CTX_new();
    if (made == nullptr || OSSL_PROVIDER_load(made, "null") == nullptr) throw std::bad_alloc();
    return made;
  }();
  return context;
}

[[noreturn]] void refuse(const char* why) { throw Error(Code::invalid, why); }

UnixTime read_time(const ASN1_TIME* time, const char* fault) {
  std::tm broken{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &broken) != 1) refuse(fault);
  using namespace std::chrono;
  const year_month_day date{year{broken.tm_year + 1900},
                            month{static_cast<unsigned>(broken.tm_mon + 1)},
                            day{static_cast<unsigned>(broken.tm_mday)}};
  const sys_seconds instant =
      sys_days{date} + hours{broken.tm_hour} + minutes{broken.tm_min} + seconds{broken.tm_sec};
  return instant.time_since_epoch().count();
}

std::string name_text(const X509_NAME* name) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  if (!out) throw std::bad_alloc();
  constexpr unsigned long kUtf8 =
      XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB);
  if (X509_NAME_print_ex(out.get(), name, 0, kUtf8) < 0) {
    // A string that is not of its declared type: all values as hex.
    (void)BIO_reset(out.get());
    if (X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253 | ASN1_STRFLGS_DUMP_ALL) < 0) {
      refuse("its names cannot be read");
    }
  }
  char* data = nullptr;
  const long length = BIO_get_mem_data(out.get(), &data);
  return {data, static_cast<std::size_t>(length)};
}

std::string last_common_name(const X509_NAME* name) {
  int last = -1;
  for (int i = -1; (i = X509_NAME_get_index_by_NID(name, NID_commonName, i)) >= 0;) last = i;
  if (last < 0) return {};
  const ASN1_STRING* value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, last));
  unsigned char* utf8 = nullptr;
  const int length = ASN1_STRING_to_UTF8(&utf8, value);
  if (length < 0) return {};
  const OpensslBytes owned(utf8);
  return {reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(length)};
}

std::string serial_text(const ASN1_INTEGER* serial) {
  const int length = ASN1_STRING_length(serial);
  if (length == 0) return "00";
  std::string out = hex({ASN1_STRING_get0_data(serial), static_cast<std::size_t>(length)});
  for (char& c : out) {
    if (c >= 'a') c = static_cast<char>(c - 'a' + 'A');
  }
  const bool negative = (ASN1_STRING_type(serial) & V_ASN1_NEG) != 0;
  return negative ? '-' + out : out;
}

// An extension that is there at most once and can be read; null if it is not there.
template <typename Owner>
Owner extension(const X509* x509, int nid, const char* fault) {
  int critical = 0;
  Owner value(
      static_cast<typename Owner::pointer>(X509_get_ext_d2i(x509, nid, &critical, nullptr)));
  if (!value && critical != -1) refuse(fault); // -1: absent
  return value;
}

std::string_view text_of(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<std::size_t>(ASN1_STRING_length(string))};
}

bool same_bytes(const ASN1_STRING* a, const ASN1_STRING* b) { return ASN1_STRING_cmp(a, b) == 0; }

// Whether the authorityKeyIdentifier, if any, names this very certificate.
bool identifies_itself(const X509* x509) {
  const auto authority = extension<AuthorityKeyIdPtr>(x509, NID_authority_key_identifier,
                                                      "its authorityKeyIdentifier cannot be read");
  if (!authority) return true;
  const auto subject_key = extension<Asn1StringPtr>(x509, NID_subject_key_identifier,
                                                    "its subjectKeyIdentifier cannot be read");
  if (authority->keyid != nullptr && subject_key &&
      !same_bytes(authority->keyid, subject_key.get())) {
    return false;
  }
  if (authority->serial != nullptr &&
      ASN1_INTEGER_cmp(authority->serial, X509_get0_serialNumber(x509)) != 0) {
    return false;
  }
  for (int i = 0; i < sk_GENERAL_NAME_num(authority->issuer); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(authority->issuer, i);
    if (name->type == GEN_DIRNAME) {
      return X509_NAME_cmp(name->d.directoryName, X509_get_issuer_name(x509)) == 0;
    }
  }
  return true;
}

// Fields of a certificate by the order of RFC 5280 section 4.1; none where it is not in order.
struct Fields {
  std::optional<DerElement> issuer, subject, spki;
};

Fields fields_of(ByteView der) {
  DerReader outer(der);
  const auto certificate = outer.next(der::kSequence);
  DerReader middle(certificate ? certificate->content : ByteView{});
  const auto tbs = middle.next(der::kSequence);
  DerReader fields(tbs ? tbs->content : ByteView{});
  fields.skip(der::kContext0); // version
  fields.skip(der::kInteger); // serial number
  fields.skip(der::kSequence); // signature algorithm
  Fields found;
  found.issuer = fields.next(der::kSequence);
  fields.skip(der::kSequence); // validity
  found.subject = fields.next(der::kSequence);
  found.spki = fields.next(der::kSequence);
  return found;
}

// Attributes of a subject or an issuer: what OpenSSL does with each of them is slow.
constexpr std::size_t kMaxNameParts = 32;

std::size_t count_parts(ByteView name) {
  std::size_t count = 0;
  DerReader parts(name);
  while (const auto part = parts.next()) {
    DerReader attributes(part->content);
    while (attributes.next()) ++count;
  }
  return count;
}

// Before anything is parsed; what is not in order there is for OpenSSL to say.
void bound(ByteView der) {
  if (der.size() > kMaxCertificateBytes) {
    throw Error(Code::too_large, "a certificate of " + std::to_string(der.size()) +
                                     " bytes is over the limit of " +
                                     std::to_string(kMaxCertificateBytes / 1024) + " KiB");
  }
  const Fields fields = fields_of(der);
  for (const auto& name : {fields.issuer, fields.subject})
    if (name && count_parts(name->content) > kMaxNameParts)
      throw Error(Code::too_large,
                  "a name of it has more than " + std::to_string(kMaxNameParts) + " parts");
}

X509Ptr parse(ByteView der, OSSL_LIB_CTX* context) {
  X509Ptr x509(X509_new_ex(context, nullptr));
  if (!x509) throw std::bad_alloc();
  X509* raw = x509.release(); // d2i frees it, or gives it back
  const unsigned char* cursor = der.data();
  x509.reset(d2i_X509(&raw, &cursor, static_cast<long>(der.size())));
  if (x509 && cursor != der.data() + der.size()) refuse("bytes stand behind it");
  return x509;
}

template <std::size_t Size>
bool begins_with(ByteView bytes, const std::uint8_t (&prefix)[Size]) {
  return bytes.size() > Size && std::equal(prefix, prefix + Size, bytes.begin());
}

// Whether the key in a SubjectPublicKeyInfo is of a kind whose decoding takes the same short time
// whatever the key is: RSA up to 8,192 bits, EC of the curves that everybody uses, Ed25519.
bool has_common_key(ByteView spki) {
  constexpr std::size_t kMostBytes = 1'100;
  constexpr std::uint8_t kRsa[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                   0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
  constexpr std::uint8_t kP256[] = {0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                    0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
                                    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
  constexpr std::uint8_t kP384[] = {0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d,
                                    0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
  constexpr std::uint8_t kEd25519[] = {0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70};
  DerReader outer(spki);
  const auto info = outer.next(der::kSequence);
  if (!info || spki.size() > kMostBytes) return false;
  const ByteView content = info->content;
  return begins_with(content, kRsa) || begins_with(content, kP256) || begins_with(content, kP384) ||
         begins_with(content, kEd25519);
}

} // namespace

template <typename Read>
Certificate Certificate::guarded(const Read& read) {
  const ErrorQueueGuard queue;
  try {
    return read();
  } catch (const Error&) {
    // What could not be read for want of memory is no bad certificate.
    if (openssl_had_no_memory()) throw std::bad_alloc();
    throw;
  }
}

Certificate Certificate::from_der(ByteView der) {
  return guarded([&] {
    bound(der);
    return read(der, parse(der, keyless_context()), false);
  });
}

Certificate Certificate::to_verify(ByteView der) {
  return guarded([&] {
    bound(der);
    const auto spki = fields_of(der).spki;
    const bool with_key = spki && has_common_key(spki->whole);
    return read(der, parse(der, with_key ? nullptr : keyless_context()), with_key);
  });
}

Certificate Certificate::of(X509* x509, ByteView der) {
  return guarded([&] {
    bound(der);
    X509_up_ref(x509);
    return read(der, X509Ptr(x509), true);
  });
}

Certificate Certificate::made(X509* x509, ByteView der) {
  return guarded([&] {
    bound(der);
    X509_up_ref(x509);
    return read(der, X509Ptr(x509), false);
  });
}

// `x509`: what was read of `der`, or null if it could not be.
Certificate Certificate::read(ByteView der, X509Ptr x509, bool with_key) {
  if (!x509) refuse("it is not a certificate");

  auto facts = std::make_shared<Facts>();
  facts->der.assign(der.begin(), der.end());
  unsigned char* again = nullptr;
  const int length = i2d_X509(x509.get(), &again);
  const OpensslBytes owned(again);
  // One certificate must not have two encodings, and so two fingerprints.
  if (length < 0 || !std::equal(der.begin(), der.end(), again, again + length)) {
    refuse("it is not encoded in DER");
  }
  facts->fingerprint.bytes = sha256(der);
  const Fields fields = fields_of(der);
  if (!fields.subject || !fields.spki) refuse("it is not encoded in DER");
  const ByteView subject_bytes = fields.subject->whole;
  facts->spki_hash = sha256(fields.spki->whole);
  facts->subject_begin = static_cast<std::size_t>(subject_bytes.data() - der.data());
  facts->subject_length = subject_bytes.size();

  const X509_NAME* subject = X509_get_subject_name(x509.get());
  const X509_NAME* issuer = X509_get_issuer_name(x509.get());
  int hashed = 0;
  facts->subject_hash =
      static_cast<std::uint32_t>(X509_NAME_hash_ex(subject, nullptr, nullptr, &hashed));
  if (hashed != 1) refuse("its subject cannot be read");
  facts->subject = name_text(subject);
  facts->is_self_issued = X509_NAME_cmp(subject, issuer) == 0;
  facts->issuer = facts->is_self_issued ? facts->subject : name_text(issuer);
  facts->issuer_hash =
      facts->is_self_issued
          ? facts->subject_hash
          : static_cast<std::uint32_t>(X509_NAME_hash_ex(issuer, nullptr, nullptr, &hashed));
  if (hashed != 1) refuse("its issuer cannot be read");
  facts->common_name = last_common_name(subject);
  facts->serial = serial_text(X509_get0_serialNumber(x509.get()));
  constexpr const char* kNoDates = "its dates cannot be read";
  facts->not_before = read_time(X509_get0_notBefore(x509.get()), kNoDates);
  facts->not_after = read_time(X509_get0_notAfter(x509.get()), kNoDates);

  const auto names = extension<GeneralNamesPtr>(x509.get(), NID_subject_alt_name,
                                                "its subjectAltName cannot be read");
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) {
      facts->dns_names.emplace_back(text_of(name->d.dNSName));
    } else if (name->type == GEN_IPADD) {
      const ByteView address(ASN1_STRING_get0_data(name->d.iPAddress),
                             static_cast<std::size_t>(ASN1_STRING_length(name->d.iPAddress)));
      if (address.size() == 4 || address.size() == 16) {
        facts->addresses.push_back(Host::from_address(address));
      }
    }
  }

  const auto constraints = extension<BasicConstraintsPtr>(x509.get(), NID_basic_constraints,
                                                          "its basicConstraints cannot be read");
  const auto usage =
      extension<Asn1StringPtr>(x509.get(), NID_key_usage, "its keyUsage cannot be read");
  constexpr int kKeyCertSignBit = 5;
  const bool may_sign = !usage || ASN1_BIT_STRING_get_bit(usage.get(), kKeyCertSignBit) == 1;
  facts->is_ca = constraints && constraints->ca != 0;
  facts->could_sign = (facts->is_ca || !constraints) && may_sign;
  facts->is_self_signed = facts->is_self_issued && identifies_itself(x509.get());

  KeyStrength key = key_strength(x509.get());
  facts->key_kind = std::move(key.kind);
  facts->key_weakness = std::move(key.weakness);
  facts->weakness = facts->key_weakness;
  if (!facts->weakness && !facts->is_self_signed) facts->weakness = weak_signature(x509.get());
  const X509_ALGOR* algorithm = nullptr;
  X509_get0_signature(nullptr, &algorithm, x509.get());
  const ASN1_OBJECT* object = nullptr;
  X509_ALGOR_get0(&object, nullptr, nullptr, algorithm);
  facts->signature_kind = algorithm_text(object);
  if (with_key) facts->parsed = std::move(x509);
  return Certificate(std::move(facts));
}

ByteView Certificate::der() const noexcept { return facts_->der; }
const Fingerprint& Certificate::fingerprint() const noexcept { return facts_->fingerprint; }
const Digest& Certificate::spki_hash() const noexcept { return facts_->spki_hash; }
ByteView Certificate::subject_der() const noexcept {
  return der().subspan(facts_->subject_begin, facts_->subject_length);
}
std::uint32_t Certificate::subject_hash() const noexcept { return facts_->subject_hash; }
std::uint32_t Certificate::issuer_hash() const noexcept { return facts_->issuer_hash; }
const std::string& Certificate::subject() const noexcept { return facts_->subject; }
const std::string& Certificate::issuer() const noexcept { return facts_->issuer; }
const std::string& Certificate::common_name() const noexcept { return facts_->common_name; }
const std::string& Certificate::serial() const noexcept { return facts_->serial; }
UnixTime Certificate::not_before() const noexcept { return facts_->not_before; }
UnixTime Certificate::not_after() const noexcept { return facts_->not_after; }
const std::vector<std::string>& Certificate::dns_names() const noexcept {
  return facts_->dns_names;
}
const std::vector<Host>& Certificate::addresses() const noexcept { return facts_->addresses; }
const std::string& Certificate::key_kind() const noexcept { return facts_->key_kind; }
const std::string& Certificate::signature_kind() const noexcept { return facts_->signature_kind; }
bool Certificate::is_ca() const noexcept { return facts_->is_ca; }
bool Certificate::could_sign() const noexcept { return facts_->could_sign; }
bool Certificate::is_self_issued() const noexcept { return facts_->is_self_issued; }
bool Certificate::is_self_signed() const noexcept { return facts_->is_self_signed; }
const std::optional<std::string>& Certificate::key_weakness() const noexcept {
  return facts_->key_weakness;
}
const std::optional<std::string>& Certificate::weakness() const noexcept {
  return facts_->weakness;
}

bool Certificate::verifies_itself() const {
  if (!is_self_signed()) return false;
  const ErrorQueueGuard queue;
  EVP_PKEY* key = X509_get0_pubkey(x509());
  return key != nullptr && X509_verify(x509(), key) == 1;
}

bool Certificate::is_signed_by(const Certificate& issuer) const {
  if (facts_->signer.with([&](const auto& kept) { return kept == issuer.spki_hash(); }))
    return true;
  const ErrorQueueGuard queue;
  EVP_PKEY* key = X509_get0_pubkey(issuer.x509());
  const bool verified = key != nullptr && X509_verify(x509(), key) == 1;
  if (!verified && openssl_had_no_memory()) throw std::bad_alloc();
  if (verified) facts_->signer.with([&](auto& kept) { kept = issuer.spki_hash(); });
  return verified;
}

bool Certificate::covers(const Host& host) const noexcept {
  if (host.is_address()) {
    return std::find(addresses().begin(), addresses().end(), host) != addresses().end();
  }
  const auto equal = [](std::string_view a, std::string_view lower) {
    return a.size() == lower.size() &&
           std::equal(a.begin(), a.end(), lower.begin(), [](char x, char y) {
             return (x >= 'A' && x <= 'Z' ? static_cast<char>(x | 0x20) : x) == y;
           });
  };
  const std::string_view name = host.text();
  const std::size_t dot = name.find('.');
  return std::any_of(dns_names().begin(), dns_names().end(), [&](std::string_view given) {
    if (!given.starts_with("*.")) return equal(given, name);
    // Two labels at least after the star: no certificate speaks for a whole top-level domain.
    return dot != std::string_view::npos && given.find('.', 2) != std::string_view::npos &&
           equal(given.substr(1), name.substr(dot));
  });
}

X509* Certificate::x509() const {
  std::call_once(facts_->parse_once, [this] {
    if (facts_->parsed) return;
    const ErrorQueueGuard queue;
    facts_->parsed = parse(der(), nullptr);
    if (!facts_->parsed) throw std::bad_alloc(); // it was read before
  });
  return facts_->parsed.get();
}

std::string Certificate::pem() const { return pem_of(der()); }

} // namespace trust
