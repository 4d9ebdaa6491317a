// Digests and fingerprints, and bytes as text.

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include "libtrust/certificate.h"
#include "libtrust/error.h"

namespace trust {
namespace {

const EVP_MD* sha256_method() {
  static const EVP_MD* const method = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  if (method == nullptr) throw Error(Code::internal, "OpenSSL offers no SHA-256");
  return method;
}

} // namespace

Digest sha256(ByteView bytes) {
  Digest out{};
  if (EVP_Digest(bytes.data(), bytes.size(), out.data(), nullptr, sha256_method(), nullptr) != 1) {
    throw std::bad_alloc();
  }
  return out;
}

std::string hex(ByteView bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(2 * bytes.size());
  for (const std::uint8_t byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 0xF];
  }
  return out;
}

namespace {

constexpr std::string_view kBase64Letters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<std::int8_t, 256> kBase64Values = [] {
  std::array<std::int8_t, 256> values{};
  values.fill(-1);
  for (std::size_t i = 0; i < kBase64Letters.size(); ++i) {
    values[static_cast<unsigned char>(kBase64Letters[i])] = static_cast<std::int8_t>(i);
  }
  return values;
}();

} // namespace

std::string base64(ByteView bytes) {
  // What OpenSSL encodes at once, which ends with a zero; whole groups, so that only the last is
  // padded.
  constexpr std::size_t kMostAtOnce = std::size_t{3} << 20;
  std::string out;
  while (true) {
    const ByteView part = bytes.first(std::min(bytes.size(), kMostAtOnce));
    const std::size_t before = out.size();
    out.resize(before + (part.size() + 2) / 3 * 4 + 1);
    EVP_EncodeBlock(reinterpret_cast<std::uint8_t*>(out.data() + before), part.data(),
                    static_cast<int>(part.size()));
    out.pop_back();
    bytes = bytes.subspan(part.size());
    if (bytes.empty()) return out;
  }
}

std::optional<Bytes> parse_base64(std::string_view text) {
  if (text.size() % 4 != 0) return {};
  std::size_t padding = 0;
  while (padding < 2 && text.ends_with('=')) {
    text.remove_suffix(1);
    ++padding;
  }
  Bytes out((text.size() * 3) / 4);
  std::uint8_t* to = out.data();
  std::uint32_t group = 0;
  int held = 0; // bits in group that are not yet written
  for (const char c : text) {
    const std::int8_t value = kBase64Values[static_cast<unsigned char>(c)];
    if (value < 0) return {};
    group = (group << 6) | static_cast<std::uint32_t>(value);
    held += 6;
    if (held >= 8) {
      held -= 8;
      *to++ = static_cast<std::uint8_t>(group >> held);
      group &= (1U << held) - 1;
    }
  }
  if (group != 0) return {}; // bits that no byte has: not canonical
  return out;
}

std::string pem_of(ByteView der, std::string_view label) {
  const std::string body = base64(der);
  std::string out;
  out.reserve(body.size() + body.size() / 64 + 2 * label.size() + 40);
  out.append("-----BEGIN ").append(label).append("-----\n");
  for (std::size_t i = 0; i < body.size(); i += 64) out.append(body, i, 64) += '\n';
  out.append("-----END ").append(label).append("-----\n");
  return out;
}

bool is_hex(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  });
}

std::pair<Digest, Digest> digests_with(std::string_view prefix) {
  std::string low(prefix), high(prefix);
  low.resize(kFingerprintDigits, '0');
  high.resize(kFingerprintDigits, 'f');
  return {Fingerprint::parse(low).bytes, Fingerprint::parse(high).bytes};
}

Fingerprint Fingerprint::parse(std::string_view text) {
  const auto fail = [&]() -> Fingerprint {
    throw Error(Code::invalid, '"' + shown(text) + "\" is not a SHA-256 fingerprint",
                "a fingerprint has 64 hex digits, as openssl x509 -noout -fingerprint -sha256 "
                "prints it");
  };
  const auto skip = [](std::string_view& from, std::string_view prefix) {
    if (from.size() < prefix.size()) return false;
    for (std::size_t i = 0; i < prefix.size(); ++i) {
      const char c = from[i] >= 'A' && from[i] <= 'Z' ? static_cast<char>(from[i] | 0x20) : from[i];
      if (c != prefix[i]) return false;
    }
    from.remove_prefix(prefix.size());
    return true;
  };
  std::string_view rest = text;
  while (!rest.empty() && std::strchr(" \t\r\n", rest.front()) != nullptr) rest.remove_prefix(1);
  while (!rest.empty() && std::strchr(" \t\r\n", rest.back()) != nullptr) rest.remove_suffix(1);
  if (!skip(rest, "sha256:")) skip(rest, "sha256 fingerprint=");
  const bool colons = rest.size() == 95;
  if (!colons && rest.size() != 64) return fail();
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  Fingerprint out;
  for (std::size_t i = 0; i < 32; ++i) {
    const std::string_view pair = rest.substr(i * (colons ? 3 : 2));
    const int high = digit(pair[0]);
    const int low = digit(pair[1]);
    if (high < 0 || low < 0 || (colons && i < 31 && pair[2] != ':')) return fail();
    out.bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return out;
}

} // namespace trust
