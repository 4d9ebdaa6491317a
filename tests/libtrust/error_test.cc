#include "libtrust/error.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>

namespace trust {
namespace {

constexpr int kCodes = static_cast<int>(Code::internal) + 1;

TEST(Facts, EveryCodeHasANameOfItsOwnThatReadsBack) {
  std::set<std::string_view> names;
  for (int i = 0; i < kCodes; ++i) {
    const Code code = static_cast<Code>(i);
    EXPECT_TRUE(names.insert(facts(code).name).second) << facts(code).name;
    EXPECT_EQ(code_named(facts(code).name), code);
    EXPECT_FALSE(facts(code).title.empty());
  }
  EXPECT_EQ(code_named("nonsense"), std::nullopt);
}

TEST(Facts, EveryCodeIsAFailureInHttpInCAndAsAnExitStatus) {
  for (int i = 0; i < kCodes; ++i) {
    const CodeFacts& row = facts(static_cast<Code>(i));
    EXPECT_GE(row.http_status, 400) << row.name;
    EXPECT_LE(row.http_status, 599) << row.name;
    EXPECT_GE(row.exit_status, 1) << row.name;
    EXPECT_LE(row.exit_status, 7) << row.name;
    EXPECT_LE(row.c_status, -100) << row.name;
  }
}

TEST(Facts, ExitStatusesAreThoseOfTheInterface) {
  EXPECT_EQ(facts(Code::io).exit_status, 1);
  EXPECT_EQ(facts(Code::usage).exit_status, 2);
  EXPECT_EQ(facts(Code::not_trusted).exit_status, 3);
  EXPECT_EQ(facts(Code::fingerprint).exit_status, 3);
  EXPECT_EQ(facts(Code::no_daemon).exit_status, 4);
  EXPECT_EQ(facts(Code::not_found).exit_status, 5);
  for (const Code code : {Code::forbidden, Code::unauthorized, Code::not_confirmed,
                          Code::bad_origin, Code::private_key}) {
    EXPECT_EQ(facts(code).exit_status, 6) << facts(code).name;
  }
  EXPECT_EQ(facts(Code::conflict).exit_status, 7);
  EXPECT_EQ(facts(Code::precondition).exit_status, 7);
}

TEST(SystemError, NamesTheFaultAndTellsAFullDiskApart) {
  const Error io = system_error("cannot open /x", EACCES, "try again");
  EXPECT_EQ(io.code(), Code::io);
  EXPECT_EQ(io.message(), "cannot open /x: Permission denied");
  EXPECT_EQ(io.hint(), "try again");
  EXPECT_STREQ(io.what(), io.message().c_str());
  for (const int full : {ENOSPC, EDQUOT, EFBIG}) {
    EXPECT_EQ(system_error("x", full).code(), Code::storage_full);
  }
  EXPECT_EQ(system_error("x", EROFS).code(), Code::read_only);
}

TEST(Shown, LeavesOrdinaryTextAlone) {
  EXPECT_EQ(shown("CN=dev.test, O=Grüße 東京 ✓ 🔒"), "CN=dev.test, O=Grüße 東京 ✓ 🔒");
  EXPECT_EQ(shown(""), "");
}

TEST(Shown, EscapesWhatCouldForgeATerminal) {
  EXPECT_EQ(shown("a\x1b[2Jb"), "a\\x1b[2Jb");
  EXPECT_EQ(shown("a\r\nb\tc"), "a\\x0d\\x0ab\\x09c");
  EXPECT_EQ(shown(std::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(shown("\x7f"), "\\x7f");
  EXPECT_EQ(shown("\xc2\x9b"
                  "31m"),
            "\\u{009b}31m"); // C1 control sequence introducer
}

TEST(Shown, EscapesWhatHidesOrReorders) {
  EXPECT_EQ(shown("a\u202eb"), "a\\u{202e}b"); // right-to-left override
  EXPECT_EQ(shown("a\u2066b\u2069"), "a\\u{2066}b\\u{2069}");
  EXPECT_EQ(shown("a\u200bb"), "a\\u{200b}b"); // zero width space
  EXPECT_EQ(shown("a\u00adb"), "a\\u{00ad}b"); // soft hyphen
  EXPECT_EQ(shown("a\u2028b"), "a\\u{2028}b"); // line separator
  EXPECT_EQ(shown("a\ufeffb"), "a\\u{feff}b");
  EXPECT_EQ(shown("a\U000e0041b"), "a\\u{e0041}b"); // tag character
}

TEST(Shown, EscapesBytesThatAreNoUtf8) {
  EXPECT_EQ(shown("a\xff"
                  "b"),
            "a\\xffb");
  EXPECT_EQ(shown("\xc0\xaf"), "\\xc0\\xaf");          // overlong
  EXPECT_EQ(shown("\xed\xa0\x80"), "\\xed\\xa0\\x80"); // surrogate
  EXPECT_EQ(shown("\xe2\x82"), "\\xe2\\x82");          // cut short
  EXPECT_EQ(shown("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
}

TEST(Shown, CutsAtTwoHundredCharacters) {
  EXPECT_EQ(shown(std::string(200, 'x')), std::string(200, 'x'));
  EXPECT_EQ(shown(std::string(201, 'x')), std::string(200, 'x') + "…");
  EXPECT_LE(shown(std::string(500, '\x1b')).size(), 200 + std::string_view("…").size());
}

} // namespace
} // namespace trust
