#include "libtrust/hash_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <map>
#include <random>
#include <set>

#include "libtrust/error.h"
#include "libtrust/file.h"
#include "libtrust/page_hash.h"
#include "tests/libtrust/scratch.h"

namespace trust {
namespace {

class HashFileTest : public ::testing::Test {
 protected:
  Fd file(const std::string& name, int flags = O_RDWR | O_CREAT | O_TRUNC) const {
    return Fd(::open(scratch_.path(name).c_str(), flags | O_CLOEXEC, 0600));
  }
  HashFileWriter make(const std::string& name, std::uint64_t expected) const {
    return {file(name), name, id_, expected};
  }
  HashFileWriter amend(const std::string& from, const std::string& to) {
    const Fd before = file(from, O_RDONLY);
    const HashFileId of = id_;
    ++id_.generation;
    return {before.get(), of, file(to), to, id_.generation};
  }
  HashFile open(const std::string& name) const { return {file(name, O_RDONLY), name, id_}; }
  std::uintmax_t pages(const std::string& name) const {
    struct stat facts {};
    EXPECT_EQ(::stat(scratch_.path(name).c_str(), &facts), 0);
    EXPECT_EQ(facts.st_size % 1024, 0);
    return static_cast<std::uintmax_t>(facts.st_size / 1024);
  }

  static std::multiset<std::string> values(const HashFile& file, std::string_view key) {
    std::multiset<std::string> found;
    file.each(key, [&](ByteView value) { found.emplace(value.begin(), value.end()); });
    return found;
  }
  static bool take_away(HashFileWriter& writer, std::string_view key, std::string_view value) {
    return writer.remove(key, [&](ByteView each) {
      return std::string_view(reinterpret_cast<const char*>(each.data()), each.size()) == value;
    });
  }

