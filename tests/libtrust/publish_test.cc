#include "libtrust/publish.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "libtrust/error.h"
#include "libtrust/file.h"
#include "libtrust/snapshot.h"
#include "tests/libtrust/mint.h"
#include "tests/libtrust/published.h"
#include "tests/libtrust/scratch.h"

namespace trust {
namespace {

using testing::count_certificates;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::mint;
using testing::Minted;
using ::testing::Not;
using testing::Published;
using testing::read_published;
namespace fs = std::filesystem;

class PublishTest : public ::testing::Test {
 protected:
  PublishTest() {
    settings_.directory = scratch_.path("public");
    settings_.reserve_bytes = 4096;
    open_store("trustd.db");
  }

  void open_store(const std::string& name) {
    store_ = std::make_unique<Store>(Store::open(scratch_.path(name), [this] { return now_; }));
  }
  Publisher& publisher() {
    if (!publisher_) publisher_ = std::make_unique<Publisher>(settings_);
    return *publisher_;
  }
  Publication publish() {
    Publication done = publisher().publish(*store_, now_);
    publisher().clean_up(now_);
    return done;
  }
  Published published() { return read_published(settings_.directory); }

  Added add(const Minted& minted, Trust trust, const std::string& label,
            std::vector<std::string> hosts = {}, std::optional<UnixTime> end = {},
            bool emit_signing = false) {
    Addition addition;
    addition.items.push_back({minted.certificate, trust, {}, label, false});
    for (const std::string& host : hosts) addition.items[0].hosts.push_back(Pattern::parse(host));
    addition.expires_at = end;
    addition.emit_signing = emit_signing;
    addition.replace = true;
    return store_->add({}, addition);
  }
  void set_base(const std::vector<Minted>& roots) {
    std::vector<BaseEntry> entries;
    for (const Minted& root : roots) entries.push_back({root.certificate});
    store_->set_base("test", entries, {});
  }

  static Minted ca(const std::string& name) {
    return mint({.common_name = name, .ca = true, .key_usage = "critical,keyCertSign"});
  }
  static Minted server(const std::string& name) {
    return mint({.common_name = name, .sans = {"DNS:" + name}, .ca = false});
  }
  static std::string certs_name(const Minted& minted) {
    return "certs/" + testing::fingerprint_of(minted) + ".pem";
  }

