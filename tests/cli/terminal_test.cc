#include "cli/terminal.h"

#include <gmock/gmock.h>

namespace trust {
namespace {

TEST(Printable, EscapesWhatCouldMoveACursor) {
  EXPECT_EQ(printable("a\033[2Jb"), "a\\x1b[2Jb");
  EXPECT_EQ(printable("a\nb"), "a\\x0ab");
  EXPECT_EQ(printable("a\u202eb"), "a\\u{202e}b");
}

TEST(Printable, CutsNothing) {
  const std::string text(10'000, 'x');
  EXPECT_EQ(printable(text), text);
  EXPECT_EQ(printable(std::string(5'000, '\033')).size(), 20'000U);
}

TEST(Printable, DoesNotTearCharactersApart) {
  for (std::size_t before = 0; before < 60; ++before) {
    const std::string text = std::string(before, 'x') + "日本語ü😀";
    EXPECT_EQ(printable(text), text) << before;
  }
}

TEST(ShellWord, QuotesOnlyWhatNeedsIt) {
  EXPECT_EQ(shell_word("/home/ann/ca.pem"), "/home/ann/ca.pem");
  EXPECT_EQ(shell_word("host:8443"), "host:8443");
  EXPECT_EQ(shell_word(""), "''");
  EXPECT_EQ(shell_word("a b"), "'a b'");
  EXPECT_EQ(shell_word("a'b"), "'a'\\''b'");
  EXPECT_EQ(shell_word("$(rm)"), "'$(rm)'");
  EXPECT_EQ(shell_word("*.corp.test"), "'*.corp.test'");
}

}  // namespace
}  // namespace trust