  Scratch scratch_;
  HashFileId id_{"0123456789abcdef0123456789abcdef", 3};
};

TEST_F(HashFileTest, HoldsWhatAMapHolds) {
  std::mt19937 random(4711);
  using Model = std::map<std::string, std::multiset<std::string>>;
  Model model;
  const auto check = [&](const std::string& name) {
    const HashFile written = open(name);
    for (int i = 0; i < 60; ++i) {
      const std::string key = "key" + std::to_string(i);
      EXPECT_EQ(values(written, key), model[key]) << key;
    }
    EXPECT_TRUE(values(written, "").empty());
    EXPECT_TRUE(values(written, "key").empty());
  };
  // Few chains, and many: values of one key lie over several pages, keys share chains.
  for (const std::uint64_t expected : {1U, 20U, 4000U}) {
    model.clear();
    std::string name = "first" + std::to_string(expected);
    HashFileWriter writer = make(name, expected);
    for (int generation = 0; generation < 5; ++generation) {
      for (int i = 0; i < 200; ++i) {
        const std::string key = "key" + std::to_string(random() % 50);
        std::multiset<std::string>& held = model[key];
        if (random() % 3 == 0) {
          const std::string gone = held.empty() ? "none" : *held.begin();
          EXPECT_EQ(take_away(writer, key, gone), !held.empty());
          if (!held.empty()) held.erase(held.begin());
        } else {
          const std::string value(random() % 900, static_cast<char>('a' + random() % 26));
          writer.insert(key, view_of(value));
          held.insert(value);
        }
      }
      std::uint64_t count = 0;
      for (const auto& [key, held] : model) count += held.size();
      EXPECT_EQ(writer.count(), count);
      const Digest digest = writer.finish();
      EXPECT_EQ(digest, sha256(view_of(read_file(scratch_.path(name), 100'000'000))));
      check(name);
      const std::string next = name + "+";
      writer = amend(name, next);
      name = next;
    }
  }
}

TEST_F(HashFileTest, ALookUpOfManyReadsAboutOnePage) {
  constexpr std::uint64_t kMany = 20'000;
  HashFileWriter writer = make("many", kMany);
  const std::string value(100, 'v');
  for (std::uint64_t i = 0; i < kMany; ++i)
    writer.insert("host" + std::to_string(i) + ".bench.test", view_of(value));
  EXPECT_FALSE(writer.crowded());
  writer.finish();
  // A page for four values, and one in ten more for chains that had more than fits.
  EXPECT_LT(pages("many"), kMany / 4 * 11 / 10);
  for (std::uint64_t i = kMany; i < 2 * kMany; ++i)
    writer.insert("host" + std::to_string(i) + ".bench.test", view_of(value));
  EXPECT_FALSE(writer.crowded());
  writer.insert("one.more", view_of(value));
  EXPECT_TRUE(writer.crowded());
}

TEST_F(HashFileTest, ChainsThatEmptiedAreToldOf) {
  HashFileWriter writer = make("churn", 4);
  const std::string value(400, 'v');
  int rounds = 0;
  const auto name = [](int number) { return std::to_string(number); };
  for (; !writer.crowded() && rounds < 1000; ++rounds) {
    writer.insert(name(rounds), view_of(value));
    if (rounds >= 4) {
      EXPECT_TRUE(take_away(writer, name(rounds - 4), value)) << rounds;
    }
  }
  EXPECT_LT(rounds, 100);
  EXPECT_GT(rounds, 20);
}

TEST_F(HashFileTest, OnlyWhatFitsIntoAPageIsTaken) {
  HashFileWriter writer = make("large", 1);
  const std::string key = "key";
  std::string value(998 - key.size(), 'v');
  EXPECT_TRUE(HashFileWriter::fits(key, view_of(value)));
  for (int i = 0; i < 3; ++i) writer.insert(key, view_of(value));
  value += 'v';
  EXPECT_FALSE(HashFileWriter::fits(key, view_of(value)));
  EXPECT_THROW(writer.insert(key, view_of(value)), Error);
  writer.finish();
  EXPECT_EQ(values(open("large"), key).size(), 3U);
}

// Who may write the file can write hashes: such bytes are refused all the same, and bound what is
// read.
TEST_F(HashFileTest, PagesThatCannotBeAreDamageThoughTheirHashIsRight) {
  HashFileWriter writer = make("whole", 1);
  const std::string value(600, 'v');
  for (int i = 0; i < 3; ++i) writer.insert("key", view_of(value)); // in pages 1, 2 and 3
  writer.finish();
  const std::string whole = read_file(scratch_.path("whole"), 1'000'000);
  ASSERT_EQ(whole.size(), 4U * 1024);
  struct Forgery {
    const char* what;
    std::size_t page;
    std::size_t offset;
    std::string bytes;
  };
  const std::vector<Forgery> forgeries = {
      {"leads to itself", 1, 0, {"\1\0\0\0", 4}},
      {"leads back", 2, 0, {"\3\0\0\0", 4}},
      {"leads behind the end", 1, 0, {"\x77\0\0\0", 4}},
      {"leads far behind the end", 1, 0, {"\xFF\xFF\xFF\xFF", 4}},
      {"uses more than there is", 1, 4, {"\xFF\xFF", 2}},
      {"uses less than a record", 1, 4, {"\2\0", 2}},
      {"a key that is too long", 1, 6, {"\xFF\xFF", 2}},
      {"a value that is too long", 1, 8, {"\x5B\2", 2}},
      {"no chains", 0, 12, {"\0\0\0\0", 4}},
      {"more chains than pages", 0, 12, {"\4\0\0\0", 4}},
      {"another form", 0, 8, {"\2\0\0\0", 4}},
  };
  for (const Forgery& forgery : forgeries) {
    std::string bytes = whole;
    char* page = bytes.data() + forgery.page * 1024;
    std::copy(forgery.bytes.begin(), forgery.bytes.end(), page + forgery.offset);
    constexpr std::size_t kContent = 1024 - sizeof(PageHash);
    const PageHash hash =
        page_hash(reinterpret_cast<const std::uint8_t*>(page), kContent, forgery.page);
    std::copy(hash.begin(), hash.end(), page + kContent);
    scratch_.write("forged", bytes);
    try {
      values(open("forged"), "key");
      ADD_FAILURE() << forgery.what;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::store_invalid) << forgery.what;
    }
  }
}

TEST_F(HashFileTest, WhatIsNoFileOfOursIsRefused) {
  HashFileWriter writer = make("whole", 10);
  writer.insert("key", view_of("value"));
  writer.finish();
  const std::string whole = read_file(scratch_.path("whole"), 1'000'000);
  scratch_.write("empty", "");
  scratch_.write("zeros", std::string(whole.size(), '\0'));
  scratch_.write("head", whole.substr(0, 1024));
  scratch_.write("cut", whole.substr(0, whole.size() - 1));
  for (const char* name : {"empty", "zeros"}) EXPECT_THROW(open(name), Error) << name;
  // Its pages are read when they are needed, or all.
  for (const char* name : {"head", "cut"}) {
    const Fd before = file(name, O_RDONLY);
    EXPECT_THROW(HashFileWriter(before.get(), id_, file("copy"), "copy", 4), Error) << name;
  }
  EXPECT_THROW(values(open("head"), "key"), Error);
  for (const HashFileId& other :
       {HashFileId{id_.store_id, 4}, HashFileId{std::string(32, '0'), 3}, HashFileId{"", 3}})
    EXPECT_THROW(HashFile(file("whole", O_RDONLY), "whole", other), Error);
}

} // namespace
} // namespace trust
