#include "libtrust/publish_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "libtrust/publish.h"
#include "tests/libtrust/mint.h"
#include "tests/libtrust/published.h"
#include "tests/libtrust/scratch.h"

namespace trust {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::mint;
using testing::read_published;
namespace fs = std::filesystem;

class PublishCheckTest : public ::testing::Test {
 protected:
  PublishCheckTest() {
    PublishSettings settings;
    settings.directory = store_;
    publisher_.emplace(settings);
    add("one");
    add("two"); // into the directories that are there
  }
  void add(const std::string& label) {
    Addition addition;
    const auto leaf = mint({.common_name = label + ".test", .sans = {"DNS:" + label + ".test"}});
    addition.items.push_back({leaf.certificate, Trust::leaf, {}, label, false});
    database_.add({}, addition);
    publisher_->publish(database_, system_clock_now());
  }
  std::string current(const std::string& name) const { return store_ + "/current/" + name; }
  static void append(const std::string& path, const std::string& text) {
    ::chmod(path.c_str(), 0644);
    std::ofstream(path, std::ios::app) << text;
  }
  PublishedState check(const std::optional<timespec>& whole_at = {}) const {
    return *check_published(store_, database_.generation(), whole_at, [] { return false; });
  }
  std::vector<std::string> faults(const std::optional<timespec>& whole_at = {}) const {
    std::vector<std::string> found;
    for (const PublishedFault& fault : check(whole_at).faults) {
      found.push_back(fault.file + " " + fault.what);
    }
    return found;
  }

  Scratch scratch_;
  std::string store_ = scratch_.path("public");
  Store database_ = Store::open(scratch_.path("trustd.db"), system_clock_now);
  std::optional<Publisher> publisher_;
};

TEST_F(PublishCheckTest, WhatWasPublishedIsWhole) {
  const PublishedState state = check();
  EXPECT_TRUE(state.whole());
  EXPECT_EQ(6U, state.directories.size()); // the store's, the generation's, four of names
  EXPECT_TRUE(check(state.newest).whole());
}

TEST_F(PublishCheckTest, EveryFileThatIsChangedIsFoundAndNamed) {
  for (const auto& [name, contents] : read_published(store_).files) {
    append(current(name), "x");
    // Under another name as well, if it is the same file.
    EXPECT_THAT(faults(), Contains("current/" + name + " was changed")) << name;
    fs::resize_file(current(name), contents.size());
    EXPECT_THAT(faults(), ElementsAre()) << name;
  }
}

TEST_F(PublishCheckTest, EveryFileThatIsGoneIsFound) {
  for (const auto& [name, contents] : read_published(store_).files) {
    fs::rename(current(name), scratch_.path("aside"));
    EXPECT_THAT(faults(), ElementsAre("current/" + name + " is missing"));
    fs::rename(scratch_.path("aside"), current(name));
  }
}

TEST_F(PublishCheckTest, OneThatWasFoundWholeIsReadAgainWhenItIsTouched) {
  const PublishedState before = check();
  timespec later = before.newest; // as if it had been found whole a while after that
  later.tv_sec += 5;
  append(current("bundle.pem"), "x");
  EXPECT_THAT(faults(before.newest), ElementsAre("current/bundle.pem was changed"));
  EXPECT_THAT(faults(later), ElementsAre()) << "which is why it costs a stat alone";
}

TEST_F(PublishCheckTest, NameThatNobodyPublishedIsFoundInEachDirectory) {
  for (const std::string kind : {"by-label", "certs", "env", "hashed"}) {
    const std::string name = current(kind + "/added.0");
    append(name, "x");
    EXPECT_THAT(faults(), ElementsAre("current/" + kind + "/added.0 was added"));
    fs::remove(name);
  }
}

TEST_F(PublishCheckTest, WhatOthersMayWriteToIsAFault) {
  ::chmod(current("extra.pem").c_str(), 0464);
  EXPECT_THAT(faults(), ElementsAre("current/extra.pem may be written by others"));
}

TEST_F(PublishCheckTest, ManifestThatWasTamperedWithOrCutIsAFault) {
  const std::string path = current("MANIFEST.json");
  std::string text;
  std::getline(std::ifstream(path), text, '\0');
  const auto write = [&](const std::string& other) {
    ::chmod(path.c_str(), 0644);
    std::ofstream(path) << other;
  };
  for (const std::string& other :
       {std::string(), std::string("{}"), text.substr(0, text.size() - 4), text + "more",
        text.substr(0, text.size() / 2), std::string(100'000, '{'), std::string(3, '\n')}) {
    write(other);
    EXPECT_FALSE(check().whole()) << other.substr(0, 40);
  }
  fs::remove(path);
  EXPECT_THAT(faults(), ElementsAre("current/MANIFEST.json is missing"));
}

TEST_F(PublishCheckTest, CurrentThatIsGoneOrPointsElsewhereIsAFault) {
  const fs::path target = fs::read_symlink(store_ + "/current");
  fs::remove(store_ + "/current");
  EXPECT_THAT(faults(), ElementsAre("current is missing"));
  fs::create_symlink("gen-1", store_ + "/current");
  EXPECT_THAT(faults(), ElementsAre("current points to another generation"));
  fs::remove(store_ + "/current");
  fs::create_symlink(target, store_ + "/current");
  fs::rename(fs::path(store_) / target, scratch_.path("aside"));
  EXPECT_THAT(faults(), ElementsAre("current points to nothing"));
}

TEST_F(PublishCheckTest, FaultsAreNamedUpToABoundAndCounted) {
  for (int i = 0; i < 60; ++i) append(current("hashed/" + std::to_string(i) + ".x"), "x");
  const PublishedState state = check();
  EXPECT_EQ(kMostPublishedFaults, state.faults.size());
  EXPECT_EQ(10U, state.more);
}

TEST_F(PublishCheckTest, IsWrittenAnewWhateverWasDone) {
  const auto before = read_published(store_).files;
  append(current("bundle.pem"), "x");
  append(current("hashed/added.0"), "x");
  fs::remove(current("by-label/one.pem"));
  publisher_->publish(database_, system_clock_now());
  EXPECT_FALSE(check().whole()) << "it is published already";
  publisher_->publish(database_, system_clock_now(), true);
  EXPECT_TRUE(check().whole());
  const auto after = read_published(store_).files;
  for (const char* name : {"bundle.pem", "extra.pem", "by-label/one.pem", "env/env.sh"}) {
    EXPECT_EQ(before.at(name), after.at(name)) << name;
  }
}

TEST_F(PublishCheckTest, EndsWhenItIsToldTo) {
  EXPECT_FALSE(check_published(store_, database_.generation(), {}, [] { return true; }));
}

} // namespace
} // namespace trust
