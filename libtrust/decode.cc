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
#include "libtrust/recognise.h"

namespace trust {
namespace {

constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kEnd = "-----END ";
constexpr std::string_view kDashes = "-----";
constexpr std::size_t kMaxLabelBytes = 64;
constexpr std::size_t kMaxBodyBytes = kMaxCertificateBytes * 3 / 2; // base64, and line ends

bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::string mebibytes(std::size_t bytes) { return std::to_string(bytes / (1024 * 1024)) + " MiB"; }

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
  const std::string body = without_white_space(block.body);
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

// ---- DER ----------------------------------------------------------------

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
  DerReader reader(view_of(bytes));
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
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3); // UTF-8 byte order mark
  if (std::all_of(bytes.begin(), bytes.end(), is_white_space)) {
    throw Error(Code::invalid, shown(source) + " is empty");
  }

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
