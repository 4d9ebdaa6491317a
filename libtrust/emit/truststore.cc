#include "libtrust/emit/truststore.h"

#include <openssl/evp.h>
#include <openssl/pkcs12.h>

#include <algorithm>
#include <cstdint>

#include "libtrust/emit/der_write.h"
#include "libtrust/error.h"
#include "libtrust/handles.h"

namespace trust {
namespace {

using namespace std::string_view_literals;

// The password is no secret, so iterations would only slow every reader down; 1 is not written
// (DER leaves out what is the default) and some readers refuse it.
constexpr int kMacIterations = 2048;
constexpr std::size_t kMacBytes = 32;
// The password is no secret, so a salt hides nothing: with one for all, its key is derived once.
constexpr auto kSalt = "trustd's anchors"sv;

constexpr auto kPkcs7Data = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"sv;
constexpr auto kCertBag = "\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x03"sv;
constexpr auto kX509Certificate = "\x06\x0a\x2a\x86\x48\x86\xf7\x0d\x01\x09\x16\x01"sv;
constexpr auto kFriendlyName = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x14"sv;
constexpr auto kTrustedKeyUsage = "\x06\x0c\x60\x86\x48\x01\x86\xf9\x66\xad\xca\x7b\x01\x01"sv;
constexpr auto kAnyExtendedKeyUsage = "\x06\x04\x55\x1d\x25\x00"sv;
constexpr auto kSha256 = "\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00"sv;

// UTF-8 to UTF-16BE; what is not UTF-8 becomes U+FFFD.
Bytes bmp_of(std::string_view text) {
  Bytes bytes;
  bytes.reserve(2 * text.size());
  const auto put = [&](std::uint32_t unit) {
    bytes.push_back(static_cast<std::uint8_t>(unit >> 8));
    bytes.push_back(static_cast<std::uint8_t>(unit));
  };
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = [&](std::size_t k) -> std::uint32_t {
      return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0;
    };
    const std::uint32_t first = byte(0);
    const std::size_t length = first < 0x80   ? 1
                               : first < 0xc2 ? 0
                               : first < 0xe0 ? 2
                               : first < 0xf0 ? 3
                               : first < 0xf5 ? 4
                                              : 0;
    std::uint32_t point = length == 1 ? first : first & (0x7fU >> length);
    bool good = length != 0;
    for (std::size_t k = 1; k < length; ++k) {
      good = good && (byte(k) & 0xc0) == 0x80;
      point = point << 6 | (byte(k) & 0x3f);
    }
    constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    good =
        good && point >= kLeast[length] && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
    if (!good) {
      put(0xfffd);
      ++i;
      continue;
    }
    if (point >= 0x10000) {
      put(0xd800 + ((point - 0x10000) >> 10));
      put(0xdc00 + ((point - 0x10000) & 0x3ff));
    } else {
      put(point);
    }
    i += length;
  }
  return bytes;
}

Bytes attributes_of(std::string_view alias) {
  const Bytes name = der::wrap(
      der::kSequence,
      {view_of(kFriendlyName), der::wrap(der::kSet, der::wrap(der::kBmpString, bmp_of(alias)))});
  const Bytes usage =
      der::wrap(der::kSequence,
                {view_of(kTrustedKeyUsage), der::wrap(der::kSet, view_of(kAnyExtendedKeyUsage))});
  // DER orders the members of a SET OF by their encoding.
  const bool name_first =
      std::lexicographical_compare(name.begin(), name.end(), usage.begin(), usage.end());
  return name_first ? der::wrap(der::kSet, {name, usage}) : der::wrap(der::kSet, {usage, name});
}

// The headers of a ContentInfo of type data around `length` bytes.
Bytes content_info_head(std::size_t length, std::size_t& whole) {
  const std::size_t octets = der::header_size(length) + length;
  const std::size_t value = der::header_size(octets) + octets;
  const std::size_t info = kPkcs7Data.size() + value;
  whole = der::header_size(info) + info;
  Bytes head;
  der::append_header(head, der::kSequence, info);
  der::append(head, view_of(kPkcs7Data));
  der::append_header(head, der::constructed(0), octets);
  der::append_header(head, der::kOctetString, length);
  return head;
}

Bytes derived_key() {
  Bytes key(kMacBytes);
  Bytes salt(kSalt.begin(), kSalt.end());
  if (PKCS12_key_gen_utf8(kTruststorePassword.data(), static_cast<int>(kTruststorePassword.size()),
                          salt.data(), static_cast<int>(salt.size()), PKCS12_MAC_ID, kMacIterations,
                          static_cast<int>(key.size()), key.data(), EVP_sha256()) != 1) {
    throw Error(Code::internal, "cannot derive the key of the trust store's MAC");
  }
  return key;
}

// HMAC-SHA256 under a key that PKCS#12 derives from the password.
class Mac {
 public:
  Mac() : context_(EVP_MD_CTX_new()) {
    static const Bytes key = derived_key();
    key_.reset(EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, nullptr, key.data(), key.size()));
    if (!context_ || !key_ ||
        EVP_DigestSignInit(context_.get(), nullptr, EVP_sha256(), nullptr, key_.get()) != 1) {
      throw Error(Code::internal, "cannot start the trust store's MAC");
    }
  }

