#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <set>

#include "libtrust/error.h"
#include "libtrust/store.h"
#include "tests/libtrust/mint.h"

namespace trust {
namespace {

using testing::kDay;
using testing::kNow;
using testing::mint;
using testing::Minted;

const Store::Asked kAsked{{1000, 42, "/bin/test"}, "", {}};

class StoreEndingTest : public ::testing::Test {
 protected:
  StoreEndingTest() {
    std::string pattern = ::testing::TempDir() + "/endings-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    open();
  }
  ~StoreEndingTest() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  void open() {
    store_.reset();
    store_.emplace(Store::open(directory_ + "/trustd.db", [this] { return now_; }));
  }

  Certificate certificate(const std::string& name, UnixTime not_after, UnixTime not_before = 0) {
    return mint({.common_name = name,
                 .sans = {"DNS:" + name},
                 .not_before = not_before != 0 ? not_before : not_after - 365 * kDay,
                 .not_after = not_after,
                 .key = testing::Key::shared()})
        .certificate;
  }
  void add(const Certificate& certificate, const std::string& label,
           std::optional<UnixTime> expires_at = {}) {
    Addition addition;
    addition.items.push_back({certificate, Trust::leaf, {}, label, true});
    addition.expires_at = expires_at;
    store_->add(kAsked, addition);
  }
  // What the scheduler does.
  void look() { look_with(*store_, now_, thresholds_); }
  static void look_with(Store& store, UnixTime now, const Thresholds& thresholds) {
    while (!store.entries_are_followed()) store.follow_entries(1000);
    for (auto due = store.next_ending(now); due && *due <= now; due = store.next_ending(now)) {
      store.tell_endings(thresholds, now, 500, "/published");
    }
  }
  void go_to(UnixTime now) {
    now_ = now;
    look();
  }

  using Words = std::vector<std::string>;
  Words told() {
    Words words;
    for (const Notice& notice : store_->notices(heard_, 1000)) {
      words.push_back(std::string(name_of(notice.what)) + " " +
                      std::string(name_of(notice.alert.kind)) + " " + notice.alert.target +
                      (notice.alert.threshold.empty() ? "" : " " + notice.alert.threshold));
      heard_ = notice.number;
    }
    return words;
  }

