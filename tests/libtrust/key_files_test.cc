#include "libtrust/key_files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "libtrust/error.h"
#include "tests/libtrust/scratch.h"

namespace trust {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr const char* kFirst = "0123456789abcdef";
constexpr const char* kSecond = "fedcba9876543210";

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

mode_t mode_of(const std::string& path) {
  struct stat facts {};
  return ::lstat(path.c_str(), &facts) == 0 ? facts.st_mode & 07777 : 0;
}

class KeyFiles : public ::testing::Test {
 protected:
  void SetUp() override { ::umask(0); }
  void TearDown() override { ::umask(022); }

  Scratch scratch_;
  std::string path_ = scratch_.path("pair");
  Fd directory_ = open_key_directory(path_);
};

TEST_F(KeyFiles, KeyIsForItsOwnerAloneWhateverTheUmask) {
  write_pair(directory_.get(), path_, Secret("key"), "certificate", false);
  EXPECT_EQ(mode_of(path_), 0700U);
  EXPECT_EQ(mode_of(path_ + "/key.pem"), 0600U);
  EXPECT_EQ(mode_of(path_ + "/cert.pem"), 0644U);
  EXPECT_EQ(contents(path_ + "/key.pem"), "key");
  EXPECT_EQ(contents(path_ + "/cert.pem"), "certificate");
}

TEST_F(KeyFiles, NothingIsReplacedUnlessItIsAsked) {
  for (const char* there : {kKeyFile, kCertificateFile, kCurrentPair}) {
    SCOPED_TRACE(there);
    std::ofstream(path_ + "/" + there) << "mine";
    try {
      write_pair(directory_.get(), path_, Secret("key"), "certificate", false);
      ADD_FAILURE() << "written";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::conflict);
      EXPECT_THAT(error.message(), HasSubstr(there));
      EXPECT_THAT(error.hint(), HasSubstr("--force"));
    }
    EXPECT_EQ(contents(path_ + "/" + there), "mine");
    EXPECT_EQ(std::distance(fs::directory_iterator(path_), {}), 1);
    fs::remove(path_ + "/" + there);
  }
  write_pair(directory_.get(), path_, Secret("key"), "certificate", false);
  write_pair(directory_.get(), path_, Secret("other"), "another", true);
  EXPECT_EQ(contents(path_ + "/key.pem"), "other");
  EXPECT_EQ(contents(path_ + "/cert.pem"), "another");
  EXPECT_EQ(std::distance(fs::directory_iterator(path_), {}), 2);
}

TEST_F(KeyFiles, LinkInPlaceOfAFileIsReplacedAndNotFollowed) {
  scratch_.write("victim", "mine");
  fs::create_symlink(scratch_.path("victim"), path_ + "/key.pem");
  EXPECT_THROW(write_pair(directory_.get(), path_, Secret("key"), "certificate", false), Error);
  write_pair(directory_.get(), path_, Secret("key"), "certificate", true);
  EXPECT_EQ(contents(scratch_.path("victim")), "mine");
  EXPECT_EQ(contents(path_ + "/key.pem"), "key");
}

TEST_F(KeyFiles, DirectoryThatOthersMayWriteToIsRefused) {
  fs::create_directory(scratch_.path("open"));
  fs::permissions(scratch_.path("open"), fs::perms::all);
  EXPECT_THROW(open_key_directory(scratch_.path("open")), Error);
}