  void update(ByteView bytes) {
    if (EVP_DigestSignUpdate(context_.get(), bytes.data(), bytes.size()) != 1) {
      throw Error(Code::internal, "cannot compute the trust store's MAC");
    }
  }

  Bytes finish() {
    Bytes value(kMacBytes);
    std::size_t length = value.size();
    if (EVP_DigestSignFinal(context_.get(), value.data(), &length) != 1 || length != kMacBytes) {
      throw Error(Code::internal, "cannot finish the trust store's MAC");
    }
    return value;
  }

 private:
  MdCtxPtr context_;
  PkeyPtr key_;
};

} // namespace

Bytes truststore_bag(std::string_view alias, ByteView certificate) {
  const Bytes attributes = attributes_of(alias);
  const std::size_t octets = der::header_size(certificate.size()) + certificate.size();
  const std::size_t cert_value = der::header_size(octets) + octets;
  const std::size_t cert_bag = kX509Certificate.size() + cert_value;
  const std::size_t bag_sequence = der::header_size(cert_bag) + cert_bag;
  const std::size_t bag_value = der::header_size(bag_sequence) + bag_sequence;
  const std::size_t safe_bag = kCertBag.size() + bag_value + attributes.size();
  Bytes bag;
  bag.reserve(der::header_size(safe_bag) + safe_bag);
  der::append_header(bag, der::kSequence, safe_bag);
  der::append(bag, view_of(kCertBag));
  der::append_header(bag, der::constructed(0), bag_sequence);
  der::append_header(bag, der::kSequence, cert_bag);
  der::append(bag, view_of(kX509Certificate));
  der::append_header(bag, der::constructed(0), octets);
  der::append_header(bag, der::kOctetString, certificate.size());
  der::append(bag, certificate);
  der::append(bag, attributes);
  return bag;
}

void write_truststore(std::size_t bags_bytes, const BagSource& bags, const ByteSink& sink) {
  const std::size_t safe_contents = der::header_size(bags_bytes) + bags_bytes;
  std::size_t inner_info = 0;
  const Bytes inner_head = content_info_head(safe_contents, inner_info);
  const std::size_t safe = der::header_size(inner_info) + inner_info;
  std::size_t outer_info = 0;
  const Bytes outer_head = content_info_head(safe, outer_info);

  const Bytes iterations{der::kInteger, 2, kMacIterations >> 8, kMacIterations & 0xff};
  const Bytes empty_mac(kMacBytes);
  const auto mac_data = [&](ByteView value) {
    return der::wrap(
        der::kSequence,
        {der::wrap(der::kSequence, {view_of(kSha256), der::wrap(der::kOctetString, value)}),
         der::wrap(der::kOctetString, view_of(kSalt)), iterations});
  };
  const Bytes version{der::kInteger, 1, 3};

  Bytes head;
  der::append_header(head, der::kSequence,
                     version.size() + outer_info + mac_data(empty_mac).size());
  der::append(head, version);
  der::append(head, outer_head);
  sink(head);

  Mac mac;
  Bytes start;
  der::append_header(start, der::kSequence, inner_info);
  der::append(start, inner_head);
  der::append_header(start, der::kSequence, bags_bytes);
  mac.update(start);
  sink(start);
  std::size_t left = bags_bytes;
  bags([&](ByteView bytes) {
    if (bytes.size() > left) throw Error(Code::internal, "the trust store is longer than was said");
    left -= bytes.size();
    mac.update(bytes);
    sink(bytes);
  });
  if (left != 0) throw Error(Code::internal, "the trust store is shorter than was said");
  sink(mac_data(mac.finish()));
}

} // namespace trust
