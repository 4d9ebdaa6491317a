#include "libtrust/emit/shadow.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

#include "libtrust/der.h"
#include "libtrust/emit/constraints.h"
#include "libtrust/emit/der_write.h"

namespace trust {
namespace {

using namespace std::string_view_literals;

// Object identifiers, their contents as encoded.
constexpr auto kBasicConstraints = "\x55\x1d\x13"sv;
constexpr auto kNameConstraints = "\x55\x1d\x1e"sv;
constexpr auto kSubjectKeyId = "\x55\x1d\x0e"sv;
constexpr auto kAuthorityKeyId = "\x55\x1d\x23"sv;
constexpr std::array kCopied = {
    kSubjectKeyId,
    "\x55\x1d\x0f"sv, // keyUsage
    "\x55\x1d\x25"sv, // extKeyUsage
    "\x55\x1d\x20"sv, // certificatePolicies
    "\x55\x1d\x21"sv, // policyMappings
    "\x55\x1d\x24"sv, // policyConstraints
    "\x55\x1d\x36"sv, // inhibitAnyPolicy
};
// Say nothing about what the CA may sign: left out even where they are critical.
constexpr std::array kLeftOut = {
    kAuthorityKeyId,
    "\x55\x1d\x11"sv,                         // subjectAltName
    "\x55\x1d\x12"sv,                         // issuerAltName
    "\x55\x1d\x1f"sv,                         // cRLDistributionPoints
    "\x55\x1d\x2e"sv,                         // freshestCRL
    "\x2b\x06\x01\x05\x05\x07\x01\x01"sv,     // authorityInfoAccess
    "\x2b\x06\x01\x05\x05\x07\x01\x0b"sv,     // subjectInfoAccess
};

constexpr auto kRsaKey = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"sv;
constexpr auto kRsaPssKey = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"sv;
constexpr auto kEcKey = "\x2a\x86\x48\xce\x3d\x02\x01"sv;
constexpr auto kEd25519Key = "\x2b\x65\x70"sv;
constexpr auto kEd448Key = "\x2b\x65\x71"sv;

// AlgorithmIdentifiers.
constexpr auto kSha256WithRsa = "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00"sv;
constexpr auto kSha256WithEcdsa = "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"sv;
constexpr auto kEd25519 = "\x30\x05\x06\x03\x2b\x65\x70"sv;
constexpr auto kEd448 = "\x30\x05\x06\x03\x2b\x65\x71"sv;
// rsassaPss: SHA-256, MGF1 with SHA-256, a salt of 32 bytes
constexpr auto kSha256WithPss =
    "\x30\x41\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a\x30\x34"
    "\xa0\x0f\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00"
    "\xa1\x1c\x30\x1a\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08\x30\x0d\x06\x09"
    "\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00"
    "\xa2\x03\x02\x01\x20"sv;

struct Extension {
  std::string_view oid;
  bool critical = false;
  ByteView value;
  ByteView whole;
};

// What of a certificate a shadow repeats; views into the certificate.
struct Original {
  ByteView serial;
  ByteView not_before;
  ByteView not_after;
  ByteView subject;
  ByteView spki;
  std::vector<Extension> extensions;

