#include "libtrust/error.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace trust {
namespace {

// Statuses of trust.h. Codes that the C library cannot meet are "internal" there: one that
// arrives nevertheless is a bug.
constexpr std::int32_t kCArgument = -100;
constexpr std::int32_t kCInternal = -901;

struct Row {
  Code code;
  CodeFacts facts;
};

constexpr std::array kRows{
    Row{Code::usage, {"usage", "Wrong usage", 400, 2, kCArgument}},
    Row{Code::invalid, {"invalid", "Malformed value", 400, 1, kCArgument}},
    Row{Code::private_key, {"private_key", "Private key found", 400, 6, kCArgument}},
    Row{Code::too_large, {"too_large", "Too large", 413, 1, kCArgument}},
    Row{Code::not_found, {"not_found", "Not found", 404, 5, kCInternal}},
    Row{Code::conflict, {"conflict", "Conflict", 409, 7, kCInternal}},
    Row{Code::precondition, {"precondition", "Changed meanwhile", 412, 7, kCInternal}},
    Row{Code::not_confirmed, {"not_confirmed", "Not confirmed", 409, 6, kCInternal}},
    Row{Code::forbidden, {"forbidden", "Not permitted", 403, 6, kCInternal}},
    Row{Code::unauthorized, {"unauthorized", "No valid token", 401, 6, kCInternal}},
    Row{Code::bad_origin, {"bad_origin", "Foreign origin", 403, 6, kCInternal}},
    Row{Code::media_type, {"media_type", "Unsupported content type", 415, 1, kCInternal}},
    Row{Code::misdirected, {"misdirected", "For another host", 421, 1, kCInternal}},
    Row{Code::busy, {"busy", "Too many at once", 429, 1, kCInternal}},
    Row{Code::not_published, {"not_published", "Stored, not yet published", 503, 1, kCInternal}},
    Row{Code::storage_full, {"storage_full", "Storage full", 507, 1, -403}},
    Row{Code::read_only, {"read_only", "Storage is read-only", 507, 1, -403}},
    Row{Code::io, {"io", "Input or output failed", 500, 1, -403}},
    Row{Code::no_daemon, {"no_daemon", "No daemon", 503, 4, -401}},
    Row{Code::store_missing, {"store_missing", "Nothing is published", 500, 1, -200}},
    Row{Code::store_invalid, {"store_invalid", "Published files are damaged", 500, 1, -201}},
    Row{Code::store_access, {"store_access", "Store not accessible", 500, 1, -202}},
    Row{Code::resolve, {"resolve", "Name not resolved", 502, 1, -400}},
    Row{Code::connect, {"connect", "Not connected", 502, 1, -401}},
    Row{Code::timeout, {"timeout", "Timed out", 504, 1, -402}},
    Row{Code::tls, {"tls", "TLS handshake failed", 502, 1, -500}},
    Row{Code::truncated, {"truncated", "Connection cut off", 502, 1, -501}},
    Row{Code::cancelled, {"cancelled", "Cancelled", 500, 1, -404}},
    Row{Code::state, {"state", "Not possible now", 500, 1, -101}},
    Row{Code::not_trusted, {"not_trusted", "Not trusted", 502, 3, -600}},
    Row{Code::fingerprint, {"fingerprint", "Fingerprint does not match", 409, 3, -605}},
    Row{Code::internal, {"internal", "Internal error", 500, 1, kCInternal}},
};

constexpr bool rows_follow_the_enum() {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<std::size_t>(kRows[i].code) != i) return false;
  }
  return kRows.back().code == Code::internal;
}
static_assert(rows_follow_the_enum(), "every Code has its row, in order");

struct Range {
  char32_t first;
  char32_t last;
};

