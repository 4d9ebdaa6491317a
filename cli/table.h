#pragma once
// A table of text: columns lined up, headed and fitted to the terminal; in a pipe the same words
// without colour and without cutting. A value; pure.

#include <string>
#include <string_view>
#include <vector>

#include "cli/terminal.h"

namespace trust {

// Columns that UTF-8 text takes on a terminal: wide characters two, combining ones none.
std::size_t display_width(std::string_view text) noexcept;

struct Cell {
  std::string text;
  Style style = Style::plain;

  Cell(std::string_view content, Style look = Style::plain) // NOLINT(google-explicit-constructor)
      : text(content), style(look) {}
  Cell(const std::string& content) // NOLINT(google-explicit-constructor)
      : text(content) {}
  Cell(const char* content) : text(content) {} // NOLINT(google-explicit-constructor)
};

class Table {
 public:
  explicit Table(std::vector<std::string> header) : header_(std::move(header)) {}

  // As many cells as the header has.
  void row(std::vector<Cell> cells) { rows_.push_back(std::move(cells)); }
  bool empty() const noexcept { return rows_.empty(); }

  // Lines with LF. With a width other than 0 the last column is cut until a line fits, then the
  // widest of the others, though none below 8.
  std::string text(const Terminal& terminal) const { return text(terminal.width(), &terminal); }
  std::string text(std::size_t width, const Terminal* terminal) const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<Cell>> rows_;
};

// "Name:    value" lines, the values lined up; rows with an empty value are left out.
std::string fields_text(const std::vector<std::pair<std::string, std::string>>& fields,
                        const Terminal& terminal);

} // namespace trust
