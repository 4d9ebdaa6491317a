#include "libtrust/decode.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <exception>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <variant>

#include "libtrust/der.h"
#include "libtrust/error.h"

namespace trust {
namespace {

constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kEnd = "-----END ";
constexpr std::string_view kDashes = "-----";
constexpr std::size_t kMaxLabelBytes = 64;
constexpr std::size_t kMaxBodyBytes = kMaxCertificateBytes * 3 / 2; // base64, and line ends

bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_space(char c) { return is_blank(c) || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }

ByteView bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string mebibytes(std::size_t bytes) { return std::to_string(bytes / (1024 * 1024)) + " MiB"; }

// What bytes that are no certificate look like.
struct Looks {
  std::string what; // to follow "it is"
  std::string hint;
  bool is_private_key = false;
};

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

// Of one whole DER sequence that is no certificate. A key is recognised by its outline alone:
// whatever else is wrong with it, it must not be taken for something harmless.
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

// The length that the header of a DER sequence announces, if it is more than what is there.
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

[[noreturn]] void refuse_private_key(std::string_view source, std::size_t line,
                                     std::string_view what) {
  std::string message = shown(source) + " holds " + std::string(what);
  if (line != 0) message += " on line " + std::to_string(line);
  throw Error(Code::private_key, message + "; it was not stored, and nothing else of it either",
              "give certificates only, and keep the key where it is");
}

// ---- PEM ----------------------------------------------------------------

struct Block {
  std::string_view label;
  std::string_view body; // what stands between BEGIN and END lines
  std::size_t line;
  const char* fault = nullptr;
};

// Counts lines up to ever later places. LF, CR LF and CR end a line.
class LineCounter {
 public:
  explicit LineCounter(std::string_view text) : text_(text) {}