// Control, format and bidirectional characters, line and paragraph separators, and
// invisible fillers that could hide or reorder what stands beside them (Unicode 15).
constexpr std::array kUnshown{
    Range{0x0000, 0x001F},   Range{0x007F, 0x009F},    Range{0x00AD, 0x00AD},
    Range{0x034F, 0x034F},   Range{0x0600, 0x0605},    Range{0x061C, 0x061C},
    Range{0x06DD, 0x06DD},   Range{0x070F, 0x070F},    Range{0x0890, 0x0891},
    Range{0x08E2, 0x08E2},   Range{0x115F, 0x1160},    Range{0x17B4, 0x17B5},
    Range{0x180B, 0x180F},   Range{0x200B, 0x200F},    Range{0x2028, 0x202E},
    Range{0x2060, 0x206F},   Range{0x3164, 0x3164},    Range{0xFE00, 0xFE0F},
    Range{0xFEFF, 0xFEFF},   Range{0xFFA0, 0xFFA0},    Range{0xFFF0, 0xFFFB},
    Range{0xFFFE, 0xFFFF},   Range{0x110BD, 0x110BD},  Range{0x110CD, 0x110CD},
    Range{0x13430, 0x1343F}, Range{0x1BCA0, 0x1BCA3},  Range{0x1D173, 0x1D17A},
    Range{0xE0000, 0xE0FFF}, Range{0xF0000, 0x10FFFF},
};

bool is_unshown(char32_t point) {
  for (const Range& range : kUnshown) {
    if (point >= range.first && point <= range.last) return true;
  }
  return false;
}

struct Decoded {
  char32_t point;
  std::size_t length; // 0: not UTF-8
};

Decoded decode_utf8(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return {0, 0};
  char32_t point = first & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {0, 0};
    point = (point << 6) | (byte(i) & 0x3FU);
  }
  constexpr std::array<char32_t, 5> kLeast{0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
  if (point < kLeast[length] || point > 0x10FFFF || surrogate) return {0, 0};
  return {point, length};
}

std::string hex_number(char32_t number, int least_digits) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (int i = 0; number != 0 || i < least_digits; ++i, number >>= 4) {
    out.insert(out.begin(), kDigits[number & 0xF]);
  }
  return out;
}

} // namespace

const CodeFacts& facts(Code code) noexcept { return kRows[static_cast<std::size_t>(code)].facts; }

std::optional<Code> code_named(std::string_view name) noexcept {
  for (const Row& row : kRows) {
    if (row.facts.name == name) return row.code;
  }
  return std::nullopt;
}

Error::Error(Code code, std::string message, std::string hint)
    : code_(code), message_(std::move(message)), hint_(std::move(hint)) {}

Error&& Error::with_error_number(int number) && noexcept {
  error_number_ = number;
  return std::move(*this);
}

Error&& Error::with_tls_alert(int alert) && noexcept {
  tls_alert_ = alert;
  return std::move(*this);
}

Error system_error(std::string_view message, int error_number, std::string hint) {
  Code code = Code::io;
  if (error_number == ENOSPC || error_number == EDQUOT || error_number == EFBIG) {
    code = Code::storage_full;
  } else if (error_number == EROFS) {
    code = Code::read_only;
  }
  return Error(code, std::string(message) + ": " + std::generic_category().message(error_number),
               std::move(hint))
      .with_error_number(error_number);
}

std::string what_was_thrown() {
  try {
    throw;
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "something that is no exception was thrown";
  }
}

std::string shown(std::string_view text) {
  constexpr std::size_t kMostCharacters = 200;
  const auto is_plain = [](char c) { return c >= 0x20 && c < 0x7f; };
  if (text.size() <= kMostCharacters && std::all_of(text.begin(), text.end(), is_plain)) {
    return std::string(text);
  }
  std::string out;
  std::size_t characters = 0;
  while (!text.empty()) {
    const Decoded decoded = decode_utf8(text);
    std::string piece;
    std::size_t width = 1;
    if (decoded.length == 0) {
      piece = "\\x" + hex_number(static_cast<unsigned char>(text[0]), 2);
      width = piece.size();
    } else if (is_unshown(decoded.point)) {
      piece = decoded.point < 0x80 ? "\\x" + hex_number(decoded.point, 2)
                                   : "\\u{" + hex_number(decoded.point, 4) + "}";
      width = piece.size();
    } else {
      piece = text.substr(0, decoded.length);
    }
    if (characters + width > kMostCharacters) return out + "…";
    out += piece;
    characters += width;
    text.remove_prefix(decoded.length == 0 ? 1 : decoded.length);
  }
  return out;
}

} // namespace trust
