#include "libtrust/snapshot.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "libtrust/error.h"
#include "libtrust/file.h"
#include "tests/libtrust/mint.h"
#include "tests/libtrust/published.h"
#include "tests/libtrust/scratch.h"

namespace trust {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::mint;
using testing::Minted;

class SnapshotTest : public ::testing::Test {
 protected:
  SnapshotTest() { std::filesystem::create_directories(scratch_.path("store/gen-7")); }

  std::string file() const { return scratch_.path("store/gen-7/trust.db"); }
  std::string index() const { return scratch_.path("store/gen-7/pins.index"); }
  std::string store() const { return scratch_.path("store"); }

  Entry entry(const Minted& minted, Trust trust, const std::string& label,
              std::vector<std::string> hosts = {}, Layer layer = Layer::own) {
    Entry entry;
    entry.id = ++last_id_;
    entry.layer = layer;
    entry.trust = trust;
    entry.certificate = CertificateFacts::of(minted.certificate);
    entry.label = label;
    for (const std::string& host : hosts) entry.hosts.push_back(Pattern::parse(host));
    entry.reason = "because";
    entry.owner = 1000;
    entry.added_at = 123;
    entry.since = 7;
    return entry;
  }

  PinRow pin(const std::string& pattern) {
    PinRow row;
    row.id = ++last_id_;
    row.pin.spki_hash.fill(static_cast<std::uint8_t>(row.id));
    row.pattern = PortPattern::parse(pattern);
    row.note = "note of " + pattern;
    row.added_at = 5;
    row.since = 3;
    return row;
  }

  Digest write(const std::function<void(SnapshotWriter&)>& fill) {
    SnapshotWriter writer(file(), header_);
    fill(writer);
    writer.index();
    const Digest digest = writer.finish();
    std::error_code ignored;
    std::filesystem::remove(scratch_.path("store/current"), ignored);
    std::filesystem::create_symlink("gen-7", scratch_.path("store/current"));
    return digest;
  }

  std::optional<Code> open_error() {
    try {
      Snapshot::open(store());
    } catch (const Error& error) {
      message_ = error.message();
      return error.code();
    }
    return std::nullopt;
  }

