#include "daemon/http_target.h"

#include <cstdint>
#include <optional>

namespace trust {
namespace {

constexpr std::string_view kBadEncoding =
    "the target's percent-encoding is wrong, or encodes control characters or no UTF-8";

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Whether `text` is UTF-8 (no overlong form, no surrogate) of which no character is a control.
bool is_clean_text(std::string_view text) noexcept {
  std::size_t i = 0;
  while (i < text.size()) {
    const auto first = static_cast<unsigned char>(text[i]);
    if (first < 0x80) {
      if (first < 0x20 || first == 0x7f) return false;
      ++i;
      continue;
    }
    std::size_t length = 0;
    std::uint32_t value = 0;
    std::uint32_t least = 0;
    if ((first & 0xe0) == 0xc0) {
      length = 2;
      value = first & 0x1fu;
      least = 0xa0; // U+0080 to U+009F are controls
    } else if ((first & 0xf0) == 0xe0) {
      length = 3;
      value = first & 0x0fu;
      least = 0x800;
    } else if ((first & 0xf8) == 0xf0) {
      length = 4;
      value = first & 0x07u;
      least = 0x10000;
    } else {
      return false;
    }
    if (text.size() - i < length) return false;
    for (std::size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      value = (value << 6) | (next & 0x3fu);
    }
    if (value < least || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return false;
    i += length;
  }
  return true;
}

std::optional<std::string> decoded(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      if (text.size() - i < 3) return std::nullopt;
      const int high = hex_value(text[i + 1]);
      const int low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  if (!is_clean_text(out)) return std::nullopt;
  return out;
}

// Calls `use` with each piece of `text` between separators until it returns false.
template <typename Use>
bool each_piece(std::string_view text, char separator, Use use) {
  for (;;) {
    const std::size_t end = text.find(separator);
    if (!use(text.substr(0, end))) return false;
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end + 1);
  }
}

} // namespace

std::variant<Target, std::string_view> read_target(std::string_view text) {
  if (text.empty() || text.front() != '/') return "the target does not begin with a slash";
  for (const char c : text) {
    if (c <= ' ' || c > '~') return "the target is not printable ASCII";
    if (c == '#') return "the target has a fragment";
  }
  Target target;
  const std::size_t mark = text.find('?');
  const std::string_view path = text.substr(0, mark);
  target.path = path;

  std::string_view wrong;
  if (path != "/") {
    each_piece(path.substr(1), '/', [&](std::string_view piece) {
      std::optional<std::string> segment = decoded(piece, false);
      if (!segment) {
        wrong = kBadEncoding;
      } else if (segment->empty()) {
        wrong = "the path has an empty segment";
      } else if (*segment == "." || *segment == "..") {
        wrong = "the path has a dotted segment";
      } else if (segment->find('/') != std::string::npos) {
        wrong = "the path has an encoded slash";
      } else {
        target.segments.push_back(std::move(*segment));
      }
      return wrong.empty();
    });
    if (!wrong.empty()) return wrong;
  }
  if (mark == std::string_view::npos) return target;

  each_piece(text.substr(mark + 1), '&', [&](std::string_view piece) {
    if (piece.empty()) return true;
    if (target.query.size() == kMostQueryFields) {
      wrong = "the query has too many fields";
      return false;
    }
    const std::size_t equals = piece.find('=');
    std::optional<std::string> name = decoded(piece.substr(0, equals), true);
    std::optional<std::string> value =
        equals == std::string_view::npos ? std::string() : decoded(piece.substr(equals + 1), true);
    if (!name || !value) {
      wrong = kBadEncoding;
      return false;
    }
    target.query.emplace_back(std::move(*name), std::move(*value));
    return true;
  });
  if (!wrong.empty()) return wrong;
  return target;
}

} // namespace trust