  UnixTime now_ = kNow;
  std::uint64_t heard_ = 0;
  Thresholds thresholds_ = default_thresholds();
  std::string directory_;
  std::optional<Store> store_;
};

TEST_F(StoreEndingTest, EveryThresholdIsToldOnceAndTheNextOneIsWhenToWake) {
  const UnixTime end = kNow + 100 * kDay;
  add(certificate("a.test", end), "a");
  look();
  EXPECT_EQ(Words{}, told());
  EXPECT_EQ(end - 30 * kDay, store_->next_ending(now_));
  for (const auto& [days, threshold] : std::map<int, std::string>{{-30, "expiring a 30d"},
                                                                  {-14, "expiring a 14d"},
                                                                  {-7, "expiring a 7d"},
                                                                  {-1, "expiring a 1d"},
                                                                  {0, "expired a 0"}}) {
    go_to(end + days * kDay - 1);
    EXPECT_EQ(Words{}, told());
    go_to(end + days * kDay);
    EXPECT_EQ(Words{"raised " + threshold}, told());
    open();
    look();
    EXPECT_EQ(Words{}, told());
  }
  EXPECT_EQ(std::nullopt, store_->next_ending(now_));
}

TEST_F(StoreEndingTest, SleepThroughSeveralThresholdsTellsTheLastAlone) {
  const UnixTime end = kNow + 100 * kDay;
  add(certificate("a.test", end), "a");
  look();
  go_to(end - 2 * kDay);
  EXPECT_EQ(Words{"raised expiring a 7d"}, told());
}

TEST_F(StoreEndingTest, SaysWhatBreaks) {
  const Certificate leaf = certificate("a.test", kNow + 10 * kDay);
  add(leaf, "a");
  const Ending ending =
      Ending::of(leaf.fingerprint(), leaf.subject(), {leaf.not_before(), leaf.not_after()});
  store_->depend(DependantKind::endpoint, 1, {{ending, "a.test:8443"}});
  store_->depend(DependantKind::file, 2, {{ending, "/etc/app/server.pem"}});
  look();
  const auto open = store_->alerts({}, 10, 0);
  ASSERT_EQ(1U, open.size()); // one, however many depend on it
  EXPECT_EQ(Words{"a"}, open[0].labels);
  EXPECT_EQ((Words{"a.test", "a.test:8443"}), open[0].hosts);
  for (const std::string file : {"/etc/app/server.pem", "/published/bundle.pem",
                                 "/published/extra.pem", "/published/by-label/a.pem"}) {
    EXPECT_TRUE(std::ranges::count(open[0].files, file)) << file;
  }
  EXPECT_NE(std::string::npos, open[0].summary.find(rfc3339(leaf.not_after())));
  EXPECT_EQ("trustctl show a", open[0].hint);
}

TEST_F(StoreEndingTest, FloodOfDependantsIsOneAlertThatNamesFiftyAndCountsTheRest) {
  const Certificate root = certificate("ca.test", kNow + 5 * kDay);
  const Ending ending =
      Ending::of(root.fingerprint(), root.subject(), {root.not_before(), root.not_after()});
  for (int i = 0; i < 300; ++i) {
    store_->depend(DependantKind::endpoint, i, {{ending, "h" + std::to_string(i) + ".test:443"}});
  }
  look();
  EXPECT_EQ(1U, told().size());
  const auto open = store_->alerts({}, 10, 0);
  EXPECT_EQ(50U, open.at(0).hosts.size());
  EXPECT_NE(std::string::npos, open[0].summary.find("and 295 more"));
}

TEST_F(StoreEndingTest, ResolvesByItselfWhenNothingDependsOnItAnyMore) {
  const Certificate leaf = certificate("a.test", kNow + 10 * kDay);
  add(leaf, "a");
  const Ending ending =
      Ending::of(leaf.fingerprint(), leaf.subject(), {leaf.not_before(), leaf.not_after()});
  store_->depend(DependantKind::endpoint, 1, {{ending, "a.test:8443"}});
  look();
  told();
  store_->remove(kAsked, leaf.fingerprint());
  look();
  EXPECT_EQ(Words{}, told()); // the server presents it still
  EXPECT_EQ(Words{}, store_->alerts({}, 10, 0).at(0).labels);
  store_->depend(DependantKind::endpoint, 1, {});
  EXPECT_EQ(Words{"resolved expiring a.test:8443 14d"}, told());
}

TEST_F(StoreEndingTest, RenewedOneResolvesTheOldAndIsWatchedInItsPlace) {
  add(certificate("a.test", kNow + 10 * kDay), "a");
  look();
  EXPECT_EQ(Words{"raised expiring a 14d"}, told());
  Addition renewed;
  renewed.items.push_back({certificate("a.test", kNow + 90 * kDay), Trust::leaf, {}, "a", true});
  renewed.replace = true;
  store_->add(kAsked, renewed);
  look();
  EXPECT_EQ(Words{"resolved expiring a 14d"}, told());
  EXPECT_EQ(kNow + 60 * kDay, store_->next_ending(now_));
}

TEST_F(StoreEndingTest, NewLabelTellsNothingAgain) {
  const Certificate leaf = certificate("a.test", kNow + 10 * kDay);
  add(leaf, "a");
  look();
  told();
  EntryPatch patch;
  patch.label = "b";
  store_->patch(kAsked, leaf.fingerprint(), patch);
  look();
  EXPECT_EQ(Words{}, told());
  EXPECT_EQ(Words{"b"}, store_->alerts({}, 10, 0).at(0).labels);
}

TEST_F(StoreEndingTest, NotYetValidIsToldAndResolvesWhenItBegins) {
  add(certificate("a.test", kNow + 300 * kDay, kNow + 2 * kDay), "a");
  look();
  EXPECT_EQ(Words{"raised not_yet_valid a"}, told());
  EXPECT_EQ(kNow + 2 * kDay, store_->next_ending(now_));
  go_to(kNow + 2 * kDay);
  EXPECT_EQ(Words{"resolved not_yet_valid a"}, told());
}

TEST_F(StoreEndingTest, EndThatSomebodyGaveIsWarnedOfButNothingIsSaidWhenItComes) {
  add(certificate("a.test", kNow + 300 * kDay), "a", kNow + 10 * kDay);
  look();
  EXPECT_EQ(Words{}, told()); // of ten days, 30 and 14 are no warning
  go_to(kNow + 3 * kDay);
  EXPECT_EQ(Words{"raised expiring a 7d"}, told());
  go_to(kNow + 10 * kDay);
  EXPECT_EQ(Words{"resolved expiring a 7d"}, told());
  store_->end_due(now_);
  look();
  EXPECT_EQ(Words{}, told());
}

TEST_F(StoreEndingTest, WhatIsDistrustedMayEnd) {
  Addition addition;
  addition.items.push_back({certificate("a.test", kNow + kDay), Trust::distrusted, {}, "a", true});
  store_->add(kAsked, addition);
  look();
  EXPECT_EQ(Words{}, told());
}

TEST_F(StoreEndingTest, WeakKeyIsToldUntilItIsGone) {
  const Minted weak = mint({.common_name = "old.test",
                            .sans = {"DNS:old.test"},
                            .not_before = kNow - kDay,
                            .not_after = kNow + 300 * kDay,
                            .key = testing::Key::rsa(1024)});
  add(weak.certificate, "old");
  look();
  EXPECT_EQ(Words{"raised weak old"}, told());
  open();
  look();
  EXPECT_EQ(Words{}, told());
  store_->remove(kAsked, weak.certificate.fingerprint());
  look();
  EXPECT_EQ(Words{"resolved weak old"}, told());
}

TEST_F(StoreEndingTest, OtherThresholdsHoldFromTheNextStart) {
  add(certificate("a.test", kNow + 20 * kDay), "a");
  store_->use_thresholds(thresholds_);
  look();
  EXPECT_EQ(Words{"raised expiring a 30d"}, told());
  thresholds_ = {Threshold::parse("25d")};
  open();
  store_->use_thresholds(thresholds_);
  look();
  EXPECT_EQ(Words{"raised expiring a 25d"}, told());
}

TEST_F(StoreEndingTest, ClockSetBackALittleRepeatsNothing) {
  const UnixTime end = kNow + 20 * kDay;
  add(certificate("a.test", end), "a");
  look();
  go_to(end - 7 * kDay);
  told();
  go_to(end - 13 * kDay); // back behind the threshold
  EXPECT_EQ(Words{}, told());
  go_to(end - 7 * kDay + 1);
  EXPECT_EQ(Words{}, told());
  go_to(end - kDay);
  EXPECT_EQ(Words{"raised expiring a 1d"}, told());
}

TEST_F(StoreEndingTest, WhatAClockThatRanAheadToldIsTakenBackAndToldAtItsTime) {
  const UnixTime end = kNow + 100 * kDay;
  add(certificate("a.test", end), "a");
  look();
  go_to(kNow + 4000 * kDay);
  EXPECT_EQ(Words{"raised expired a 0"}, told());
  go_to(kNow + 1);
  EXPECT_EQ(Words{"resolved expired a 0"}, told());
  go_to(end - 30 * kDay);
  EXPECT_EQ(Words{"raised expiring a 30d"}, told());
}

TEST_F(StoreEndingTest, WorkGrowsWithWhatIsDueAndNotWithWhatIsStored) {
  store_->batch({[&](Store& store) {
    for (int i = 0; i < 20'000; ++i) {
      Ending ending;
      ending.cause = "end:" + std::to_string(i);
      ending.title = "t";
      ending.lifetime = {kNow - kDay, kNow + (1000 + i) * kDay};
      store.depend(DependantKind::endpoint, i, {{ending, "h"}});
    }
  }});
  look();
  now_ = kNow + 971 * kDay; // of those that end on the days 1000 and 1001
  EXPECT_EQ(2U, store_->tell_endings(thresholds_, now_, 500, ""));
  EXPECT_EQ(0U, store_->tell_endings(thresholds_, now_, 500, ""));
}

// A year over 10,000 certificates and 500 endpoints, looked at by a process that is killed again
// and again, and with the clock stepping both ways: each threshold that was crossed is told once.
TEST_F(StoreEndingTest, YearWithKillsRestartsAndClockStepsTellsEachThresholdOnce) {
  constexpr int kCertificates = 10'000;
  constexpr int kEndpoints = 500;
  std::mt19937 random(7);
  const auto any = [&](int most) {
    return static_cast<int>(random() % static_cast<unsigned>(most));
  };
  std::map<std::string, UnixTime> ends; // by label
  {
    Addition addition;
    for (int i = 0; i < kCertificates; ++i) {
      const std::string label = "l" + std::to_string(i);
      const UnixTime end = kNow + 40 * kDay + any(400 * 24) * 3600;
      ends[label] = end;
      addition.items.push_back(
          {certificate(label + ".test", end, kNow - kDay), Trust::leaf, {}, label, true});
    }
    store_->add(kAsked, addition);
  }
  store_->batch({[&](Store& store) {
    for (int i = 0; i < kEndpoints; ++i) {
      const std::string name = "e" + std::to_string(i) + ".test:443";
      Ending ending;
      ending.cause = "end:endpoint" + std::to_string(i);
      ending.title = name;
      const UnixTime end = kNow + 40 * kDay + any(400 * 24) * 3600;
      ending.lifetime = {kNow - kDay, end};
      ends[name] = end;
      store.depend(DependantKind::endpoint, i, {{ending, name}});
    }
  }});
  look();
  ASSERT_EQ(Words{}, told());

  // The year in steps; each in a process of its own that is killed in the middle of its work.
  std::vector<UnixTime> times;
  for (int day = 1; day <= 366; day += 1 + any(3)) times.push_back(kNow + day * kDay);
  times.insert(times.begin() + 30, times[30] - 5 * kDay); // and back
  times.insert(times.begin() + 60, times[60] + 3 * kDay); // ahead, and back again
  store_.reset();
  int kills = 0;
  for (const UnixTime time : times) {
    now_ = time;
    for (bool whole = false; !whole;) {
      const pid_t child = ::fork();
      ASSERT_GE(child, 0);
      if (child == 0) {
        try {
          Store store = Store::open(directory_ + "/trustd.db", [time] { return time; });
          look_with(store, time, thresholds_);
        } catch (...) {
          ::_exit(1);
        }
        ::_exit(0);
      }
      if (any(4) == 0) {
        ::usleep(static_cast<useconds_t>(any(8000)));
        ::kill(child, SIGKILL);
      }
      int status = 0;
      ::waitpid(child, &status, 0);
      whole = WIFEXITED(status);
      if (whole) {
        ASSERT_EQ(0, WEXITSTATUS(status));
      } else {
        ++kills;
      }
    }
  }
  open();
  EXPECT_GT(kills, 3);

  // What a look at those times, in that order, has to tell: the last threshold that came since.
  std::map<std::string, Words> expected;
  for (const auto& [name, end] : ends) {
    const Lifetime lifetime{kNow - kDay, end};
    std::optional<UnixTime> last;
    for (const UnixTime time : times) {
      const Standing at = standing(lifetime, thresholds_, time);
      if (!at.last || (last && at.last->at <= *last)) continue;
      last = at.last->at;
      expected[name].push_back(at.last->threshold);
    }
  }
  std::map<std::string, Words> found;
  std::uint64_t number = 0;
  std::size_t count = 0;
  for (;;) {
    const auto notices = store_->notices(number, 1000);
    if (notices.empty()) break;
    for (const Notice& notice : notices) {
      EXPECT_EQ(Notice::What::raised, notice.what);
      found[notice.alert.target].push_back(notice.alert.threshold);
      number = notice.number;
      ++count;
    }
  }
  EXPECT_GT(count, 20'000U);
  EXPECT_TRUE(expected == found);
}

} // namespace
} // namespace trust