  const Extension* find(std::string_view oid) const {
    for (const Extension& extension : extensions) {
      if (extension.oid == oid) return &extension;
    }
    return nullptr;
  }
};

std::optional<Extension> take_apart(const DerElement& element) {
  DerReader reader(element.content);
  Extension extension;
  extension.whole = element.whole;
  const auto oid = reader.next(der::kObject);
  if (!oid) return std::nullopt;
  extension.oid = der::text(oid->content);
  if (const auto critical = reader.next(der::kBoolean)) {
    extension.critical = critical->content.size() != 1 || critical->content[0] != 0;
  }
  const auto value = reader.next(der::kOctetString);
  if (!value || !reader.done()) return std::nullopt;
  extension.value = value->content;
  return extension;
}

std::optional<Original> take_apart(ByteView certificate) {
  const auto outer = DerReader(certificate).next(der::kSequence);
  if (!outer) return std::nullopt;
  const auto tbs = DerReader(outer->content).next(der::kSequence);
  if (!tbs) return std::nullopt;
  DerReader reader(tbs->content);
  reader.skip(der::constructed(0)); // version
  const auto serial = reader.next(der::kInteger);
  const auto signature = reader.next(der::kSequence);
  const auto issuer = reader.next(der::kSequence);
  const auto validity = reader.next(der::kSequence);
  const auto subject = reader.next(der::kSequence);
  const auto spki = reader.next(der::kSequence);
  if (!serial || !signature || !issuer || !validity || !subject || !spki) return std::nullopt;
  DerReader dates(validity->content);
  const auto not_before = dates.next();
  const auto not_after = dates.next();
  if (!not_before || !not_after) return std::nullopt;
  Original original{serial->whole,  not_before->whole, not_after->whole,
                    subject->whole, spki->whole,       {}};
  reader.skip(der::primitive(1)); // unique identifiers
  reader.skip(der::primitive(2));
  if (const auto explicitly = reader.next(der::constructed(3))) {
    const auto list = DerReader(explicitly->content).next(der::kSequence);
    if (!list) return std::nullopt;
    DerReader each(list->content);
    while (!each.done()) {
      const auto element = each.next(der::kSequence);
      const auto extension = element ? take_apart(*element) : std::nullopt;
      if (!extension || original.find(extension->oid) != nullptr) return std::nullopt;
      original.extensions.push_back(*extension);
    }
  }
  if (!reader.done()) return std::nullopt;
  return original;
}

std::string dotted(std::string_view oid) {
  std::string text;
  unsigned long arc = 0;
  for (const char c : oid) {
    arc = arc << 7 | (static_cast<unsigned char>(c) & 0x7f);
    if ((static_cast<unsigned char>(c) & 0x80) != 0) continue;
    if (text.empty()) {
      const unsigned long first = std::min(arc / 40, 2UL);
      text = std::to_string(first) + "." + std::to_string(arc - 40 * first);
    } else {
      text += "." + std::to_string(arc);
    }
    arc = 0;
  }
  return text;
}

Bytes extension_der(std::string_view oid, bool critical, ByteView value) {
  const Bytes yes{der::kBoolean, 1, 0xff};
  return der::wrap(der::kSequence,
                   {der::wrap(der::kObject, view_of(oid)), critical ? ByteView(yes) : ByteView(),
                    der::wrap(der::kOctetString, value)});
}

Bytes time_der(UnixTime time) {
  constexpr UnixTime kFirstOf2050 = 2524608000; // from there on GeneralizedTime
  const auto seconds = static_cast<std::time_t>(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  const bool is_utc_time = time < kFirstOf2050;
  const std::size_t length = std::strftime(text.data(), text.size(),
                                           is_utc_time ? "%y%m%d%H%M%SZ" : "%Y%m%d%H%M%SZ", &parts);
  return der::wrap(is_utc_time ? der::kUtcTime : der::kGeneralizedTime,
                   view_of({text.data(), length}));
}

// OpenSSL takes a certificate for self-signed only if the signature is of the key's own kind.
struct SignatureForm {
  std::string_view algorithm;
  std::size_t bytes = 0; // of the signature; of each of the two numbers of an ECDSA one
  bool is_pair = false;
};

std::optional<SignatureForm> signature_form(ByteView spki) {
  const auto outer = DerReader(spki).next(der::kSequence);
  if (!outer) return std::nullopt;
  DerReader reader(outer->content);
  const auto algorithm = reader.next(der::kSequence);
  const auto key = reader.next(der::kBitString);
  if (!algorithm || !key || key->content.empty()) return std::nullopt;
  const auto oid = DerReader(algorithm->content).next(der::kObject);
  if (!oid) return std::nullopt;
  const std::string_view kind = der::text(oid->content);
  // Shorter than the order of any curve in use, so that it is a number that could stand there.
  constexpr std::size_t kEcdsaBytes = 24;
  if (kind == kEcKey) return SignatureForm{kSha256WithEcdsa, kEcdsaBytes, true};
  if (kind == kEd25519Key) return SignatureForm{kEd25519, 64};
  if (kind == kEd448Key) return SignatureForm{kEd448, 114};
  if (kind != kRsaKey && kind != kRsaPssKey) return std::nullopt;
  const auto numbers = DerReader(key->content.subspan(1)).next(der::kSequence);
  const auto modulus = numbers ? DerReader(numbers->content).next(der::kInteger) : std::nullopt;
  if (!modulus || modulus->content.empty()) return std::nullopt;
  const std::size_t length = modulus->content.size() - (modulus->content[0] == 0 ? 1 : 0);
  return SignatureForm{kind == kRsaKey ? kSha256WithRsa : kSha256WithPss, length};
}

// As many bytes as asked for, that nobody chose.
Bytes stretch(const Digest& seed, std::size_t length) {
  Bytes bytes;
  for (std::uint8_t counter = 0; bytes.size() < length; ++counter) {
    Bytes input(seed.begin(), seed.end());
    input.push_back(counter);
    const Digest block = sha256(input);
    der::append(bytes, block);
  }
  bytes.resize(length);
  return bytes;
}

// A signature that no key made. Nobody verifies the one of an anchor, and nobody could verify one
// of a key that was thrown away; derived from the contents it makes equal shadows equal.
Bytes signature_value(const SignatureForm& form, ByteView tbs) {
  Bytes bytes = stretch(sha256(tbs), form.is_pair ? 2 * form.bytes : form.bytes);
  // As numbers: positive, of full length, below any modulus of that length.
  const auto bound = [](std::uint8_t& first) {
    first = static_cast<std::uint8_t>((first & 0x3f) | 0x40);
  };
  bound(bytes[0]);
  if (form.is_pair) {
    bound(bytes[form.bytes]);
    const ByteView both = bytes;
    bytes = der::wrap(der::kSequence, {der::wrap(der::kInteger, both.first(form.bytes)),
                                       der::wrap(der::kInteger, both.subspan(form.bytes))});
  }
  const Bytes no_unused_bits{0};
  return der::wrap(der::kBitString, {no_unused_bits, bytes});
}

Shadow not_expressible(std::string why) { return {std::nullopt, std::move(why), {}}; }

} // namespace

Shadow shadow_of(const Certificate& ca, const std::vector<Pattern>& scope,
                 std::optional<UnixTime> end) {
  const auto original = take_apart(ca.der());
  if (!original) return not_expressible("it is not encoded as DER should be");
  if (!ca.could_sign()) return not_expressible("it may not sign certificates");
  const auto form = signature_form(original->spki);
  if (!form) return not_expressible("its kind of key, " + ca.key_kind() + ", is not supported");
  if (end && *end <= ca.not_before()) {
    return not_expressible("it becomes valid only after the end of the entry");
  }

  Shadow shadow;
  Bytes extensions;
  const auto* basic = original->find(kBasicConstraints);
  const Bytes is_ca = der::wrap(der::kSequence, Bytes{der::kBoolean, 1, 0xff});
  der::append(extensions, extension_der(kBasicConstraints, true, basic ? basic->value : is_ca));
  for (const Extension& extension : original->extensions) {
    if (std::find(kCopied.begin(), kCopied.end(), extension.oid) != kCopied.end()) {
      der::append(extensions, extension.whole);
    } else if (extension.critical && extension.oid != kBasicConstraints &&
               extension.oid != kNameConstraints &&
               std::find(kLeftOut.begin(), kLeftOut.end(), extension.oid) == kLeftOut.end()) {
      return not_expressible("it has a critical extension, " + dotted(extension.oid) +
                             ", of unknown meaning");
    }
  }
  // Without a SKI there is neither: a made one could contradict the AKI of what the CA signed.
  if (const auto* key_id = original->find(kSubjectKeyId)) {
    const auto id = DerReader(key_id->value).next(der::kOctetString);
    if (!id) return not_expressible("its subject key identifier is malformed");
    der::append(extensions, extension_der(kAuthorityKeyId, false,
                                          der::wrap(der::kSequence,
                                                    der::wrap(der::primitive(0), id->content))));
  }
  const auto* own = original->find(kNameConstraints);
  if (!scope.empty()) {
    Constraints constraints =
        constraints_for(own ? std::optional(own->value) : std::nullopt, scope);
    if (!constraints.der) return not_expressible(std::move(constraints.why_not));
    der::append(extensions, extension_der(kNameConstraints, true, *constraints.der));
    shadow.wider_by = std::move(constraints.wider_by);
  } else if (own) {
    der::append(extensions, own->whole);
  }

  const bool ends_earlier = end && *end < ca.not_after();
  const Bytes version{der::constructed(0), 3, der::kInteger, 1, 2}; // v3
  const Bytes not_after =
      ends_earlier ? time_der(*end) : Bytes(original->not_after.begin(), original->not_after.end());
  const Bytes tbs = der::wrap(
      der::kSequence,
      {version, original->serial, view_of(form->algorithm), original->subject,
       der::wrap(der::kSequence, {original->not_before, not_after}), original->subject,
       original->spki, der::wrap(der::constructed(3), der::wrap(der::kSequence, extensions))});
  shadow.der =
      der::wrap(der::kSequence, {tbs, view_of(form->algorithm), signature_value(*form, tbs)});
  return shadow;
}

Digest shadow_key(const Fingerprint& ca, const std::vector<Pattern>& scope,
                  std::optional<UnixTime> end) {
  std::vector<std::string> texts;
  for (const Pattern& pattern : scope) texts.push_back(pattern.text());
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  std::string named = "shadow 1\n" + ca.text() + "\n" + (end ? std::to_string(*end) : "-") + "\n";
  for (const std::string& text : texts) named += text + "\n";
  return sha256(view_of(named));
}

} // namespace trust