  Scratch scratch_;
  SnapshotHeader header_{"0123456789abcdef0123456789abcdef", 7, 1'800'000'000, "3:abc"};
  std::int64_t last_id_ = 0;
  std::string message_;
};

TEST_F(SnapshotTest, GivesBackWhatWasWritten) {
  const Minted server = mint({.common_name = "dev.test", .sans = {"DNS:dev.test", "IP:127.0.0.1"}});
  const Minted ca = mint({.common_name = "Corp CA", .ca = true});
  Entry leaf = entry(server, Trust::leaf, "dev");
  leaf.expires_at = 1'900'000'000;
  leaf.emit_signing = true;
  Entry root = entry(ca, Trust::root, "corp", {"**.corp.test", "10.0.0.0/8", "api.corp.test"});
  Entry banned = entry(ca, Trust::distrusted, "", {}, Layer::base);
  banned.only_this_certificate = true;
  const Digest digest = write([&](SnapshotWriter& writer) {
    writer.entry(leaf, server.certificate.der());
    writer.entry(root, ca.certificate.der());
    writer.entry(banned, ca.certificate.der());
  });
  const std::string bytes = read_file(file(), 10'000'000);
  EXPECT_EQ(digest, sha256({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}));

  const Snapshot snapshot = Snapshot::open(store());
  EXPECT_EQ(snapshot.header().store_id, header_.store_id);
  EXPECT_EQ(snapshot.header().generation, 7U);
  EXPECT_EQ(snapshot.header().created_at, 1'800'000'000);
  EXPECT_EQ(snapshot.header().audit_head, "3:abc");

  const auto found = snapshot.by_fingerprint(server.certificate.fingerprint());
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].id, leaf.id);
  EXPECT_EQ(found[0].trust, Trust::leaf);
  EXPECT_EQ(found[0].certificate.subject, server.certificate.subject());
  EXPECT_THAT(found[0].certificate.names, ElementsAre("dev.test", "127.0.0.1"));
  EXPECT_EQ(found[0].certificate.not_after, server.certificate.not_after());
  EXPECT_EQ(found[0].expires_at, 1'900'000'000);
  EXPECT_EQ(found[0].reason, "because");
  EXPECT_TRUE(found[0].emit_signing);
  EXPECT_FALSE(found[0].only_this_certificate);
  const auto of_key = snapshot.by_spki(ca.certificate.spki_hash());
  ASSERT_EQ(of_key.size(), 2U);
  EXPECT_EQ(of_key[0].layer, Layer::own);
  ASSERT_EQ(of_key[0].hosts.size(), 3U);
  EXPECT_TRUE(of_key[0].hosts[0].matches(Host::parse("x.corp.test")));
  EXPECT_TRUE(of_key[0].certificate.is_ca);
  EXPECT_TRUE(of_key[0].certificate.is_self_signed);
  EXPECT_EQ(of_key[1].layer, Layer::base);
  EXPECT_TRUE(of_key[1].only_this_certificate);
  EXPECT_EQ(snapshot.by_subject(ca.certificate.subject_hash()).size(), 2U);
  const ByteView der = server.certificate.der();
  EXPECT_EQ(snapshot.der(leaf.id), Bytes(der.begin(), der.end()));
  EXPECT_EQ(snapshot.der(99), std::nullopt);
  EXPECT_THAT(snapshot.by_fingerprint(Fingerprint{}), IsEmpty());
}

TEST_F(SnapshotTest, FindsByFingerprintLabelAndUniquePrefix) {
  const Minted a = mint({.common_name = "a.test"}), b = mint({.common_name = "b.test"});
  write([&](SnapshotWriter& writer) {
    writer.entry(entry(a, Trust::leaf, "first"), a.certificate.der());
    writer.entry(entry(a, Trust::root, "", {}, Layer::base), a.certificate.der());
    writer.entry(entry(b, Trust::leaf, "second"), b.certificate.der());
  });
  const Snapshot snapshot = Snapshot::open(store());
  const std::string text = testing::fingerprint_of(a);
  EXPECT_EQ(snapshot.find(text, 6).label, "first");
  EXPECT_EQ(snapshot.find("second", 6).label, "second");
  EXPECT_EQ(snapshot.find(text.substr(0, 12), 6).label, "first");
  const auto code = [&](std::string_view id, std::size_t least) {
    try {
      snapshot.find(id, least);
    } catch (const Error& error) {
      return error.code();
    }
    return Code::internal;
  };
  EXPECT_EQ(code(text.substr(0, 12), 16), Code::not_found);
  EXPECT_EQ(code("", 0), Code::not_found);
  EXPECT_EQ(code("nothing", 6), Code::not_found);
  EXPECT_EQ(code(std::string(64, '0'), 6), Code::not_found);
}

TEST_F(SnapshotTest, OrdersPinsByHowSpecificTheyAre) {
  write([&](SnapshotWriter& writer) {
    for (const char* pattern : {"**.test", "a.dev.test", "a.dev.test:443", "*.dev.test",
                                "b.dev.test", "10.0.0.0/8", "10.1.0.0/16:8443", "2001:db8::/32"})
      writer.pin(pin(pattern));
  });
  const Snapshot snapshot = Snapshot::open(store());
  const auto patterns = [&](const char* host, Port port) {
    std::vector<std::string> texts;
    for (const PinRow& row : snapshot.pins_for(Host::parse(host), port))
      texts.push_back(row.pattern.text());
    return texts;
  };
  EXPECT_THAT(patterns("a.dev.test", 443),
              ElementsAre("a.dev.test:443", "a.dev.test", "*.dev.test", "**.test"));
  EXPECT_THAT(patterns("a.dev.test", 444), ElementsAre("a.dev.test", "*.dev.test", "**.test"));
  EXPECT_THAT(patterns("a.dev.test", 0).front(), "a.dev.test:443");
  EXPECT_THAT(patterns("10.1.2.3", 8443), ElementsAre("10.1.0.0/16:8443", "10.0.0.0/8"));
  EXPECT_THAT(patterns("10.1.2.3", 443), ElementsAre("10.0.0.0/8"));
  EXPECT_THAT(patterns("2001:db8::1", 443).size(), 1U);
  EXPECT_THAT(patterns("elsewhere.example", 443), IsEmpty());
  EXPECT_EQ(snapshot.pins_for(Host::parse("b.dev.test"), 1).front().note, "note of b.dev.test");
}

TEST_F(SnapshotTest, OffersLabelsAndHostsByTheirFirstLetters) {
  const Minted server = mint({.common_name = "x", .sans = {"DNS:www.dev.test", "DNS:*.dev.test"}});
  const Minted ca = mint({.common_name = "CA", .sans = {"DNS:ca.test"}, .ca = true});
  write([&](SnapshotWriter& writer) {
    writer.entry(entry(server, Trust::leaf, "web"), server.certificate.der());
    writer.entry(entry(ca, Trust::root, "worker", {"api.corp.test", "**.corp.test"}),
                 ca.certificate.der());
    writer.entry(entry(ca, Trust::root, "", {"base.test"}, Layer::base), ca.certificate.der());
    writer.pin(pin("pinned.test:443"));
  });
  const Snapshot snapshot = Snapshot::open(store());
  EXPECT_THAT(snapshot.labels("w", 10), ElementsAre("web", "worker"));
  EXPECT_THAT(snapshot.labels("wo", 10), ElementsAre("worker"));
  EXPECT_THAT(snapshot.labels("", 1), ElementsAre("web"));
  EXPECT_THAT(snapshot.hosts("", 10), ElementsAre("api.corp.test", "pinned.test", "www.dev.test"));
  EXPECT_THAT(snapshot.hosts("www", 10), ElementsAre("www.dev.test"));
}

TEST_F(SnapshotTest, AmendedIsAsIfWrittenAnew) {
  std::vector<Minted> all;
  for (int i = 0; i < 40; ++i)
    all.push_back(mint({.common_name = "host" + std::to_string(i) + ".test",
                        .sans = {"DNS:host" + std::to_string(i) + ".test"}}));
  std::vector<Entry> entries;
  for (const Minted& each : all)
    entries.push_back(entry(each, Trust::leaf, "label" + std::to_string(entries.size())));
  const PinRow kept = pin("kept.test"), gone = pin("10.0.0.0/8"), late = pin("192.168.0.0/16");
  const PinRow star = pin("*.star.test"), like_it = pin("*.other.test"),
               stars = pin("**.gone.star.test"), late_stars = pin("**.late.star.test:443");
  const Digest at_first = write([&](SnapshotWriter& writer) {
    for (std::size_t i = 0; i < 30; ++i) writer.entry(entries[i], all[i].certificate.der());
    writer.pin(kept);
    for (const PinRow& each : {gone, star, like_it, stars}) writer.pin(each);
    writer.file("certs/x.pem", Digest{});
    writer.warnings(7, {"one", "two"});
  });
  header_.generation = 8;
  SnapshotWriter writer = SnapshotWriter::amend(file(), header_);
  for (std::size_t i = 30; i < 40; ++i) writer.entry(entries[i], all[i].certificate.der());
  for (std::size_t i = 0; i < 10; ++i) writer.remove_entry(entries[i].id);
  for (const PinRow& each : {gone, star, stars}) writer.remove_pin(each.id);
  for (const PinRow& each : {late, late_stars}) writer.pin(each);
  writer.remove_file("certs/x.pem");
  writer.file("certs/y.pem", sha256({}));
  writer.clear_warnings(7);
  writer.warnings(7, {"two", "three"});
  EXPECT_NE(writer.finish(), at_first);

  const Snapshot snapshot = Snapshot::open(store());
  EXPECT_EQ(snapshot.header().generation, 8U);
  for (std::size_t i = 0; i < 40; ++i) {
    const auto found = snapshot.by_fingerprint(all[i].certificate.fingerprint());
    EXPECT_EQ(found.size(), i < 10 ? 0U : 1U) << i;
    EXPECT_EQ(snapshot.by_spki(all[i].certificate.spki_hash()).size(), found.size());
    EXPECT_EQ(snapshot.hosts("host" + std::to_string(i) + ".", 9).size(), found.size());
    EXPECT_EQ(snapshot.subjects_of_label("label" + std::to_string(i)).size(), found.size());
  }
  EXPECT_EQ(snapshot.pins_for(Host::parse("kept.test"), 1).size(), 1U);
  EXPECT_EQ(snapshot.pins_for(Host::parse("10.1.1.1"), 1).size(), 0U);
  EXPECT_EQ(snapshot.pins_for(Host::parse("192.168.1.1"), 1).size(), 1U);
  EXPECT_EQ(snapshot.pins_for(Host::parse("a.star.test"), 1).size(), 0U);
  EXPECT_EQ(snapshot.pins_for(Host::parse("a.other.test"), 1).size(), 1U);
  EXPECT_EQ(snapshot.pins_for(Host::parse("a.gone.star.test"), 1).size(), 0U);
  EXPECT_EQ(snapshot.pins_for(Host::parse("a.late.star.test"), 443).size(), 1U);
  EXPECT_EQ(snapshot.file("certs/x.pem"), std::nullopt);
  EXPECT_EQ(snapshot.file("certs/y.pem"), sha256({}));
  EXPECT_THAT(snapshot.warnings(10), ElementsAre("three", "two"));
  std::size_t keys = 0;
  Digest last{};
  snapshot.each_pair([&](const std::vector<StoredEntry>& same_pair) {
    EXPECT_EQ(same_pair.size(), 1U);
    EXPECT_GT(same_pair[0].entry.certificate.spki_hash, last);
    last = same_pair[0].entry.certificate.spki_hash;
    ++keys;
  });
  EXPECT_EQ(keys, 30U);
}

TEST_F(SnapshotTest, DamageAnywhereIsAnErrorAndNeverAnotherAnswer) {
  std::vector<Minted> all;
  for (int i = 0; i < 20; ++i) all.push_back(mint({.common_name = "h" + std::to_string(i)}));
  write([&](SnapshotWriter& writer) {
    for (const Minted& each : all)
      writer.entry(entry(each, Trust::distrusted, ""), each.certificate.der());
    writer.pin(pin("dev.test"));
  });
  const std::string whole = read_file(file(), 10'000'000);
  const auto everything_as_written = [&] {
    const Snapshot snapshot = Snapshot::open(store());
    for (const Minted& each : all) {
      if (snapshot.by_fingerprint(each.certificate.fingerprint()).size() != 1) return false;
      if (snapshot.by_spki(each.certificate.spki_hash()).size() != 1) return false;
      if (snapshot.by_subject(each.certificate.subject_hash()).size() != 1) return false;
    }
    return snapshot.pins_for(Host::parse("dev.test"), 443).size() == 1;
  };
  ASSERT_TRUE(everything_as_written());
  std::mt19937 random(4711);
  int refused = 0;
  const auto try_with = [&](const std::string& bytes) {
    std::filesystem::remove(file());
    scratch_.write("store/gen-7/trust.db", bytes);
    try {
      EXPECT_TRUE(everything_as_written());
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::store_invalid) << error.message();
      ++refused;
    }
  };
  for (int round = 0; round < 300; ++round) {
    std::string bytes = whole;
    bytes[random() % bytes.size()] ^= static_cast<char>(1 + random() % 255);
    try_with(bytes);
  }
  EXPECT_GT(refused, 100); // the others are in pages that nobody asked for
  refused = 0;
  for (const std::size_t length : {0UL, 1UL, 100UL, 4096UL, 5000UL, whole.size() - 4096})
    try_with(whole.substr(0, length));
  EXPECT_EQ(refused, 6);
}

TEST_F(SnapshotTest, DamageInTheIndexOfPinsIsAnErrorAndNeverAnotherAnswer) {
  constexpr int kHosts = 40;
  const auto host = [](int i) { return Host::parse("h" + std::to_string(i) + ".test"); };
  write([&](SnapshotWriter& writer) {
    for (int i = 0; i < kHosts; ++i) writer.pin(pin(host(i).text()));
  });
  const std::string whole = read_file(index(), 10'000'000);
  const auto everything_as_written = [&] {
    const Snapshot snapshot = Snapshot::open(store());
    for (int i = 0; i < kHosts; ++i)
      if (snapshot.pins_for(host(i), 443).size() != 1) return false;
    return snapshot.pins_for(Host::parse("other.test"), 443).empty();
  };
  ASSERT_TRUE(everything_as_written());
  std::mt19937 random(4711);
  const auto is_refused = [&](const std::string& bytes) {
    std::filesystem::remove(index());
    scratch_.write("store/gen-7/pins.index", bytes);
    try {
      EXPECT_TRUE(everything_as_written());
      return false;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::store_invalid) << error.message();
      EXPECT_THAT(error.message(), HasSubstr("pins.index"));
      return true;
    }
  };
  int refused = 0;
  constexpr int kRounds = 200;
  for (int round = 0; round < kRounds; ++round) {
    std::string bytes = whole;
    bytes[random() % bytes.size()] ^= static_cast<char>(1 + random() % 255);
    refused += is_refused(bytes) ? 1 : 0;
  }
  EXPECT_GT(refused, kRounds * 3 / 4); // the others are in chains that no host of these is in
  for (const std::size_t length : {0UL, 1UL, 1023UL, 1024UL, whole.size() - 1024})
    EXPECT_TRUE(is_refused(whole.substr(0, length))) << length;
  std::string swapped = whole; // whole pages, elsewhere
  std::swap_ranges(swapped.begin() + 1024, swapped.begin() + 2048, swapped.begin() + 2048);
  EXPECT_TRUE(is_refused(swapped));
  std::filesystem::remove(index());
  EXPECT_EQ(open_error(), Code::store_invalid);
  EXPECT_THAT(message_, HasSubstr("pins.index is missing"));
}

