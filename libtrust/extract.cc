#include "libtrust/extract.h"

#include <algorithm>
#include <string>

#include "libtrust/containers.h"
#include "libtrust/decode.h"
#include "libtrust/error.h"
#include "libtrust/keystore.h"

namespace trust {
namespace {

constexpr std::size_t kMostProblems = 20;

// Blots private keys out, so that the lines of what is left stay where they are.
bool blot_keys_out(std::string& text) {
  constexpr std::string_view kBegin = "-----BEGIN ";
  constexpr std::string_view kEnd = "-----END ";
  bool found = false;
  for (std::size_t at = text.find(kBegin); at != text.npos; at = text.find(kBegin, at + 1)) {
    const std::size_t line_end = std::min(text.find('\n', at), text.size());
    const std::string_view label(text.data() + at, line_end - at);
    if (label.find("PRIVATE KEY") == label.npos) continue;
    found = true;
    std::size_t end = text.find(kEnd, line_end);
    const std::size_t next = text.find(kBegin, line_end);
    end = end == text.npos || end > next ? next : text.find('\n', end);
    end = std::min(end, text.size());
    std::replace_if(
        text.begin() + static_cast<std::ptrdiff_t>(at),
        text.begin() + static_cast<std::ptrdiff_t>(end), [](char c) { return c != '\n'; }, ' ');
  }
  return found;
}

ExtractFault fault_of(std::string_view reason) {
  if (reason.find("truncated") != reason.npos) return ExtractFault::truncated;
  if (reason.find("base64") != reason.npos) return ExtractFault::not_base64;
  if (reason == "it is empty") return ExtractFault::empty;
  return ExtractFault::unusable;
}

void add(Extracted& to, std::uint32_t line, ExtractFault fault) {
  if (to.problems.size() < kMostProblems) to.problems.push_back({line, fault});
}

void take_keystore(Extracted& to, const KeystoreContent& content) {
  for (const Bytes& der : content.certificates) {
    try {
      to.certificates.push_back(Certificate::from_der(der));
    } catch (const Error&) {
      add(to, 0, ExtractFault::unusable);
    }
  }
  if (!content.is_whole) add(to, 0, ExtractFault::damaged);
  if (to.certificates.empty() && to.problems.empty()) {
    add(to, 0, content.has_private_key ? ExtractFault::only_key : ExtractFault::no_certificate);
  }
}

} // namespace

std::string_view words_of(ExtractFault fault) noexcept {
  switch (fault) {
    case ExtractFault::empty: return "it is empty";
    case ExtractFault::too_large: return "it is larger, or holds more, than is read";
    case ExtractFault::truncated: return "it is truncated";
    case ExtractFault::not_base64: return "it is not base64";
    case ExtractFault::unusable: return "a certificate that cannot be used";
    case ExtractFault::other_kind: return "a block of another kind";
    case ExtractFault::no_certificate: return "there is no certificate in it";
    case ExtractFault::only_key: return "there is a private key in it, but no certificate";
    case ExtractFault::password: return "it has a password other than \"changeit\"";
    case ExtractFault::damaged: return "it is damaged, or of a kind that cannot be read";
  }
  return "";
}

Extracted extract(std::string_view bytes) {
  Extracted extracted;
  if (bytes.empty()) {
    add(extracted, 0, ExtractFault::empty);
    return extracted;
  }
  if (bytes.size() > kMaxImportBytes) {
    add(extracted, 0, ExtractFault::too_large);
    return extracted;
  }
  if (const auto keystore = read_keystore(bytes)) {
    take_keystore(extracted, *keystore);
    return extracted;
  }
  bool asked = false;
  try {
    const auto contained = read_container(bytes, "the file", [&asked] {
      asked = true;
      return std::string("changeit");
    });
    if (contained) {
      extracted.certificates = contained->certificates;
      for (std::size_t i = 0; i < contained->bad.size(); ++i) {
        add(extracted, 0, ExtractFault::unusable);
      }
      return extracted;
    }
  } catch (const Error& error) {
    add(extracted, 0,
        asked                             ? ExtractFault::password
        : error.code() == Code::too_large ? ExtractFault::too_large
                                          : ExtractFault::damaged);
    return extracted;
  }
  std::string text(bytes);
  const bool has_key = blot_keys_out(text);
  try {
    Decoded decoded = decode(text, "the file");
    for (DecodedCertificate& each : decoded.certificates) {
      extracted.certificates.push_back(std::move(each.certificate));
    }
    for (const BadBlock& bad : decoded.bad) {
      add(extracted, static_cast<std::uint32_t>(bad.line), fault_of(bad.reason));
    }
  } catch (const Error& error) {
    ExtractFault fault = ExtractFault::no_certificate;
    if (error.code() == Code::too_large) fault = ExtractFault::too_large;
    if (error.code() == Code::private_key || has_key) fault = ExtractFault::only_key;
    if (error.message().find("truncated") != std::string::npos) fault = ExtractFault::truncated;
    add(extracted, 0, fault);
  }
  return extracted;
}

} // namespace trust