  std::size_t line_of(std::size_t place) {
    for (; at_ < place; ++at_) {
      const char c = text_[at_];
      const bool pair = c == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n';
      if (c == '\n' || (c == '\r' && !pair)) ++line_;
    }
    return line_;
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
};

// The label of a BEGIN or END mark at `place`, and where the mark ends.
struct Mark {
  std::string_view label;
  std::size_t end;
};

std::optional<Mark> read_mark(std::string_view text, std::size_t place, std::string_view kind) {
  const std::size_t begin = place + kind.size();
  const std::size_t end = text.substr(begin, kMaxLabelBytes + kDashes.size()).find(kDashes);
  if (end == std::string_view::npos) return {};
  const std::string_view label = text.substr(begin, end);
  const bool fits =
      std::all_of(label.begin(), label.end(), [](char c) { return c >= ' ' && c <= '~'; });
  if (!fits) return {};
  return Mark{label, begin + end + kDashes.size()};
}

// A block begins at the start of a line, or right behind the END mark before it (files joined
// without a line end between them).
bool begins_a_line(std::string_view text, std::size_t place, std::size_t last_end) {
  while (place > last_end && is_blank(text[place - 1])) --place;
  return place == last_end || text[place - 1] == '\n' || text[place - 1] == '\r';
}

bool is_certificate_label(std::string_view label) {
  return label == "CERTIFICATE" || label == "X509 CERTIFICATE" || label == "TRUSTED CERTIFICATE";
}

std::vector<Block> find_blocks(std::string_view text, std::string_view source) {
  std::vector<Block> blocks;
  LineCounter lines(text);
  std::size_t last_end = 0;
  for (std::size_t place = 0; (place = text.find(kBegin, place)) != std::string_view::npos;) {
    const auto mark = read_mark(text, place, kBegin);
    if (mark && mark->label.ends_with("PRIVATE KEY")) {
      refuse_private_key(source, lines.line_of(place), "a private key");
    }
    if (!mark || !begins_a_line(text, place, last_end)) {
      place += kBegin.size();
      continue;
    }
    Block block{mark->label, {}, lines.line_of(place)};
    const std::size_t close = text.find(kDashes, mark->end);
    block.body = text.substr(mark->end, std::min(close, text.size()) - mark->end);
    place = std::min(close, text.size());
    if (close == std::string_view::npos) {
      block.fault = "it is truncated: its END line is missing";
    } else if (text.substr(close, kEnd.size()) == kEnd) {
      const auto end = read_mark(text, close, kEnd);
      if (!end) {
        block.fault = "it is truncated: its END line is damaged";
        place += kEnd.size();
      } else {
        if (end->label != mark->label) block.fault = "its END line is of another kind";
        place = end->end;
      }
      last_end = place;
    } else {
      block.fault = "it is truncated: its END line is missing";
      last_end = place; // where the next block may begin
    }
    if (blocks.size() == kMaxImportCertificates) {
      throw Error(Code::too_large,
                  shown(source) + " holds more than " + std::to_string(kMaxImportCertificates) +
                      " certificates",
                  "split it");
    }
    blocks.push_back(block);
  }
  return blocks;
}

Looks look_at_label(std::string_view label) {
  if (label.ends_with("CERTIFICATE REQUEST")) return request();
  if (label == "X509 CRL") return revocation_list();
  if (label == "PKCS7" || label == "CMS" || label == "PKCS #7 SIGNED DATA") return pkcs7();
  if (label == "PKCS12") return pkcs12();
  if (label.ends_with("PUBLIC KEY")) return {"a public key, not a certificate", {}, false};
  return {"a block of the kind " + shown(label) + ", not a certificate", {}, false};
}

struct Fault {
  std::string reason; // a sentence's second half: "it is truncated: …"
  std::string hint;
  bool is_private_key = false;
};

using Outcome = std::variant<Fault, Certificate>;

Fault fault_of(ByteView der, const Error& error) {
  if (const auto looks = look_at_der(der)) {
    return {"it is " + looks->what, looks->hint, looks->is_private_key};
  }
  if (is_cut_short(der)) return {"it is truncated: its end is missing", {}, false};
  return {error.message(), error.hint(), false};
}

// A base64 text with any white space in it, without that.
std::string packed(std::string_view body) {
  std::string out;
  out.reserve(body.size());
  for (const char c : body) {
    if (!is_space(c)) out += c;
  }
  return out;
}

Outcome read_block(const Block& block) {
  if (!is_certificate_label(block.label)) {
    Looks looks = look_at_label(block.label);
    return Fault{"it is " + looks.what, std::move(looks.hint), false};
  }
  if (block.fault != nullptr) return Fault{block.fault, {}, false};
  if (block.body.size() > kMaxBodyBytes) {
    return Fault{
        "it is larger than " + std::to_string(kMaxCertificateBytes / 1024) + " KiB", {}, false};
  }
  const std::string body = packed(block.body);
  if (body.empty()) return Fault{"it is empty", {}, false};
  const auto bytes = parse_base64(body);
  if (!bytes) {
    const bool cut = body.size() % 4 != 0;
    return Fault{cut ? "its base64 is incomplete" : "it is not base64", {}, false};
  }
  ByteView der = *bytes;
  if (block.label.starts_with("TRUSTED")) {
    // OpenSSL's own settings stand behind the certificate.
    if (const auto first = DerReader(der).next(der::kSequence)) der = first->whole;
  }
  try {
    return Certificate::from_der(der);
  } catch (const Error& error) {
    return fault_of(der, error);
  }
}

// Reads all blocks, many of them on two or more threads.
std::vector<Outcome> read_blocks(const std::vector<Block>& blocks) {
  constexpr std::size_t kChunk = 32;
  constexpr std::size_t kWorthAThread = 128;
  constexpr std::size_t kMostThreads = 4;
  std::vector<Outcome> outcomes(blocks.size());
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  std::exception_ptr failure; // out of memory; written by the one that sets `failed`
  const auto work = [&]() noexcept {
    try {
      for (std::size_t begin; !failed && (begin = next.fetch_add(kChunk)) < blocks.size();) {
        const std::size_t end = std::min(begin + kChunk, blocks.size());
        for (std::size_t i = begin; i < end; ++i) outcomes[i] = read_block(blocks[i]);
      }
    } catch (...) {
      if (!failed.exchange(true)) failure = std::current_exception();
    }
  };

  std::vector<std::thread> threads;
  const std::size_t wanted = std::min({kMostThreads, blocks.size() / kWorthAThread,
                                       std::size_t{std::thread::hardware_concurrency()}});
  if (wanted > 1) {
    // Signals stay with the threads that the program knows of.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      while (threads.size() + 1 < wanted) threads.emplace_back(work);
    } catch (const std::system_error&) {
      // No thread to be had: this one does it all.
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  work();
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
  return outcomes;
}

Decoded decode_pem(const std::vector<Block>& blocks, std::string_view source) {
  std::vector<Outcome> outcomes = read_blocks(blocks);
  Decoded decoded;
  std::string first_hint;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (auto* certificate = std::get_if<Certificate>(&outcomes[i])) {
      decoded.certificates.push_back({std::move(*certificate), blocks[i].line});
      continue;
    }
    Fault& fault = std::get<Fault>(outcomes[i]);
    if (fault.is_private_key) {
      refuse_private_key(source, blocks[i].line, "a private key in a block of another name");
    }
    if (first_hint.empty()) first_hint = fault.hint;
    decoded.bad.push_back({blocks[i].line, std::move(fault.reason)});
  }
  if (!decoded.certificates.empty()) return decoded;
  const BadBlock& first = decoded.bad.front();
  std::string message = "there is no certificate in " + shown(source) + ": the block on line " +
                        std::to_string(first.line) + " cannot be used: " + first.reason;
  if (decoded.bad.size() > 1) {
    message += ", nor can the other " + std::to_string(decoded.bad.size() - 1);
  }
  throw Error(Code::invalid, message, first_hint);
}

// ---- Anything else ------------------------------------------------------

bool contains(std::string_view text, std::string_view wanted) {
  return text.find(wanted) != std::string_view::npos;
}

bool is_text(std::string_view bytes) {
  const std::string_view head = bytes.substr(0, 4096);
  return std::all_of(head.begin(), head.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= 0x20 || is_space(c); });
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

