#include "libtrust/name_writes.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <string>

#include "libtrust/error.h"
#include "tests/libtrust/scratch.h"

namespace trust {
namespace {

class NameWritesTest : public ::testing::Test {
 protected:
  // A directory of names that a generation has already, as "certs-1"; others see it.
  NameDirectory shared(const std::string& kind) {
    NameDirectory::make(store_.get(), kind, 1);
    std::filesystem::create_directories(scratch_.path("gen-1"));
    std::filesystem::create_symlink("../" + kind + "-1", scratch_.path("gen-1/" + kind));
    const Fd generation(::open(scratch_.path("gen-1").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return NameDirectory::of(store_.get(), generation.get(), kind);
  }

  std::set<std::string> names(const std::string& directory) const {
    std::set<std::string> found;
    for (const auto& each : std::filesystem::directory_iterator(scratch_.path(directory)))
      found.insert(each.path().filename());
    return found;
  }

  Scratch scratch_;
  Fd store_{::open(scratch_.path("").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  bool made_ = std::filesystem::create_directory(scratch_.path("aside"));
  Fd aside_{::open(scratch_.path("aside").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
};

TEST_F(NameWritesTest, WritesFewOrManyEachWithItsLinks) {
  NameDirectory certs = shared("certs");
  NameDirectory hashed = shared("hashed");
  std::size_t written = 0;
  for (const std::size_t count : {0U, 1U, 500U}) {
    NameWrites writes;
    for (std::size_t i = written; i < written + count; ++i) {
      const std::string number = std::to_string(i);
      const std::size_t file = writes.file(certs, number + ".pem", "text of " + number);
      writes.link(file, hashed, number + ".0");
      writes.link(file, hashed, number + ".1");
    }
    writes.start(aside_.get(), nullptr);
    Unsynced unsynced(store_.get());
    writes.finish(unsynced);
    unsynced.sync();
    written += count;
  }
  EXPECT_EQ(names("certs-1").size(), written); // no temporary is left
  EXPECT_EQ(names("hashed-1").size(), 2 * written);
  EXPECT_TRUE(names("aside").empty());
  for (std::size_t i = 0; i < written; ++i) {
    const std::string number = std::to_string(i);
    EXPECT_EQ(read_file(scratch_.path("certs-1/" + number + ".pem"), 100), "text of " + number);
    struct stat file {
    }, first{}, second{};
    ASSERT_EQ(::stat(scratch_.path("certs-1/" + number + ".pem").c_str(), &file), 0);
    ASSERT_EQ(::stat(scratch_.path("hashed-1/" + number + ".0").c_str(), &first), 0);
    ASSERT_EQ(::stat(scratch_.path("hashed-1/" + number + ".1").c_str(), &second), 0);
    EXPECT_EQ(file.st_ino, first.st_ino);
    EXPECT_EQ(file.st_ino, second.st_ino);
    EXPECT_EQ(file.st_mode & 07777, 0444U);
  }
}

TEST_F(NameWritesTest, UsesTheFileThatWasMadeAhead) {
  NameDirectory certs = shared("certs");
  const std::string spare = scratch_.path("aside/spare");
  { const Fd made(::open(spare.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)); }
  struct stat before {
  }, after{};
  ASSERT_EQ(::stat(spare.c_str(), &before), 0);
  NameWrites writes;
  writes.file(certs, "a.pem", "text");
  writes.start(aside_.get(), "spare");
  Unsynced unsynced(store_.get());
  writes.finish(unsynced);
  ASSERT_EQ(::stat(scratch_.path("certs-1/a.pem").c_str(), &after), 0);
  EXPECT_EQ(after.st_ino, before.st_ino);
  EXPECT_TRUE(names("aside").empty());
}

TEST_F(NameWritesTest, SaysWhatFailedAndLeavesNoTemporary) {
  NameDirectory certs = shared("certs");
  for (const std::size_t bad : {0U, 50U, 99U}) {
    NameWrites writes;
    for (std::size_t i = 0; i < 100; ++i)
      writes.file(certs, i == bad ? ".hidden" : std::to_string(i) + ".pem", "text");
    writes.start(aside_.get(), nullptr);
    Unsynced unsynced(store_.get());
    EXPECT_THROW(writes.finish(unsynced), Error) << bad;
  }
  EXPECT_TRUE(names("aside").empty());
  for (const std::string& name : names("certs-1")) EXPECT_NE(name.front(), '.') << name;
}

TEST_F(NameWritesTest, AreLeftWithoutFinishingWhenTheCallerFails) {
  NameDirectory certs = shared("certs");
  {
    NameWrites writes;
    for (std::size_t i = 0; i < 100; ++i) writes.file(certs, std::to_string(i) + ".pem", "text");
    writes.start(aside_.get(), nullptr);
  }
  for (const std::string& name : names("certs-1"))
    EXPECT_EQ(read_file(scratch_.path("certs-1/" + name), 100), "text") << name;
}

} // namespace
} // namespace trust