TEST_F(SnapshotTest, TheIndexOfPinsOfAnotherGenerationOrStoreIsRefused) {
  write([&](SnapshotWriter& writer) { writer.pin(pin("dev.test")); });
  const std::string mine = read_file(index(), 10'000'000);
  SnapshotHeader later = header_, elsewhere = header_;
  later.generation = 8;
  elsewhere.store_id = std::string(32, 'e');
  for (const SnapshotHeader& other : {later, elsewhere}) {
    header_ = other;
    write([&](SnapshotWriter& writer) { writer.pin(pin("dev.test")); });
    EXPECT_EQ(open_error(), std::nullopt);
    std::filesystem::remove(index());
    scratch_.write("store/gen-7/pins.index", mine);
    EXPECT_EQ(open_error(), Code::store_invalid);
    EXPECT_THAT(message_, HasSubstr("belongs to another trust.db"));
  }
}

TEST_F(SnapshotTest, TheIndexOfPinsIsThereWhereAPinIs) {
  const PinRow one = pin("one.test"), two = pin("two.test");
  const auto amend = [&](const std::function<void(SnapshotWriter&)>& change) {
    ++header_.generation;
    SnapshotWriter writer = SnapshotWriter::amend(file(), header_);
    change(writer);
    const bool written = writer.finish_pins();
    writer.finish();
    return written;
  };
  const auto count = [&](const char* host) {
    return Snapshot::open(store()).pins_for(Host::parse(host), 1).size();
  };
  write([](SnapshotWriter&) {});
  EXPECT_FALSE(std::filesystem::exists(index()));
  EXPECT_EQ(count("one.test"), 0U);
  EXPECT_TRUE(amend([&](SnapshotWriter& writer) { writer.pin(one); }));
  EXPECT_EQ(count("one.test"), 1U);
  const std::string before = read_file(index(), 10'000'000);
  std::filesystem::create_hard_link(index(), scratch_.path("linked"));

  // Without a change of pins it is the same file, also when all other names are made anew.
  EXPECT_FALSE(amend([&](SnapshotWriter& writer) { writer.clear_files(); }));
  EXPECT_TRUE(std::filesystem::equivalent(index(), scratch_.path("linked")));
  EXPECT_EQ(count("one.test"), 1U);
  EXPECT_EQ(Snapshot::open(store()).file("pins.index"), sha256(view_of(before)));

  // With one it is another, and the generation before keeps its own.
  EXPECT_TRUE(amend([&](SnapshotWriter& writer) { writer.pin(two); }));
  EXPECT_EQ(count("two.test"), 1U);
  EXPECT_EQ(read_file(scratch_.path("linked"), 10'000'000), before);

  EXPECT_FALSE(amend([&](SnapshotWriter& writer) {
    writer.remove_pin(one.id);
    writer.remove_pin(two.id);
    writer.remove_pin(4711); // none
  }));
  EXPECT_FALSE(std::filesystem::exists(index()));
  EXPECT_EQ(Snapshot::open(store()).file("pins.index"), std::nullopt);
  EXPECT_EQ(count("one.test"), 0U);
}