  const std::size_t start = bytes.find_first_not_of(" \t\r\n");
  std::string head(bytes.substr(start, 512));
  for (char& c : head) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  if (head.starts_with("<!doctype html") || contains(head, "<html")) {
    return {"an HTML page", "download the certificate itself, not the page that links to it",
            false};
  }
  if (head.starts_with("<")) return {"XML", {}, false};
  if (contains(bytes, kBegin)) {
    return {"text with a BEGIN mark in the middle of a line",
            "PEM has its BEGIN and END marks on lines of their own; in JSON, replace \\n by line "
            "ends",
            false};
  }
  if (contains(bytes, kEnd)) {
    return {"truncated PEM: there is an END line and no BEGIN line", {}, false};
  }
  if (head.starts_with("ssh-") || head.starts_with("ecdsa-sha2-")) {
    return {"an SSH public key", {}, false};
  }
  // The body of a PEM block without its lines.
  if (head.starts_with("mi")) {
    if (const auto der = parse_base64(packed(bytes))) {
      if (const auto looks = look_at_der(*der); looks && looks->is_private_key) return *looks;
      return {"base64 without its BEGIN and END lines",
              "put -----BEGIN CERTIFICATE----- before it and -----END CERTIFICATE----- behind it",
              false};
    }
  }
  return {"text without a PEM block", {}, false};
}

Decoded decode_der(std::string_view bytes, std::string_view source) {
  Decoded decoded;
  const auto refuse = [&](ByteView rest, const std::string& why, const std::string& hint) {
    std::string where = shown(source);
    if (!decoded.certificates.empty()) {
      where = "what stands behind certificate " + std::to_string(decoded.certificates.size()) +
              " in " + where;
    }
    if (const auto looks = look_at_der(rest)) {
      if (looks->is_private_key) refuse_private_key(source, 0, looks->what);
      throw Error(Code::invalid, where + " is " + looks->what, looks->hint);
    }
    if (is_cut_short(rest)) {
      throw Error(Code::invalid, where + " is truncated: its end is missing");
    }
    throw Error(Code::invalid, where + ' ' + why, hint);
  };
  DerReader reader(bytes_of(bytes));
  while (!reader.done()) {
    const ByteView rest = reader.rest();
    const auto element = reader.next(der::kSequence);
    if (!element) {
      refuse(rest, "is binary, and neither a certificate in DER nor PEM", {});
      break;
    }
    if (decoded.certificates.size() == kMaxImportCertificates) {
      throw Error(Code::too_large,
                  shown(source) + " holds more than " + std::to_string(kMaxImportCertificates) +
                      " certificates",
                  "split it");
    }
    try {
      decoded.certificates.push_back({Certificate::from_der(element->whole), 0});
    } catch (const Error& error) {
      if (error.code() == Code::too_large)
        throw Error(error.code(), shown(source) + ": " + error.message());
      refuse(element->whole, "cannot be used: " + error.message(), error.hint());
    }
  }
  return decoded;
}

} // namespace

Decoded decode(std::string_view bytes, std::string_view source) {
  if (bytes.size() > kMaxImportBytes) {
    throw Error(Code::too_large,
                shown(source) + " is larger than " + mebibytes(kMaxImportBytes) +
                    ", the most that is read at once",
                "split it");
  }
  if (std::all_of(bytes.begin(), bytes.end(), is_space)) {
    throw Error(Code::invalid, shown(source) + " is empty");
  }
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3); // UTF-8 byte order mark

  if (bytes.front() == static_cast<char>(der::kSequence) && !is_text(bytes)) {
    return decode_der(bytes, source);
  }
  const std::vector<Block> blocks = find_blocks(bytes, source);
  if (!blocks.empty()) return decode_pem(blocks, source);
  const Looks looks = look_at(bytes);
  if (looks.is_private_key) refuse_private_key(source, 0, looks.what);
  throw Error(Code::invalid, shown(source) + " is " + looks.what + ", not a certificate",
              looks.hint);
}

} // namespace trust