  Scratch scratch_;
  UnixTime now_ = system_clock_now();
  PublishSettings settings_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Publisher> publisher_;
};

TEST_F(PublishTest, EverythingIsThereAndListedWithItsDigest) {
  const Minted root = ca("Base Root"), own = ca("Own Root"), leaf = server("dev.test");
  set_base({root});
  add(own, Trust::root, "own-root");
  add(leaf, Trust::leaf, "dev");
  const Publication done = publish();
  EXPECT_EQ(done.generation, 3U);
  EXPECT_THAT(done.warnings, IsEmpty());
  EXPECT_EQ(publisher().published(*store_), 3U);
  const Published now = published();
  EXPECT_EQ(now.store_id, store_->store_id());
  EXPECT_EQ(now.audit_head, store_->audit_head());
  EXPECT_EQ(count_certificates(now.at("bundle.pem")), 3U);
  EXPECT_EQ(count_certificates(now.at("extra.pem")), 2U);
  for (const Minted& each : {root, own, leaf})
    EXPECT_THAT(now.at("bundle.pem"), HasSubstr(each.pem()));
  EXPECT_THAT(now.at("extra.pem"), Not(HasSubstr(root.pem())));
  EXPECT_EQ(now.at(certs_name(leaf)), leaf.pem());
  EXPECT_EQ(now.at("by-label/dev.pem"), leaf.pem());
  EXPECT_EQ(now.at("by-label/own-root.pem"), own.pem());
  EXPECT_FALSE(now.has(certs_name(root)));
  for (const char* name :
       {"truststore.p12", "trust.db", "env/env.sh", "env/env.fish", "env/env.env", "env/env.json"})
    EXPECT_TRUE(now.has(name)) << name;
  EXPECT_EQ(Snapshot::open(settings_.directory).header().generation, 3U);
  for (const char* name :
       {"public", "public/current", "public/current/certs", "public/current/hashed",
        "public/current/by-label", "public/current/env"}) {
    struct stat facts;
    ASSERT_EQ(::stat(scratch_.path(name).c_str(), &facts), 0) << name;
    EXPECT_EQ(facts.st_mode & 07777, 0755U) << name;
  }
}

TEST_F(PublishTest, HashedHoldsTheSameSetByTheNamesOfOpenssl) {
  const Minted first = ca("Same Name"), second = ca("Same Name"), other = ca("Other");
  set_base({first, other});
  add(second, Trust::root, "second");
  publish();
  const Published now = published();
  char name[32];
  std::snprintf(name, sizeof name, "hashed/%08x.", first.certificate.subject_hash());
  const std::string zero = now.at(std::string(name) + "0"), one = now.at(std::string(name) + "1");
  EXPECT_NE(zero, one);
  for (const std::string& each : {zero, one})
    EXPECT_TRUE(each == first.pem() || each == second.pem());
  EXPECT_FALSE(now.has(std::string(name) + "2"));
  std::snprintf(name, sizeof name, "hashed/%08x.0", other.certificate.subject_hash());
  EXPECT_EQ(now.at(name), other.pem());
}

TEST_F(PublishTest, WhatIsDistrustedIsInNoFile) {
  const auto key = testing::Key::p256();
  const Minted root = mint({.common_name = "Root", .ca = true, .key = key});
  const Minted again = mint({.common_name = "Root Renewed", .ca = true, .key = key});
  const Minted other = ca("Other");
  set_base({root, other});
  add(again, Trust::distrusted, "bad");
  publish();
  Published now = published();
  EXPECT_EQ(count_certificates(now.at("bundle.pem")), 1U);
  EXPECT_THAT(now.at("bundle.pem"), HasSubstr(other.pem()));
  EXPECT_FALSE(now.has("by-label/bad.pem"));
  store_->remove({}, again.certificate.fingerprint());
  Addition addition;
  addition.items.push_back({again.certificate, Trust::distrusted, {}, "bad", false});
  addition.only_this_certificate = true;
  store_->add({}, addition);
  publish();
  now = published();
  EXPECT_EQ(count_certificates(now.at("bundle.pem")), 2U);
  EXPECT_THAT(now.at("bundle.pem"), HasSubstr(root.pem()));
}

TEST_F(PublishTest, AScopedRootIsAShadowAndTheOriginalIsNowhere) {
  const Minted root = ca("Corp"), other = ca("Other");
  set_base({root, other});
  add(root, Trust::root, "corp", {"**.corp.test"});
  EXPECT_THAT(publish().warnings, IsEmpty());
  const Published now = published();
  EXPECT_EQ(count_certificates(now.at("bundle.pem")), 2U);
  EXPECT_EQ(count_certificates(now.at("extra.pem")), 1U);
  for (const auto& [name, bytes] : now.files) {
    if (name == "trust.db") continue;
    EXPECT_THAT(bytes, Not(HasSubstr(root.pem()))) << name;
  }
  const std::string shadow = now.at(certs_name(root));
  EXPECT_THAT(now.at("bundle.pem"), HasSubstr(shadow));
  EXPECT_EQ(now.at("by-label/corp.pem"), shadow);
}

TEST_F(PublishTest, ScopesOfOneNameAndKeyHoldTogether) {
  const auto key = testing::Key::p256();
  const auto named = [&](std::int64_t serial) {
    return mint({.common_name = "Corp", .ca = true, .key = key, .serial = serial});
  };
  const Minted one = named(1), two = named(2), three = named(3);
  add(one, Trust::root, "one", {"**.a.test"});
  add(two, Trust::root, "two", {"**.b.test"});
  publish();
  Published now = published();
  EXPECT_EQ(count_certificates(now.at("bundle.pem")), 1U);
  EXPECT_EQ(now.at("by-label/one.pem"), now.at("by-label/two.pem"));
  add(three, Trust::root, "three"); // without a scope: then all are
  publish();
  now = published();
  EXPECT_EQ(count_certificates(now.at("bundle.pem")), 3U);
  EXPECT_EQ(now.at("by-label/one.pem"), one.pem());
}

TEST_F(PublishTest, AnIntermediateIsASelfIssuedShadow) {
  const Minted root = ca("Root");
  const Minted middle =
      mint({.common_name = "Middle", .ca = true, .key_usage = "critical,keyCertSign"}, &root);
  add(middle, Trust::root, "middle");
  publish();
  const Published now = published();
  ASSERT_EQ(count_certificates(now.at("bundle.pem")), 1U);
  EXPECT_THAT(now.at("bundle.pem"), Not(HasSubstr(middle.pem())));
  EXPECT_TRUE(now.has("by-label/middle.pem"));
}

TEST_F(PublishTest, AMachinesStoreEmitsALeafThatCouldSignOnlyIfToldTo) {
  const Minted could = mint({.common_name = "dev.test", .sans = {"DNS:dev.test"}, .ca = true});
  settings_.system = true;
  add(could, Trust::leaf, "could");
  const Publication done = publish();
  ASSERT_EQ(done.warnings.size(), 1U);
  EXPECT_THAT(done.warnings[0], HasSubstr("could"));
  EXPECT_EQ(count_certificates(published().at("bundle.pem")), 0U);
  EXPECT_EQ(Snapshot::open(settings_.directory).find("could", 6).trust, Trust::leaf);
  add(could, Trust::leaf, "could", {}, {}, true);
  EXPECT_THAT(publish().warnings, IsEmpty());
  EXPECT_EQ(published().at("by-label/could.pem"), could.pem());
}

TEST_F(PublishTest, WhatEndedIsGoneAlsoBeforeTheStoreEndsIt) {
  const Minted leaf = server("dev.test"), other = server("other.test");
  add(leaf, Trust::leaf, "dev", {}, now_ + 100);
  publish();
  EXPECT_TRUE(published().has("by-label/dev.pem"));
  now_ += 100;
  add(other, Trust::leaf, "other");
  publish();
  EXPECT_FALSE(published().has("by-label/dev.pem"));
  now_ -= 1000; // a clock set back revives nothing
  store_->remove({}, other.certificate.fingerprint());
  publish();
  EXPECT_FALSE(published().has("by-label/dev.pem"));
  EXPECT_EQ(count_certificates(published().at("bundle.pem")), 0U);
}

TEST_F(PublishTest, ASubjectCannotForgeABlock) {
  const Minted evil = mint({.common_name = "x\n-----BEGIN CERTIFICATE-----\nAAAA\u202e",
                            .sans = {"DNS:evil.test"},
                            .ca = false});
  add(evil, Trust::leaf, "evil");
  publish();
  const std::string bundle = published().at("bundle.pem");
  EXPECT_EQ(count_certificates(bundle), 1U);
  EXPECT_EQ(bundle.find("-----BEGIN"), bundle.rfind("-----BEGIN"));
  for (const char c : bundle) EXPECT_TRUE(c == '\n' || (c >= 0x20 && c < 0x7f)) << int{c};
}

TEST_F(PublishTest, OnlyWhatIsNotPublishedYetIs) {
  add(server("dev.test"), Trust::leaf, "dev");
  EXPECT_EQ(publisher().published(*store_), 0U);
  publish();
  const auto before = fs::last_write_time(settings_.directory + "/current/MANIFEST.json");
  EXPECT_EQ(publish().generation, 1U);
  EXPECT_EQ(fs::last_write_time(settings_.directory + "/current/MANIFEST.json"), before);
}

TEST_F(PublishTest, ADamagedOrForeignOneIsPublishedAnew) {
  add(server("dev.test"), Trust::leaf, "dev");
  publish();
  const std::string current = settings_.directory + "/current/";
  for (const char* file : {"MANIFEST.json", "bundle.pem", "trust.db"}) {
    fs::remove(current + file);
    EXPECT_EQ(publisher().published(*store_), 0U) << file;
    publisher_.reset();
    EXPECT_EQ(publish().generation, 1U);
    EXPECT_EQ(published().generation, 1U);
  }
  fs::remove(current + "MANIFEST.json");
  std::ofstream(current + "MANIFEST.json") << "{";
  EXPECT_EQ(publisher().published(*store_), 0U);
  publish();
  fs::remove(current + "trust.db");
  std::ofstream(current + "trust.db") << "no database";
  add(server("other.test"), Trust::leaf, "other");
  publish();
  EXPECT_EQ(published().generation, 2U);
  const std::string id = published().store_id;
  open_store("another.db");
  add(server("third.test"), Trust::leaf, "third");
  EXPECT_EQ(publisher().published(*store_), 0U);
  publish();
  EXPECT_NE(published().store_id, id);
  EXPECT_TRUE(published().has("by-label/third.pem"));
  EXPECT_FALSE(published().has("by-label/dev.pem"));
}

TEST_F(PublishTest, OneOfAnotherFormIsPublishedAnew) {
  add(server("dev.test"), Trust::leaf, "dev");
  for (const int form : {kSnapshotFormat - 1, kSnapshotFormat + 1}) {
    publish();
    testing::set_form(settings_.directory + "/current/trust.db", form);
    EXPECT_THROW(Snapshot::open(settings_.directory), Error) << form;
    publisher_.reset(); // as a daemon that starts: nothing changed, and all the same
    EXPECT_EQ(publish().generation, 1U);
    EXPECT_EQ(Snapshot::open(settings_.directory).labels("", 10).size(), 1U);
  }
}

TEST_F(PublishTest, DamageInWhatIsPublishedIsNotGoneOnFrom) {
  for (int i = 0; i < 20; ++i) {
    const std::string name = "h" + std::to_string(i);
    add(server(name + ".test"), Trust::leaf, name);
  }
  publish();
  const std::string path = settings_.directory + "/current/trust.db";
  std::string bytes = read_file(path, 10'000'000);
  bytes[bytes.size() - 2000] ^= 1;
  fs::remove(path);
  std::ofstream(path, std::ios::binary) << bytes;
  add(server("next.test"), Trust::leaf, "next");
  publish();
  EXPECT_EQ(published().generation, 21U);
  std::size_t entries = 0;
  Snapshot::open(settings_.directory).each_entry([&](const Entry&, ByteView) { ++entries; });
  EXPECT_EQ(entries, 21U);
}

TEST_F(PublishTest, PinsThatDidNotChangeAreNotWrittenAgain) {
  const auto pin = [&](const std::string& host) {
    PinRow row;
    row.pattern = PortPattern::parse(host);
    return store_->add_pins({}, {row}).rows.at(0).id;
  };
  const auto index = [&](GenerationNumber number) {
    return settings_.directory + "/gen-" + std::to_string(number) + "/pins.index";
  };
  add(server("a.test"), Trust::leaf, "a");
  publish();
  EXPECT_FALSE(fs::exists(index(1)));
  const std::int64_t first = pin("a.test");
  publish();
  add(server("b.test"), Trust::leaf, "b");
  publish();
  EXPECT_TRUE(fs::equivalent(index(2), index(3)));
  pin("b.test");
  publish();
  EXPECT_FALSE(fs::equivalent(index(3), index(4)));
  store_->remove_pins({}, {first});
  publish();
  EXPECT_EQ(published().generation, 5U); // and what the manifest says of each file holds
  EXPECT_TRUE(published().has("pins.index"));
  const Snapshot now = Snapshot::open(settings_.directory);
  EXPECT_TRUE(now.pins_for(Host::parse("a.test"), 1).empty());
  EXPECT_EQ(now.pins_for(Host::parse("b.test"), 1).size(), 1U);
}

TEST_F(PublishTest, DamagedPinsAreNotGoneOnFrom) {
  std::vector<PinRow> rows(100);
  for (std::size_t i = 0; i < rows.size(); ++i)
    rows[i].pattern = PortPattern::parse("h" + std::to_string(i) + ".test");
  store_->add_pins({}, rows);
  publish();
  const std::string path = settings_.directory + "/current/pins.index";
  std::string bytes = read_file(path, 10'000'000);
  for (std::size_t at = 1500; at < bytes.size(); at += 1024) bytes[at] ^= 1;
  fs::remove(path);
  std::ofstream(path, std::ios::binary) << bytes;
  EXPECT_THROW(Snapshot::open(settings_.directory).pins_for(Host::parse("h1.test"), 1), Error);
  PinRow next;
  next.pattern = PortPattern::parse("next.test");
  store_->add_pins({}, {next});
  publish();
  const Snapshot now = Snapshot::open(settings_.directory);
  for (const PinRow& row : rows)
    EXPECT_EQ(now.pins_for(row.pattern.pattern.base(), 1).size(), 1U) << row.pattern.text();
  EXPECT_EQ(now.pins_for(Host::parse("next.test"), 1).size(), 1U);
}

TEST_F(PublishTest, ADatabasePutBackToAnOlderCopyIsNotGoneOnFrom) {
  add(server("a.test"), Trust::leaf, "a");
  publish();
  store_.reset();
  fs::copy_file(scratch_.path("trustd.db"), scratch_.path("copy.db"));
  open_store("trustd.db");
  add(server("b.test"), Trust::leaf, "b");
  publish();
  store_.reset();
  open_store("copy.db");
  add(server("c.test"), Trust::leaf, "c");
  publish();
  Published now = published();
  EXPECT_TRUE(now.has("by-label/c.pem"));
  EXPECT_FALSE(now.has("by-label/b.pem"));
  add(server("d.test"), Trust::leaf, "d");
  publish();
  now = published();
  EXPECT_TRUE(now.has("by-label/d.pem"));
  EXPECT_FALSE(now.has("by-label/b.pem"));
}

TEST_F(PublishTest, OldGenerationsStayForAWhileUnchanged) {
  settings_.keep_generations = 3;
  add(server("first.test"), Trust::leaf, "first");
  publish();
  const std::string first = settings_.directory + "/gen-1";
  const Published then = testing::read_generation(first, true);
  for (int i = 0; i < 5; ++i) {
    const Minted next = server("h" + std::to_string(i) + ".test");
    add(next, Trust::leaf, "h" + std::to_string(i));
    if (i == 3) store_->remove({}, next.certificate.fingerprint());
    publish();
    now_ += 10;
  }
  EXPECT_EQ(testing::read_generation(first, false).files, then.files); // 50 s old
  now_ += 10;
  add(server("later.test"), Trust::leaf, "later");
  publish();
  EXPECT_FALSE(fs::exists(first));
  now_ += 1000;
  add(server("last.test"), Trust::leaf, "last");
  publish();
  std::size_t generations = 0, names = 0;
  for (const auto& each : fs::directory_iterator(settings_.directory)) {
    const std::string name = each.path().filename();
    generations += name.starts_with("gen-");
    names += name.starts_with("certs-");
  }
  EXPECT_EQ(generations, 3U);
  EXPECT_EQ(names, 1U); // nobody has the ones before the removal any more
}

TEST_F(PublishTest, SaysHowLongToWaitForRoom) {
  settings_.most_directories = 4;
  settings_.keep_generations = 2;
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(publisher().wait_s(now_), 0) << i;
    add(server("h.test"), Trust::leaf, "h" + std::to_string(i));
    publish();
    now_ += 5;
  }
  EXPECT_EQ(publisher().wait_s(now_), 40); // the first was published 20 s ago
  EXPECT_EQ(publisher().wait_s(now_ + 39), 1);
  EXPECT_EQ(publisher().wait_s(now_ + 40), 0);
}

TEST_F(PublishTest, LeftoversAreRemovedAtStart) {
  add(server("dev.test"), Trust::leaf, "dev");
  publish();
  publisher_.reset();
  const std::string store = settings_.directory;
  fs::create_directories(store + "/.new/env");
  fs::create_directories(store + "/gen-7");
  fs::create_directories(store + "/certs-7");
  scratch_.write("public/.tmp-1-1", "x");
  scratch_.write("public/current/certs/left.pem", "x"); // of a change that was not published
  publisher();
  for (const char* name : {"/.new", "/gen-7", "/certs-7", "/.tmp-1-1"})
    EXPECT_FALSE(fs::exists(store + name)) << name;
  add(server("other.test"), Trust::leaf, "other");
  publish();
  EXPECT_FALSE(published().has("certs/left.pem"));
}

} // namespace
} // namespace trust
