#include "cli/table.h"

#include <gmock/gmock.h>

namespace trust {
namespace {

TEST(Table, LinesUpColumnsAndLeavesNoBlanksAtTheEnd) {
  Table table({"LABEL", "TRUST"});
  table.row({"a", "root"});
  table.row({"longer-label", ""});
  EXPECT_EQ(table.text(0, nullptr),
            "LABEL         TRUST\n"
            "a             root\n"
            "longer-label\n");
}

TEST(Table, CutsTheWidestColumnUntilALineFits) {
  Table table({"LABEL", "SUBJECT"});
  table.row({"a", "CN=a name that is much longer than the terminal is wide"});
  EXPECT_EQ(table.text(24, nullptr),
            "LABEL  SUBJECT\n"
            "a      CN=a name that i…\n");
}

TEST(Table, CutsNothingWithoutAWidth) {
  const std::string longest(500, 'x');
  Table table({"A"});
  table.row({longest});
  EXPECT_THAT(table.text(0, nullptr), ::testing::HasSubstr(longest));
}

TEST(Table, WideCharactersTakeTwoColumnsAndCombiningOnesNone) {
  EXPECT_EQ(display_width("abc"), 3U);
  EXPECT_EQ(display_width("日本"), 4U);
  EXPECT_EQ(display_width("e\u0301"), 1U);
  EXPECT_EQ(display_width("…"), 1U);
  Table table({"A", "B"});
  table.row({"日本", "x"});
  table.row({"abcd", "y"});
  EXPECT_EQ(table.text(0, nullptr), "A     B\n日本  x\nabcd  y\n");
}

}  // namespace
}  // namespace trust