TEST_F(SnapshotTest, APinOfAnySizeIsFound) {
  std::vector<PinRow> rows;
  for (const std::size_t size : {0UL, 800UL, 860UL, 900UL, 950UL, 1000UL, 1100UL, 70'000UL}) {
    rows.push_back(pin("noted.test"));
    rows.back().note = std::string(size, 'n');
    rows.back().expires_at = 1'900'000'000;
  }
  write([&](SnapshotWriter& writer) {
    for (const PinRow& row : rows) writer.pin(row);
  });
  const auto found = Snapshot::open(store()).pins_for(Host::parse("noted.test"), 443);
  ASSERT_EQ(found.size(), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(found[i].id, rows[i].id);
    EXPECT_EQ(found[i].note, rows[i].note);
    EXPECT_EQ(found[i].pin.spki_hash, rows[i].pin.spki_hash);
    EXPECT_EQ(found[i].expires_at, rows[i].expires_at);
  }
  // And goes.
  SnapshotWriter writer = SnapshotWriter::amend(file(), header_);
  writer.remove_pin(rows.back().id);
  writer.remove_pin(rows.front().id);
  writer.finish();
  EXPECT_EQ(Snapshot::open(store()).pins_for(Host::parse("noted.test"), 443).size(),
            rows.size() - 2);
}

TEST_F(SnapshotTest, StaysReadableWhenItsDirectoryIsGone) {
  const Minted a = mint({.common_name = "a.test"});
  write([&](SnapshotWriter& writer) {
    writer.entry(entry(a, Trust::leaf, "first"), a.certificate.der());
    writer.pin(pin("a.test"));
  });
  const Snapshot snapshot = Snapshot::open(store());
  std::filesystem::remove_all(store());
  EXPECT_EQ(snapshot.find("first", 6).label, "first");
  EXPECT_EQ(snapshot.pins_for(Host::parse("a.test"), 1).size(), 1U);
}

TEST_F(SnapshotTest, OnAReadOnlyMountItMayBelongToAnyone) {
  if (::geteuid() != 0) GTEST_SKIP() << "root alone may give files away and mount";
  write([](SnapshotWriter&) {});
  for (const std::string& path : {store(), scratch_.path("store/gen-7"), file()})
    ASSERT_EQ(::chown(path.c_str(), 4321, 4321), 0);
  EXPECT_EQ(open_error(), Code::store_access) << "where it can be written to it may not";
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string name = store();
    const char* const path = name.c_str();
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount(path, path, nullptr, MS_BIND, nullptr) != 0 ||
        ::mount(nullptr, path, nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) != 0)
      ::_exit(99);
    ::_exit(open_error() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 99) GTEST_SKIP() << "nothing can be mounted here";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(SnapshotTest, BelowTheMachinesPathItMayBelongToThatDirectorysOwner) {
  if (::geteuid() != 0) GTEST_SKIP() << "root alone may give files away and mount";
  write([&](SnapshotWriter& writer) { writer.pin(pin("dev.test")); });
  namespace fs = std::filesystem;
  const std::vector<std::string> names = {"", "/gen-7", "/gen-7/trust.db", "/gen-7/pins.index"};
  constexpr uid_t kOwner = 4321, kStranger = 4322;
  const pid_t child = ::fork();
  if (child == 0) {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", "/var/lib", "tmpfs", 0, "mode=0755") != 0)
      ::_exit(99);
    const std::string machine = "/var/lib/trustd", there = machine + "/public";
    const auto give = [](const std::string& path, uid_t uid) {
      if (::lchown(path.c_str(), uid, uid) != 0) ::_exit(98);
    };
    const auto opens = [](const std::string& directory) {
      try {
        return Snapshot::open(directory).pins_for(Host::parse("dev.test"), 1).size() == 1;
      } catch (const Error& error) {
        if (error.code() != Code::store_access) ::_exit(97);
        return false;
      }
    };
    fs::create_directory(machine);
    fs::copy(store(), there, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
    give(machine, kOwner);
    for (const std::string& name : names) {
      give(there + name, kOwner);
      give(store() + name, kOwner);
    }
    if (!opens(there)) ::_exit(1);
    if (opens(store())) ::_exit(2); // the same elsewhere
    int code = 10;
    for (const std::string& name : names) {
      give(there + name, kStranger);
      if (opens(there)) ::_exit(code);
      give(there + name, kOwner);
      ++code;
    }
    ::_exit(opens(there) ? 0 : 3);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 99) GTEST_SKIP() << "nothing can be mounted here";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(SnapshotTest, AnotherFormIsRefusedBeItOlderOrNewer) {
  write([](SnapshotWriter&) {});
  ASSERT_EQ(open_error(), std::nullopt);
  for (const int form : {0, kSnapshotFormat - 1, kSnapshotFormat + 1}) {
    testing::set_form(file(), form);
    EXPECT_EQ(open_error(), Code::store_invalid);
    EXPECT_THAT(message_, HasSubstr("form " + std::to_string(form) + ", this program reads form " +
                                    std::to_string(kSnapshotFormat)));
  }
  testing::set_form(file(), kSnapshotFormat);
  EXPECT_EQ(open_error(), std::nullopt);
  // Its pages may have other hashes, too.
  ASSERT_EQ(::chmod(file().c_str(), 0644), 0);
  {
    const Fd raw(::open(file().c_str(), O_RDWR | O_CLOEXEC));
    const std::uint8_t form[] = {0, 0, 0, 77};
    ASSERT_EQ(::pwrite(raw.get(), form, sizeof form, 60), 4);
  }
  ASSERT_EQ(::chmod(file().c_str(), 0444), 0);
  EXPECT_EQ(open_error(), Code::store_invalid);
  EXPECT_THAT(message_, HasSubstr("form 77, this program reads form"));
}

TEST_F(SnapshotTest, SaysWhatIsWrongWithAStoreThatCannotBeUsed) {
  EXPECT_EQ(open_error(), Code::store_missing); // no current
  EXPECT_THAT(message_, HasSubstr(store()));
  write([](SnapshotWriter&) {});
  EXPECT_EQ(open_error(), std::nullopt);
  std::filesystem::permissions(file(), std::filesystem::perms(0666));
  EXPECT_EQ(open_error(), Code::store_access);
  std::filesystem::permissions(file(), std::filesystem::perms(0444));
  std::filesystem::permissions(store(), std::filesystem::perms(0777));
  EXPECT_EQ(open_error(), Code::store_access);
  std::filesystem::permissions(store(), std::filesystem::perms(0755));
  if (::geteuid() == 0) {
    for (const std::string& path : {store(), scratch_.path("store/gen-7"), file()}) {
      ASSERT_EQ(::chown(path.c_str(), 4321, 4321), 0);
      EXPECT_EQ(open_error(), Code::store_access) << path;
      ASSERT_EQ(::chown(path.c_str(), 0, 0), 0);
    }
  }
  std::filesystem::remove(scratch_.path("store/current"));
  std::filesystem::create_symlink("../elsewhere", scratch_.path("store/current"));
  EXPECT_EQ(open_error(), Code::store_invalid);
  std::filesystem::remove(scratch_.path("store/current"));
  std::filesystem::create_symlink("gen-8", scratch_.path("store/current"));
  EXPECT_EQ(open_error(), Code::store_invalid);
  std::filesystem::remove_all(store());
  EXPECT_EQ(open_error(), Code::store_missing);
}

} // namespace
} // namespace trust
