#include "libtrust/watch.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "libtrust/store.h"
#include "tests/libtrust/mint.h"

namespace trust {
namespace {

using testing::kDay;
using testing::Key;
using testing::kNow;
using testing::mint;
using testing::Minted;

constexpr std::int64_t kInterval = 6 * 3600;

Facet facet(int key, std::optional<int> anchor, bool is_public,
            const std::string& issuer = "CN=CA") {
  Facet facet;
  facet.spki_hash[0] = static_cast<std::uint8_t>(key);
  facet.issuer = issuer;
  facet.trusted = anchor.has_value();
  facet.is_public = is_public;
  if (anchor) {
    facet.anchor.emplace();
    (*facet.anchor)[0] = static_cast<std::uint8_t>(*anchor);
  }
  return facet;
}
Facet self_signed(int key) {
  Facet made = facet(key, {}, false, "CN=self");
  made.self_signed = true;
  return made;
}

TEST(Succession, SameKeyIsARenewalWhoeverCertifiesIt) {
  EXPECT_EQ(Succession::same_key, succession(facet(1, 7, true), facet(1, 8, true)));
  EXPECT_EQ(Succession::same_key, succession(self_signed(1), facet(1, 8, true)));
}

TEST(Succession, SameAnchorIsTheSameCaWhateverTheIssuersName) {
  EXPECT_EQ(Succession::same_ca,
            succession(facet(1, 7, true, "CN=R10"), facet(2, 7, true, "CN=R11")));
  EXPECT_EQ(Succession::other_ca,
            succession(facet(1, 7, true, "CN=CA"), facet(2, 8, true, "CN=CA")));
}

TEST(Succession, SelfSignedToPublicAndPublicToUnknown) {
  EXPECT_EQ(Succession::self_signed_to_public, succession(self_signed(1), facet(2, 7, true)));
  EXPECT_EQ(Succession::public_to_unknown, succession(facet(1, 7, true), self_signed(2)));
  EXPECT_EQ(Succession::public_to_unknown, succession(facet(1, 7, true), facet(2, {}, false)));
}

TEST(Succession, SelfSignedWithAnotherKeyIsAnother) {
  EXPECT_EQ(Succession::other_ca, succession(self_signed(1), self_signed(2)));
  EXPECT_EQ(Succession::other_ca, succession(facet(1, 7, false), self_signed(2)));
}

TEST(Succession, IssuersNameAloneVouchesForNothingThatWasTrusted) {
  EXPECT_EQ(Succession::other_ca, succession(facet(1, 7, false), facet(2, {}, false)));
  EXPECT_EQ(Succession::same_ca, succession(facet(1, {}, false), facet(2, {}, false)));
  EXPECT_EQ(Succession::other_ca,
            succession(facet(1, {}, false, "CN=A"), facet(2, {}, false, "CN=B")));
}

TEST(NextLook, GoesEverLaterUpToTheIntervalAndIsSpread) {
  EXPECT_EQ(54, next_look_s(1, kInterval, 0));
  EXPECT_EQ(216, next_look_s(2, kInterval, 0));
  EXPECT_EQ(kInterval * 9 / 10, next_look_s(50, kInterval, 0));
  EXPECT_EQ(kInterval * 9 / 10, next_look_s(0, kInterval, 0));
  EXPECT_EQ(kInterval * 11 / 10, next_look_s(0, kInterval, 1));
  EXPECT_LE(next_look_s(1'000'000'000, 60, 1), 66);
  EXPECT_GE(next_look_s(1, 1, 0), 1);
}

class StoreWatchTest : public ::testing::Test {
 protected:
  StoreWatchTest() {
    std::string pattern = ::testing::TempDir() + "/watch-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    store_.emplace(Store::open(directory_ + "/trustd.db", [this] { return now_; }));
  }
  ~StoreWatchTest() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  static Seen seen(const Minted& minted, const std::string& verdict = "unknown_issuer") {
    Seen seen;
    const Certificate& certificate = minted.certificate;
    seen.certificate = CertificateFacts::of(certificate);
    seen.verdict = verdict;
    seen.trusted_by = verdict == "ok" ? "system_root" : "nothing";
    seen.pin_status = "none";
    if (verdict == "ok") seen.anchor = Digest{1};
    seen.first_end = Ending::of(certificate.fingerprint(), certificate.subject(),
                                {certificate.not_before(), certificate.not_after()});
    return seen;
  }
  static Minted minted(const std::string& name, UnixTime not_after = kNow + 300 * kDay) {
    return mint({.common_name = name, .not_before = kNow - 100 * kDay, .not_after = not_after});
  }
  std::int64_t add(const std::string& target = "dev.test:443") {
    return store_->add_watch(asked_, WatchKind::endpoint, target).watch.id;
  }
  std::vector<std::string> kinds() {
    std::vector<std::string> kinds;
    for (const Alert& alert : store_->alerts({}, 100, 0)) {
      kinds.push_back(std::string(name_of(alert.kind)));
    }
    return kinds;
  }
  using Words = std::vector<std::string>;

  const Store::Asked asked_{{1000, 42, "/bin/test"}, "", {}};
  UnixTime now_ = kNow;
  std::string directory_;
  std::optional<Store> store_;
};

TEST_F(StoreWatchTest, IsAddedOnceAndInTheAuditLogWithoutAGeneration) {
  const auto first = store_->add_watch(asked_, WatchKind::endpoint, "dev.test:443");
  EXPECT_TRUE(first.change.changed);
  const auto again = store_->add_watch(asked_, WatchKind::endpoint, "dev.test:443");
  EXPECT_FALSE(again.change.changed);
  EXPECT_EQ(first.watch.id, again.watch.id);
  EXPECT_EQ(0U, store_->generation());
  ASSERT_EQ(1U, store_->audit(10, 0).size());
  EXPECT_EQ("watch", store_->audit(10, 0)[0].action);
  EXPECT_EQ(std::nullopt, store_->verify_audit());
  store_->remove_watch(asked_, first.watch.id);
  EXPECT_EQ("unwatch", store_->audit(10, 0)[0].action);
  EXPECT_EQ(std::nullopt, store_->verify_audit());
  EXPECT_TRUE(store_->watches({}, 10, 0).empty());
}

TEST_F(StoreWatchTest, HistoryHasEveryCertificateWithItsFirstAndLastTime) {
  const auto id = add();
  const Minted one = minted("one"), two = minted("two");
  store_->watch_saw(id, seen(one), now_ + kInterval);
  now_ += kInterval;
  store_->watch_saw(id, seen(one), now_ + kInterval);
  now_ += kInterval;
  store_->watch_saw(id, seen(two), now_ + kInterval);
  const auto history = store_->sightings(id, 10);
  ASSERT_EQ(2U, history.size());
  EXPECT_EQ(two.certificate.fingerprint(), history[0].fingerprint);
  EXPECT_EQ(kNow, history[1].first_seen_at);
  EXPECT_EQ(kNow + kInterval, history[1].last_seen_at);
  const Watch watch = *store_->watch(id);
  EXPECT_EQ(kNow, watch.first_seen_at);
  EXPECT_EQ(now_, watch.last_seen_at);
  EXPECT_EQ(two.certificate.fingerprint(), watch.fingerprint);
  EXPECT_EQ(Words{"changed"}, kinds());
}

TEST_F(StoreWatchTest, ServersBehindOneNameThatTakeTurnsAreNoFlood) {
  const auto id = add();
  const Minted one = minted("one"), two = minted("two");
  for (int i = 0; i < 20; ++i) {
    now_ += kInterval;
    store_->watch_saw(id, seen(i % 2 == 0 ? one : two, "ok"), now_ + kInterval);
  }
  std::size_t changed = 0;
  for (const Notice& notice : store_->notices(0, 100)) {
    changed += notice.what == Notice::What::raised && notice.alert.kind == AlertKind::changed;
  }
  EXPECT_EQ(1U, changed);
}

TEST_F(StoreWatchTest, HistoryIsBounded) {
  const auto id = add();
  Seen each = seen(minted("one"));
  store_->batch({[&](Store& store) {
    for (int i = 0; i < 1100; ++i) {
      each.certificate.fingerprint.bytes[0] = static_cast<std::uint8_t>(i);
      each.certificate.fingerprint.bytes[1] = static_cast<std::uint8_t>(i / 256);
      ++now_;
      store.watch_saw(id, each, now_ + kInterval);
    }
  }});
  EXPECT_EQ(1000U, store_->sightings(id, 5000).size());
}

TEST_F(StoreWatchTest, ThreeFailuresAreUnreachableAndOneSuccessResolvesIt) {
  const auto id = add();
  for (int i = 0; i < 2; ++i) store_->watch_failed(id, "connection refused", now_ + 60);
  EXPECT_EQ(Words{}, kinds());
  store_->watch_failed(id, "connection refused", now_ + 60);
  store_->watch_failed(id, "connection refused", now_ + 60);
  EXPECT_EQ(Words{"unreachable"}, kinds());
  EXPECT_EQ(1U, store_->notices(0, 10).size());
  store_->watch_saw(id, seen(minted("one")), now_ + kInterval);
  EXPECT_EQ(Words{}, kinds());
}

TEST_F(StoreWatchTest, PinMismatchStandsUntilItMatches) {
  const auto id = add();
  Seen wrong = seen(minted("one"), "pin_mismatch");
  wrong.pin_status = "mismatch";
  store_->watch_saw(id, wrong, now_ + kInterval);
  store_->watch_saw(id, wrong, now_ + kInterval);
  EXPECT_EQ(Words{"pin_mismatch"}, kinds());
  EXPECT_EQ(Severity::critical, store_->alerts({}, 1, 0)[0].severity);
  store_->watch_saw(id, seen(minted("two"), "ok"), now_ + kInterval);
  EXPECT_EQ(Words{"changed"}, kinds());
}

TEST_F(StoreWatchTest, SuspicionThatTheDaemonDoesNotSeeItselfIsNoAlert) {
  Seen good = seen(minted("one"), "ok");
  store_->suspicion_looked_at("dev.test:443", good);
  EXPECT_EQ(Words{}, kinds());
  good.verdict = "pin_mismatch";
  good.pin_status = "mismatch";
  store_->suspicion_looked_at("dev.test:443", good);
  EXPECT_EQ(Words{"pin_mismatch"}, kinds());
}

TEST_F(StoreWatchTest, WeakCertificateOfAServerIsTold) {
  const auto id = add();
  Seen weak = seen(minted("one"));
  weak.weakness = "a key of 1024 bits";
  store_->watch_saw(id, weak, now_ + kInterval);
  EXPECT_EQ(Words{"weak"}, kinds());
  store_->watch_saw(id, seen(minted("two"), "ok"), now_ + kInterval);
  EXPECT_EQ(Words{"changed"}, kinds());
}

TEST_F(StoreWatchTest, RemovedOneTakesItsAlertsWithItAndIsNotWrittenAgain) {
  const auto id = add();
  for (int i = 0; i < 3; ++i) store_->watch_failed(id, "refused", now_ + 60);
  store_->watch_saw(add("other.test:443"), seen(minted("soon", kNow + kDay)), now_ + kInterval);
  store_->tell_endings(default_thresholds(), now_, 100, "");
  EXPECT_EQ((Words{"expiring", "unreachable"}), kinds());
  for (const Watch& watch : store_->watches({}, 10, 0)) store_->remove_watch(asked_, watch.id);
  EXPECT_EQ(Words{}, kinds());
  store_->watch_saw(id, seen(minted("late")), now_ + kInterval); // a look that was under way
  EXPECT_TRUE(store_->watches({}, 10, 0).empty());
  EXPECT_EQ(std::nullopt, store_->next_ending(now_));
}

TEST_F(StoreWatchTest, WhatAClockThatRanAheadPutOffIsDue) {
  const auto id = add();
  store_->watch_saw(id, seen(minted("one")), now_ + 4000 * kDay);
  EXPECT_TRUE(store_->due_watches(now_, 5000 * kDay, 10).empty());
  EXPECT_EQ(1U, store_->due_watches(now_, 2 * kInterval, 10).size());
}

TEST_F(StoreWatchTest, FileThatIsMissingForAMomentKeepsWhatItHeld) {
  const auto id = store_->add_watch(asked_, WatchKind::file, "/etc/tls/a.pem").watch.id;
  const Minted soon = minted("soon", kNow + 3 * kDay);
  FilesSeen there;
  there.certificates.push_back({"/etc/tls/a.pem", CertificateFacts::of(soon.certificate), {}});
  store_->watch_saw_files(id, there);
  store_->tell_endings(default_thresholds(), now_, 100, "");
  EXPECT_EQ(Words{"expiring"}, kinds());
  FilesSeen gone;
  gone.problems.push_back("/etc/tls/a.pem: No such file or directory");
  store_->watch_saw_files(id, gone);
  EXPECT_EQ(Words{"expiring"}, kinds());
  EXPECT_EQ(soon.certificate.not_after(), store_->watch(id)->ends_at);
  store_->watch_saw_files(id, gone);
  store_->watch_saw_files(id, gone);
  EXPECT_EQ((Words{"unreachable", "expiring"}), kinds());
  there.certificates[0].certificate = CertificateFacts::of(minted("late").certificate);
  store_->watch_saw_files(id, there);
  EXPECT_EQ(Words{}, kinds());
}

// ---- pins that lock everybody out ------------------------------------------------

class PinnedTest : public StoreWatchTest {
 protected:
  PinRow pin(const std::string& pattern, const Digest& key,
             PinRow::Role role = PinRow::Role::active) {
    PinRow row;
    row.pattern = PortPattern::parse(pattern);
    row.pin.spki_hash = key;
    row.role = role;
    return row;
  }
  void look() {
    while (!store_->follow_entries(2)) {
    }
    while (!store_->follow_pins(2)) {
    }
    store_->tell_endings(default_thresholds(), now_, 100, "");
  }
  void add_leaf(const Minted& leaf, const std::string& label) {
    Addition addition;
    addition.items.push_back({leaf.certificate, Trust::leaf, {}, label, true});
    store_->add(asked_, addition);
  }
};

TEST_F(PinnedTest, NoBackupIsOneAlertHoweverManyHosts) {
  std::vector<PinRow> rows;
  for (int i = 0; i < 70; ++i) {
    rows.push_back(pin("h" + std::to_string(i) + ".test", Digest{static_cast<std::uint8_t>(i)}));
  }
  store_->add_pins(asked_, rows);
  look();
  const auto open = store_->alerts({}, 10, 0);
  ASSERT_EQ(1U, open.size());
  EXPECT_EQ(AlertKind::lock_out, open[0].kind);
  EXPECT_EQ(50U, open[0].hosts.size());
  EXPECT_NE(std::string::npos, open[0].summary.find("70 hosts"));
  for (int i = 0; i < 70; ++i) {
    rows[static_cast<std::size_t>(i)] =
        pin("h" + std::to_string(i) + ".test", Digest{200}, PinRow::Role::backup);
  }
  store_->add_pins(asked_, rows);
  look();
  EXPECT_EQ(Words{}, kinds());
}

TEST_F(PinnedTest, LastCertificateWithAPinnedKeyThatEndsIsALockOut) {
  const Minted one = minted("one", kNow + 5 * kDay), two = minted("two", kNow + 20 * kDay);
  add_leaf(one, "one");
  add_leaf(two, "two");
  store_->add_pins(asked_, {pin("h.test", one.certificate.spki_hash()),
                            pin("h.test", two.certificate.spki_hash(), PinRow::Role::backup)});
  look();
  const auto lock_out = [&] {
    std::string text;
    for (const Alert& alert : store_->alerts({false, AlertKind::lock_out}, 10, 0)) {
      text += alert.target + " " + alert.threshold + ";";
    }
    return text;
  };
  EXPECT_EQ("h.test 30d;", lock_out()); // the later of both
  now_ += 15 * kDay;
  look();
  EXPECT_EQ("h.test 7d;", lock_out());
  // A key that no certificate is known of can still be used.
  store_->add_pins(asked_, {pin("h.test", Digest{9}, PinRow::Role::backup)});
  look();
  EXPECT_EQ("", lock_out());
}

TEST_F(PinnedTest, RenewalWithTheSameKeySeenAtTheServerResolvesIt) {
  const Key key = Key::p256();
  const auto with_key = [&](UnixTime end) {
    return mint(
        {.common_name = "h", .not_before = kNow - 100 * kDay, .not_after = end, .key = key});
  };
  const Minted one = with_key(kNow + 5 * kDay);
  add_leaf(one, "one");
  store_->add_pins(asked_, {pin("h.test:443", one.certificate.spki_hash()),
                            pin("h.test:443", one.certificate.spki_hash(), PinRow::Role::backup)});
  look();
  EXPECT_EQ(1U, store_->alerts({false, AlertKind::lock_out}, 10, 0).size());
  store_->watch_saw(add("h.test:443"), seen(with_key(kNow + 300 * kDay)), now_ + kInterval);
  look();
  EXPECT_EQ(0U, store_->alerts({false, AlertKind::lock_out}, 10, 0).size());
}

TEST_F(PinnedTest, PinsThatOnlyReportLockNobodyOut) {
  PinRow row = pin("h.test", Digest{1});
  row.mode = PinRow::Mode::report;
  store_->add_pins(asked_, {row});
  look();
  EXPECT_EQ(Words{}, kinds());
}

TEST_F(PinnedTest, UnpinnedHostIsNoLongerAlertedOf) {
  store_->add_pins(asked_, {pin("h.test", Digest{1})});
  look();
  EXPECT_EQ(Words{"lock_out"}, kinds());
  store_->remove_pins(asked_, {store_->pins(1, 0).at(0).id});
  look();
  EXPECT_EQ(Words{}, kinds());
}

} // namespace
} // namespace trust
