#include "cli/table.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace trust {
namespace {

struct Character {
  char32_t point;
  std::size_t length;
};

// Text that comes here has been made fit to be shown, so what is not UTF-8 is one byte wide.
Character next_character(std::string_view text) noexcept {
  const auto first = static_cast<unsigned char>(text[0]);
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1;
  if (length == 1 || text.size() < length) return {first, 1};
  char32_t point = first & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    point = (point << 6U) | (static_cast<unsigned char>(text[i]) & 0x3FU);
  }
  return {point, length};
}

struct Range {
  char32_t first, last;
};

// Source: East Asian Width (UAX 11), the blocks that are wide throughout.
constexpr std::array kWide{
    Range{0x1100, 0x115F},   Range{0x2E80, 0x303E},   Range{0x3041, 0xA4CF},
    Range{0xA960, 0xA97C},   Range{0xAC00, 0xD7A3},   Range{0xF900, 0xFAFF},
    Range{0xFE30, 0xFE6F},   Range{0xFF01, 0xFF60},   Range{0xFFE0, 0xFFE6},
    Range{0x1F300, 0x1F64F}, Range{0x1F680, 0x1F6FF}, Range{0x1F900, 0x1F9FF},
    Range{0x20000, 0x3FFFD}};
constexpr std::array kCombining{Range{0x0300, 0x036F}, Range{0x0483, 0x0489}, Range{0x0591, 0x05BD},
                                Range{0x064B, 0x065F}, Range{0x1AB0, 0x1AFF}, Range{0x1DC0, 0x1DFF},
                                Range{0x20D0, 0x20FF}, Range{0xFE20, 0xFE2F}};

std::size_t width_of(char32_t point) noexcept {
  const auto holds = [point](const Range& r) { return point >= r.first && point <= r.last; };
  if (point < 0x300) return 1;
  if (std::any_of(kCombining.begin(), kCombining.end(), holds)) return 0;
  return std::any_of(kWide.begin(), kWide.end(), holds) ? 2 : 1;
}

std::string cut(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string(text);
  std::string result;
  std::size_t used = 0;
  while (!text.empty()) {
    const Character character = next_character(text);
    const std::size_t more = width_of(character.point);
    if (used + more + 1 > width) break;
    result += text.substr(0, character.length);
    used += more;
    text.remove_prefix(character.length);
  }
  return result + "…";
}

void fit(std::vector<std::size_t>& widths, std::size_t width) {
  constexpr std::size_t kLeastWidth = 8;
  const auto total = [&] {
    std::size_t sum = widths.empty() ? 0 : 2 * (widths.size() - 1);
    for (const std::size_t w : widths) sum += w;
    return sum;
  };
  if (total() > width && widths.back() > kLeastWidth) {
    widths.back() -= std::min(total() - width, widths.back() - kLeastWidth);
  }
  while (total() > width) {
    const auto widest = std::max_element(widths.begin(), widths.end());
    if (widest == widths.end() || *widest <= kLeastWidth) return;
    --*widest;
  }
}

}  // namespace

std::size_t display_width(std::string_view text) noexcept {
  std::size_t width = 0;
  while (!text.empty()) {
    const Character character = next_character(text);
    width += width_of(character.point);
    text.remove_prefix(character.length);
  }
  return width;
}

std::string Table::text(std::size_t width, const Terminal* terminal) const {
  std::vector<std::size_t> widths;
  for (const std::string& name : header_) widths.push_back(display_width(name));
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], display_width(row[i].text));
    }
  }
  if (width != 0) fit(widths, width);

  std::string result;
  const auto add_line = [&](const std::vector<Cell>& cells) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const std::string text = width == 0 ? cells[i].text : cut(cells[i].text, widths[i]);
      result += terminal == nullptr ? text : terminal->styled(text, cells[i].style);
      if (i + 1 < widths.size()) {
        result.append(widths[i] - std::min(widths[i], display_width(text)) + 2, ' ');
      }
    }
    while (result.ends_with(' ')) result.pop_back();
    result += '\n';
  };
  std::vector<Cell> head;
  for (const std::string& name : header_) head.emplace_back(name, Style::dim);
  add_line(head);
  for (const auto& row : rows_) add_line(row);
  return result;
}

std::string fields_text(const std::vector<std::pair<std::string, std::string>>& fields,
                        const Terminal& terminal) {
  std::size_t widest = 0;
  for (const auto& [name, value] : fields) {
    if (!value.empty()) widest = std::max(widest, display_width(name));
  }
  std::string result;
  for (const auto& [name, value] : fields) {
    if (value.empty()) continue;
    result += terminal.styled(name + ":", Style::dim);
    result.append(widest - display_width(name) + 2, ' ');
    result += value + "\n";
  }
  return result;
}

}  // namespace trust
