#include "cli/command/profile.h"

#include <gmock/gmock.h>

namespace trust {
namespace {

using ::testing::HasSubstr;

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t number = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++number;
  }
  return number;
}

TEST(Profile, InstallingTwiceLeavesOneLine) {
  const std::string once = with_block("alias x=y\n", "LINE");
  EXPECT_EQ(with_block(once, "LINE"), once);
  EXPECT_EQ(count(once, "LINE"), 1U);
}

TEST(Profile, AnotherStoreTakesThePlaceOfTheOneBefore) {
  const std::string before = with_block("a\n", "OLD") + "b\n";
  const std::string after = with_block(before, "NEW");
  EXPECT_THAT(after, ::testing::Not(HasSubstr("OLD")));
  EXPECT_EQ(without_block(after), "a\nb\n");
}

TEST(Profile, CopiesOfTheBlockBecomeOne) {
  const std::string once = with_block("a\n", "LINE");
  EXPECT_EQ(count(with_block(once + once, "LINE"), "LINE"), 1U);
}

TEST(Profile, UninstallingRestoresTheFileByteForByte) {
  for (const std::string before :
       {"", "a\n", "a", "a\n\n", "a\n\n\n", "\n", "a\r\n", "# >>> not ours >>>\n", "a\0b"}) {
    const auto after = without_block(with_block(before, "LINE"));
    ASSERT_TRUE(after) << before;
    EXPECT_EQ(*after, before);
  }
}

TEST(Profile, AFileThatWasNotThereIsGoneAgain) {
  EXPECT_EQ(without_block(with_block(std::nullopt, "LINE")), std::nullopt);
}

TEST(Profile, WhatWasWrittenBehindTheBlockStays) {
  EXPECT_EQ(without_block(with_block("a\n", "LINE") + "b\n"), "a\nb\n");
  EXPECT_EQ(without_block(with_block("a", "LINE") + "b\n"), "a\nb\n");
  EXPECT_EQ(without_block(with_block(std::nullopt, "LINE") + "b\n"), "b\n");
}

TEST(Profile, ABlockThatLostItsEndIsLeftAlone) {
  const std::string broken = "# >>> trustd >>>\nexport X=1\n";
  EXPECT_EQ(without_block(broken), broken);
}

TEST(Profile, TheFileIsChosenByTheShell) {
  const auto with = [](const char* shell) {
    return [shell](std::string_view name) -> std::optional<std::string> {
      if (name == "SHELL") return shell;
      return std::nullopt;
    };
  };
  EXPECT_EQ(profile_for({}, with("/bin/bash"), "/home/ann").file, "/home/ann/.bashrc");
  EXPECT_EQ(profile_for({}, with("/usr/bin/zsh"), "/home/ann").file, "/home/ann/.zshrc");
  EXPECT_EQ(profile_for({}, with("/bin/dash"), "/home/ann").file, "/home/ann/.profile");
  const Profile fish = profile_for({}, with("/usr/bin/fish"), "/home/ann");
  EXPECT_EQ(fish.file, "/home/ann/.config/fish/conf.d/trustd.fish");
  EXPECT_TRUE(fish.fish);
  EXPECT_EQ(profile_for("/x/y", with("/usr/bin/fish"), "/home/ann").file, "/x/y");
  EXPECT_FALSE(profile_for("/x/y", with("/usr/bin/fish"), "/home/ann").fish);
}

TEST(Profile, AStoreWithBlanksIsQuoted) {
  EXPECT_EQ(sourcing_line("/a b", false),
            "if [ -r '/a b/current/env/env.sh' ]; then . '/a b/current/env/env.sh'; fi");
  EXPECT_EQ(sourcing_line("/s", true),
            "if test -r /s/current/env/env.fish; source /s/current/env/env.fish; end");
}

}  // namespace
}  // namespace trust