TEST_F(KeyFiles, PairIsShownWholeAndTheOneBeforeStays) {
  prepare_pair(directory_.get(), kFirst, Secret("key 1"), "certificate 1");
  EXPECT_FALSE(shown_pair(directory_.get()));
  EXPECT_FALSE(fs::exists(path_ + "/key.pem"));
  show_pair(directory_.get(), kFirst);
  EXPECT_EQ(shown_pair(directory_.get()), kFirst);
  EXPECT_EQ(contents(path_ + "/key.pem"), "key 1");
  prepare_pair(directory_.get(), kSecond, Secret("key 2"), "certificate 2");
  EXPECT_EQ(contents(path_ + "/cert.pem"), "certificate 1");
  show_pair(directory_.get(), kSecond);
  EXPECT_EQ(contents(path_ + "/key.pem"), "key 2");
  EXPECT_EQ(contents(path_ + "/current/cert.pem"), "certificate 2");
  EXPECT_EQ(contents(path_ + "/" + kFirst + "/key.pem"), "key 1");
  EXPECT_EQ(mode_of(path_ + "/" + kSecond + "/key.pem"), 0600U);
  EXPECT_EQ(read_key(directory_.get(), path_).view(), "key 2");
  remove_pairs_but(directory_.get(), {kSecond});
  EXPECT_FALSE(fs::exists(path_ + "/" + kFirst));
  EXPECT_TRUE(remove_pairs(directory_.get()));
  EXPECT_TRUE(fs::is_empty(path_));
}

TEST_F(KeyFiles, ReaderThatReadsCurrentOnceNeverSeesTwoPairsMixed) {
  constexpr int kRenewals = 300;
  const auto name = [](int i) { return std::to_string(1'000'000'000'000'000 + i); };
  prepare_pair(directory_.get(), name(0), Secret("0"), "0");
  show_pair(directory_.get(), name(0));
  std::atomic<bool> done = false;
  std::atomic<int> read = 0;
  std::thread reader([&] {
    while (!done) {
      const std::string pair = path_ + "/" + fs::read_symlink(path_ + "/current").string();
      const std::string key = contents(pair + "/key.pem");
      EXPECT_EQ(key, contents(pair + "/cert.pem"));
      EXPECT_NE(key, "");
      EXPECT_NE(contents(path_ + "/key.pem"), "");
      ++read;
    }
  });
  for (int i = 1; i <= kRenewals; ++i) {
    const int before = read;
    const std::string text = std::to_string(i);
    prepare_pair(directory_.get(), name(i), Secret(text), text);
    show_pair(directory_.get(), name(i));
    while (read < before + 2) std::this_thread::yield(); // nobody needs the one before the last
    remove_pairs_but(directory_.get(), {name(i - 1), name(i)});
  }
  done = true;
  reader.join();
  EXPECT_GE(read, kRenewals);
}

TEST_F(KeyFiles, WhatIsNotOursStays) {
  prepare_pair(directory_.get(), kFirst, Secret("key"), "certificate");
  show_pair(directory_.get(), kFirst);
  fs::create_directory(path_ + "/" + kSecond);
  std::ofstream(path_ + "/" + kSecond + "/letter") << "mine";
  std::ofstream(path_ + "/notes") << "mine";
  EXPECT_FALSE(remove_pairs(directory_.get()));
  EXPECT_EQ(contents(path_ + "/" + kSecond + "/letter"), "mine");
  EXPECT_EQ(contents(path_ + "/notes"), "mine");
  EXPECT_FALSE(fs::exists(path_ + "/" + kFirst));
}

TEST_F(KeyFiles, PairThatWasNotPreparedIsNotShown) {
  EXPECT_THROW(show_pair(directory_.get(), kFirst), Error);
  EXPECT_THROW(read_key(directory_.get(), path_), Error);
}

TEST(SecretFile, IsReadOnlyIfNobodyElseCanReadIt) {
  const Scratch scratch;
  scratch.write("passphrase", "correct horse\n");
  const std::string path = scratch.path("passphrase");
  ::chmod(path.c_str(), 0644);
  try {
    read_secret_file(path, 100);
    ADD_FAILURE() << "read";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::store_access);
    EXPECT_EQ(error.hint(), "chmod 600 '" + path + "'");
  }
  ::chmod(path.c_str(), 0600);
  EXPECT_EQ(read_secret_file(path, 100).view(), "correct horse\n");
  EXPECT_THROW(read_secret_file(path, 5), Error);
  EXPECT_THROW(read_secret_file(scratch.path("none"), 5), Error);
  EXPECT_THROW(read_secret_file(scratch.path(), 5), Error);
}

} // namespace
} // namespace trust
