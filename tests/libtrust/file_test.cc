#include "libtrust/file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "libtrust/error.h"
#include "tests/libtrust/scratch.h"

namespace trust {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

template <typename Act>
std::optional<Error> error_of(Act&& act) {
  try {
    act();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

template <typename Act>
std::optional<Code> code_of(Act&& act) {
  const auto error = error_of(std::forward<Act>(act));
  return error ? std::optional(error->code()) : std::nullopt;
}

mode_t mode_of(const std::string& path) {
  struct stat facts;
  return ::lstat(path.c_str(), &facts) == 0 ? (facts.st_mode & 07777) : 0;
}

std::vector<std::string> names_of(int directory) {
  std::vector<std::string> names;
  each_name(directory, [&](const std::string& name) {
    names.push_back(name);
    return true;
  });
  return names;
}

TEST(OwnDirectory, IsMadeWithItsParentsWhateverTheUmask) {
  const Scratch scratch;
  for (const mode_t umask_bits : {0777U, 0000U, 0022U}) {
    const mode_t before = ::umask(umask_bits);
    const std::string top = scratch.path("u" + std::to_string(umask_bits));
    EXPECT_EQ(code_of([&] { open_own_directory(top + "/a/b", 0755); }), std::nullopt);
    ::umask(before);
    EXPECT_EQ(mode_of(top), 0700U);
    EXPECT_EQ(mode_of(top + "/a/b"), 0755U);
  }
}

TEST(OwnDirectory, GetsExactlyItsModeAlsoWhenItIsThere) {
  const Scratch scratch;
  ASSERT_EQ(::mkdir(scratch.path("d").c_str(), 0700), 0);
  open_own_directory(scratch.path("d"), 0711);
  EXPECT_EQ(mode_of(scratch.path("d")), 0711U);
}

TEST(CheckedDirectory, RefusesWhatOthersMayWriteTo) {
  const Scratch scratch;
  ASSERT_EQ(::mkdir(scratch.path("open").c_str(), 0700), 0);
  ASSERT_EQ(::mkdir(scratch.path("open/inner").c_str(), 0755), 0);
  ASSERT_EQ(::chmod(scratch.path("open").c_str(), 0777), 0);
  const auto error = error_of([&] { open_checked_directory(scratch.path("open/inner")); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::store_access);
  EXPECT_THAT(error->message(), HasSubstr(scratch.path("open")));
  EXPECT_THAT(error->hint(), HasSubstr("chmod"));
  // A sticky one is as good as /tmp for a parent, and no place for files of ours.
  ASSERT_EQ(::chmod(scratch.path("open").c_str(), 01777), 0);
  EXPECT_EQ(code_of([&] { open_checked_directory(scratch.path("open/inner")); }), std::nullopt);
  EXPECT_EQ(code_of([&] { open_checked_directory(scratch.path("open")); }), Code::store_access);
}

TEST(CheckedDirectory, RefusesWhatBelongsToSomebodyElse) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a directory away";
  const Scratch scratch;
  ASSERT_EQ(::mkdir(scratch.path("theirs").c_str(), 0755), 0);
  ASSERT_EQ(::mkdir(scratch.path("theirs/inner").c_str(), 0755), 0);
  ASSERT_EQ(::chown(scratch.path("theirs").c_str(), 12345, 12345), 0);
  EXPECT_EQ(code_of([&] { open_checked_directory(scratch.path("theirs/inner")); }),
            Code::store_access);
  ASSERT_EQ(::lchown(scratch.path("theirs").c_str(), 0, 0), 0);
  ASSERT_EQ(::symlink("theirs", scratch.path("link").c_str()), 0);
  EXPECT_EQ(code_of([&] { open_checked_directory(scratch.path("link/inner")); }), std::nullopt);
  ASSERT_EQ(::lchown(scratch.path("link").c_str(), 12345, 12345), 0);
  EXPECT_EQ(code_of([&] { open_checked_directory(scratch.path("link/inner")); }),
            Code::store_access);
}

TEST(CheckedDirectory, FollowsLinksOnTheWayButNotAtTheEnd) {
  const Scratch scratch;
  ASSERT_EQ(::mkdir(scratch.path("real").c_str(), 0755), 0);
  ASSERT_EQ(::mkdir(scratch.path("real/d").c_str(), 0755), 0);
  ASSERT_EQ(::symlink(scratch.path("real").c_str(), scratch.path("absolute").c_str()), 0);
  ASSERT_EQ(::symlink("../real/./d/..", scratch.path("real/d/relative").c_str()), 0);
  ASSERT_EQ(::symlink("loop", scratch.path("loop").c_str()), 0);
  EXPECT_EQ(code_of([&] { open_checked_directory(scratch.path("absolute/d")); }), std::nullopt);
  EXPECT_EQ(code_of([&] { open_checked_directory(scratch.path("real/d/../d")); }), std::nullopt);
  EXPECT_EQ(code_of([&] { open_checked_directory(scratch.path("absolute")); }), Code::store_access);
  EXPECT_EQ(code_of([&] { open_checked_directory(scratch.path("loop/d")); }), Code::invalid);
  EXPECT_EQ(code_of([&] { open_checked_directory(scratch.path("none")); }), Code::not_found);
  EXPECT_EQ(code_of([&] { open_checked_directory("relative"); }), Code::invalid);
}

TEST(ReadFile, ReadsTheWholeAndRefusesWhatIsNoFileOrTooLarge) {
  const Scratch scratch;
  scratch.write("f", std::string(100'000, 'x'));
  EXPECT_EQ(read_file(scratch.path("f"), 100'000).size(), 100'000U);
  EXPECT_EQ(code_of([&] { read_file(scratch.path("f"), 99'999); }), Code::too_large);
  EXPECT_EQ(code_of([&] { read_file(scratch.path("none"), 10); }), Code::not_found);
  EXPECT_EQ(code_of([&] { read_file(scratch.path(""), 10); }), Code::invalid);
  EXPECT_EQ(code_of([&] { read_file("/dev/zero", 10); }), Code::invalid);
  ASSERT_EQ(::mkfifo(scratch.path("fifo").c_str(), 0600), 0);
  EXPECT_EQ(code_of([&] { read_file(scratch.path("fifo"), 10); }), Code::invalid);
  EXPECT_FALSE(read_file("/proc/self/status", 100'000).empty()); // it says that it has 0 bytes
}

TEST(ReadFile, BelowADirectoryFollowsNoLink) {
  const Scratch scratch;
  const Fd directory = open_checked_directory(scratch.path());
  scratch.write("f", "bytes");
  ASSERT_EQ(::symlink("f", scratch.path("link").c_str()), 0);
  EXPECT_EQ(read_file_at(directory.get(), "f", 10), "bytes");
  EXPECT_EQ(read_file_at(directory.get(), "none", 10), std::nullopt);
  EXPECT_EQ(code_of([&] { read_file_at(directory.get(), "link", 10); }), Code::io);
}

TEST(NewFile, AppearsWholeOrNotAtAll) {
  const Scratch scratch;
  const Fd directory = open_checked_directory(scratch.path());
  scratch.write("f", "old");
  {
    NewFile file(directory.get(), "f", 0444);
    file.write(std::string(200'000, 'a'));
    file.write("b");
    EXPECT_EQ(read_file_at(directory.get(), "f", 10), "old");
  }
  EXPECT_THAT(names_of(directory.get()), UnorderedElementsAre("f"));
  const mode_t before = ::umask(0777);
  NewFile file(directory.get(), "f", 0444);
  file.write(std::string(200'000, 'a'));
  file.write("b");
  const Digest digest = file.digest();
  file.commit();
  ::umask(before);
  EXPECT_EQ(file.size(), 200'001U);
  EXPECT_EQ(read_file_at(directory.get(), "f", 300'000), std::string(200'000, 'a') + "b");
  EXPECT_EQ(mode_of(scratch.path("f")), 0444U);
  EXPECT_THAT(names_of(directory.get()), UnorderedElementsAre("f"));
  EXPECT_EQ(digest, write_file_at(directory.get(), "g", std::string(200'000, 'a') + "b", 0600));
  EXPECT_NE(digest, write_file_at(directory.get(), "g", "", 0600));
}

TEST(SwitchLink, ReplacesALinkInOneStep) {
  const Scratch scratch;
  const Fd directory = open_checked_directory(scratch.path());
  switch_link(directory.get(), "current", "gen-1");
  switch_link(directory.get(), "current", "gen-2");
  char target[16] = {};
  ASSERT_EQ(::readlinkat(directory.get(), "current", target, sizeof target), 5);
  EXPECT_STREQ(target, "gen-2");
  EXPECT_THAT(names_of(directory.get()), UnorderedElementsAre("current"));
}

TEST(RemoveTree, RemovesEverythingBelowAndFollowsNoLink) {
  const Scratch scratch;
  const Fd directory = open_checked_directory(scratch.path());
  ASSERT_EQ(::mkdir(scratch.path("keep").c_str(), 0755), 0);
  scratch.write("keep/f", "kept");
  ASSERT_EQ(::mkdir(scratch.path("d").c_str(), 0755), 0);
  ASSERT_EQ(::mkdir(scratch.path("d/e").c_str(), 0755), 0);
  ASSERT_EQ(::symlink("../keep", scratch.path("d/link").c_str()), 0);
  for (int i = 0; i < 300; ++i) scratch.write("d/e/" + std::to_string(i), "x");
  remove_tree_at(directory.get(), "d");
  remove_tree_at(directory.get(), "d");
  EXPECT_THAT(names_of(directory.get()), UnorderedElementsAre("keep"));
  EXPECT_EQ(read_file(scratch.path("keep/f"), 10), "kept");
}

} // namespace
} // namespace trust
