#include "libtrust/recognise.h"

#include <algorithm>
#include <array>
#include <utility>

#include "libtrust/certificate.h"
#include "libtrust/error.h"

namespace trust {
namespace {

constexpr const char* kContainerHint = "trustctl add reads it; the daemon itself takes PEM and DER";

Looks private_key(std::string what) { return {std::move(what), {}, true}; }

Looks request() {
  return {"a certificate request, not a certificate", "add the certificate that the CA made of it",
          false};
}
Looks revocation_list() { return {"a revocation list (CRL), not a certificate", {}, false}; }
Looks pkcs7() { return {"PKCS#7, not a certificate", kContainerHint, false}; }
Looks pkcs12() { return {"PKCS#12, not a certificate", kContainerHint, false}; }

bool is_number(const std::optional<DerElement>& element, std::uint8_t value) {
  return element && element->tag == der::kInteger && element->content.size() == 1 &&
         element->content[0] == value;
}

// pkcs-7 and everything below: 1.2.840.113549.1.7
bool is_pkcs7_type(ByteView object) {
  constexpr std::array<std::uint8_t, 8> kPkcs7{0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07};
  return object.size() > kPkcs7.size() && std::equal(kPkcs7.begin(), kPkcs7.end(), object.begin());
}

bool contains(std::string_view text, std::string_view wanted) {
  return text.find(wanted) != std::string_view::npos;
}

} // namespace

std::optional<Looks> look_at_der(ByteView bytes) {
  DerReader outer(bytes);
  const auto sequence = outer.next(der::kSequence);
  if (!sequence) return {};
  DerReader inner(sequence->content);
  const auto first = inner.next();
  const auto second = inner.next();
  if (!first) return {};
  if (is_number(first, 3) && second && second->tag == der::kSequence) {
    DerReader safe(second->content);
    const auto type = safe.next(der::kObject);
    if (type && is_pkcs7_type(type->content)) return pkcs12();
  }
  if ((is_number(first, 0) || is_number(first, 1)) && second) {
    if (second->tag == der::kSequence && inner.next(der::kOctetString)) {
      return private_key("a private key (PKCS#8)");
    }
    if (second->tag == der::kInteger) {
      return private_key("a private key (RSA or DSA)");
    }
    if (second->tag == der::kOctetString) return private_key("a private key (EC)");
  }
  if (first->tag == der::kObject && is_pkcs7_type(first->content)) return pkcs7();
  if (first->tag != der::kSequence) return {};

  DerReader body(first->content);
  const auto head = body.next();
  if (second && second->tag == der::kOctetString && inner.done() && head &&
      head->tag == der::kObject) {
    return private_key("an encrypted private key (PKCS#8)");
  }
  if (second && second->tag == der::kBitString && inner.done() && head &&
      head->tag == der::kObject) {
    return Looks{"a public key, not a certificate", {}, false};
  }
  if (is_number(head, 0)) return request();
  // A CRL: [version,] algorithm, issuer, thisUpdate; a certificate has a serial number first.
  const bool has_version = is_number(head, 1);
  const auto algorithm = has_version ? body.next() : head;
  const auto issuer = body.next();
  const auto update = body.next();
  constexpr std::uint8_t kUtcTime = 0x17;
  constexpr std::uint8_t kGeneralizedTime = 0x18;
  if (algorithm && algorithm->tag == der::kSequence && issuer && issuer->tag == der::kSequence &&
      update && (update->tag == kUtcTime || update->tag == kGeneralizedTime)) {
    return revocation_list();
  }
  return {};
}

bool is_cut_short(ByteView bytes) {
  if (bytes.size() < 4 || bytes[0] != der::kSequence || bytes[1] < 0x81 || bytes[1] > 0x84) {
    return false;
  }
  const std::size_t count = bytes[1] & 0x7FU;
  if (bytes.size() < 2 + count) return true;
  std::size_t length = 0;
  for (std::size_t i = 0; i < count; ++i) length = (length << 8) | bytes[2 + i];
  return length > bytes.size() - 2 - count && length <= 16 * kMaxCertificateBytes;
}

Looks look_at_label(std::string_view label) {
  if (label.ends_with("CERTIFICATE REQUEST")) return request();
  if (label == "X509 CRL") return revocation_list();
  if (label == "PKCS7" || label == "CMS" || label == "PKCS #7 SIGNED DATA") return pkcs7();
  if (label == "PKCS12") return pkcs12();
  if (label.ends_with("PUBLIC KEY")) return {"a public key, not a certificate", {}, false};
  return {"a block of the kind " + shown(label) + ", not a certificate", {}, false};
}

std::string without_white_space(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (!is_white_space(c)) out += c;
  }
  return out;
}

bool is_text(std::string_view bytes) {
  const std::string_view head = bytes.substr(0, 4096);
  return std::all_of(head.begin(), head.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 || is_white_space(c);
  });
}

Looks look_at(std::string_view bytes) {
  const auto begins = [&](std::string_view prefix) { return bytes.starts_with(prefix); };
  if (begins("PuTTY-User-Key-File")) return private_key("a private key (PuTTY)");
  if (begins("\xFE\xED\xFE\xED") || begins("\xCE\xCE\xCE\xCE")) {
    return {"a Java keystore",
            "export its certificates: keytool -list -rfc -keystore FILE > certs.pem", false};
  }
  if (begins("\xFF\xFE") || begins("\xFE\xFF")) {
    return {"UTF-16 text", "save it as UTF-8 or plain ASCII", false};
  }
  if (begins("PK\x03\x04")) return {"a ZIP archive", "unpack it first", false};
  if (begins("\x1F\x8B")) return {"compressed with gzip", "unpack it first", false};
  if (!is_text(bytes)) return {"binary, and neither a certificate in DER nor PEM", {}, false};

  const std::size_t start = std::min(bytes.find_first_not_of(" \t\r\n"), bytes.size());
  std::string head(bytes.substr(start, 512));
  for (char& c : head) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  if (head.starts_with("<!doctype html") || contains(head, "<html")) {
    return {"an HTML page", "download the certificate itself, not the page that links to it",
            false};
  }
  if (head.starts_with("<")) return {"XML", {}, false};
  if (contains(bytes, "-----BEGIN ")) {
    return {"text with a BEGIN mark in the middle of a line",
            "PEM has its BEGIN and END marks on lines of their own; in JSON, replace \\n by line "
            "ends",
            false};
  }
  if (contains(bytes, "-----END ")) {
    return {"truncated PEM: there is an END line and no BEGIN line", {}, false};
  }
  if (head.starts_with("ssh-") || head.starts_with("ecdsa-sha2-")) {
    return {"an SSH public key", {}, false};
  }
  // The body of a PEM block without its lines.
  if (head.starts_with("mi")) {
    if (const auto der = parse_base64(without_white_space(bytes))) {
      if (const auto looks = look_at_der(*der); looks && looks->is_private_key) return *looks;
      return {"base64 without its BEGIN and END lines",
              "put -----BEGIN CERTIFICATE----- before it and -----END CERTIFICATE----- behind it",
              false};
    }
  }
  return {"text without a PEM block", {}, false};
}

} // namespace trust
