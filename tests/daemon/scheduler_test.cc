#include "daemon/scheduler.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "daemon/endpoints.h"
#include "daemon/expiry.h"
#include "libtrust/error.h"
#include "tests/daemon/rest.h"
#include "tests/daemon/serving.h"
#include "tests/libtrust/mint.h"

namespace trust {
namespace {

using testing::kDay;
using testing::mint;
using testing::Rest;

class Counted : public Duty {
 public:
  std::optional<UnixTime> next_due(UnixTime) override {
    const UnixTime at = due.load();
    return at == 0 ? std::nullopt : std::optional(at);
  }
  void do_due(UnixTime now) override {
    ++done;
    if (fails) throw Error(Code::io, "no");
    due = again_after == 0 ? 0 : now + again_after;
  }

  std::atomic<UnixTime> due{0};
  std::atomic<int> done{0};
  std::atomic<bool> fails{false};
  UnixTime again_after = 0;
};

TEST(Scheduler, SleepsWhileNothingIsDueAndWakesForWhatIs) {
  std::atomic<UnixTime> now{1'800'000'000};
  Counted duty;
  duty.due = now + 1000;
  Scheduler scheduler([&now] { return now.load(); }, {&duty});
  scheduler.start();
  ASSERT_TRUE(comes_true([&] { return scheduler.turns() == 1; }));
  now += 999;
  scheduler.wake();
  ASSERT_TRUE(comes_true([&] { return scheduler.turns() == 2; }));
  EXPECT_EQ(0, duty.done);
  now += 1;
  scheduler.wake();
  ASSERT_TRUE(comes_true([&] { return duty.done == 1; }));
  scheduler.stop();
  EXPECT_EQ(3U, scheduler.turns()); // it was asleep in between
}

TEST(Scheduler, WakesByItselfAtTheTime) {
  Counted duty;
  duty.due = system_clock_now() + 1;
  Scheduler scheduler(system_clock_now, {&duty});
  scheduler.start();
  EXPECT_TRUE(comes_true([&] { return duty.done == 1; }));
  EXPECT_LE(scheduler.turns(), 3U);
}

TEST(Scheduler, OneThatFailsIsAskedAgainAMinuteLaterAndHoldsUpNobody) {
  std::atomic<UnixTime> now{1'800'000'000};
  Counted bad, good;
  bad.due = good.due = now.load();
  bad.fails = true;
  Scheduler scheduler([&now] { return now.load(); }, {&bad, &good});
  scheduler.start();
  ASSERT_TRUE(comes_true([&] { return good.done == 1; }));
  EXPECT_EQ(1, bad.done);
}

TEST(Scheduler, StopsAtOnce) {
  Counted duty;
  Scheduler scheduler(system_clock_now, {&duty});
  scheduler.start();
  scheduler.stop();
  scheduler.stop();
}

// The daemon's parts together, with a clock of the test's.
class Alerting {
 public:
  explicit Alerting(Rest& rest, Endpoints::Look look = nullptr)
      : expiry_(rest.changes(), rest.readers(), default_thresholds(), "/published"),
        endpoints_({}, rest.clock(), rest.changes(), rest.readers(), std::move(look),
                   [this] { scheduler_.wake(); }),
        scheduler_(rest.clock(), {&expiry_, &endpoints_}) {
    scheduler_.start();
  }
  ~Alerting() {
    endpoints_.stop();
    scheduler_.stop();
  }
  void wake() { scheduler_.wake(); }
  Endpoints& endpoints() { return endpoints_; }

 private:
  Expiry expiry_;
  Endpoints endpoints_;
  Scheduler scheduler_;
};

std::vector<std::string> raised(Rest& rest) {
  std::vector<std::string> found;
  rest.readers().with([&](Store& store) {
    for (const Notice& notice : store.notices(0, 1000)) {
      if (notice.what != Notice::What::raised) continue;
      found.push_back(notice.alert.target + " " + std::string(name_of(notice.alert.kind)) + " " +
                      notice.alert.threshold);
    }
  });
  return found;
}
using Words = std::vector<std::string>;

TEST(Alerting, YearOfTheDaemonsPartsTellsEachThresholdOnceThroughRestartsAndClockSteps) {
  Rest rest;
  const UnixTime start = rest.time();
  const UnixTime end = start + 200 * kDay;
  const auto leaf = mint({.common_name = "a.test",
                          .sans = {"DNS:a.test"},
                          .ca = false,
                          .not_before = start - kDay,
                          .not_after = end});
  rest.post("/v1/certificates", {{"pem", leaf.pem()}, {"trust", "leaf"}, {"label", "leaf"}}, 201);
  Words expected;
  for (const auto& [days, threshold] :
       std::vector<std::pair<int, std::string>>{{-30, "expiring 30d"},
                                                {-14, "expiring 14d"},
                                                {-7, "expiring 7d"},
                                                {-1, "expiring 1d"},
                                                {0, "expired 0"}}) {
    expected.push_back("leaf " + threshold);
    {
      Alerting alerting(rest);
      rest.set_time(end + days * kDay);
      alerting.wake();
      ASSERT_TRUE(comes_true([&] { return raised(rest) == expected; }));
      rest.set_time(end + days * kDay - 5 * kDay); // back, and forth again
      alerting.wake();
    }
    rest.stop();
    rest.start();
    rest.set_time(end + days * kDay + 1);
    Alerting again(rest);
    ASSERT_TRUE(comes_true([&] {
      return rest.readers().with([&](Store& store) {
        return store.entries_are_followed() && store.next_ending(rest.time()) != rest.time();
      });
    }));
    EXPECT_EQ(expected, raised(rest));
  }
}

TEST(Alerting, ServersAreLookedAtEightAtOnceAndEachAtItsTime) {
  Rest rest;
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;
  int now_looking = 0;
  int most = 0;
  std::atomic<int> looks{0};
  const auto look = [&](const Endpoint&, UnixTime) -> Seen {
    std::unique_lock lock(mutex);
    most = std::max(most, ++now_looking);
    changed.notify_all();
    changed.wait(lock, [&] { return open; });
    --now_looking;
    ++looks;
    throw Error(Code::connect, "nobody is there");
  };
  {
    Alerting alerting(rest, look);
    for (int i = 0; i < 30; ++i) {
      rest.post("/v1/watches", {{"endpoint", "h" + std::to_string(i) + ".test"}}, 201);
    }
    alerting.wake();
    {
      std::unique_lock lock(mutex);
      ASSERT_TRUE(changed.wait_for(lock, kPatience, [&] { return now_looking == 8; }));
      open = true;
    }
    changed.notify_all();
    ASSERT_TRUE(comes_true([&] { return looks == 30; }));
    const auto failures = [&](std::uint64_t count) {
      return rest.readers().with([&](Store& store) {
        for (const Watch& watch : store.watches({}, 100, 0)) {
          if (watch.failures != count) return false;
        }
        return true;
      });
    };
    ASSERT_TRUE(comes_true([&] { return failures(1); }));
    for (std::uint64_t count = 2; count <= 3; ++count) {
      rest.set_time(rest.time() + 3600);
      alerting.wake();
      ASSERT_TRUE(comes_true([&] { return failures(count); }));
    }
    EXPECT_EQ(8, most);
    EXPECT_EQ(30U, raised(rest).size());
  }
}

TEST(Alerting, SuspicionIsLookedAtOnceAMinuteAndOnlyWhatIsSeenIsTold) {
  Rest rest;
  std::atomic<int> looks{0};
  std::atomic<bool> differs{false};
  const auto leaf = mint({.common_name = "a.test", .sans = {"DNS:a.test"}});
  Alerting alerting(rest, [&](const Endpoint&, UnixTime) {
    Seen seen;
    seen.certificate = CertificateFacts::of(leaf.certificate);
    seen.verdict = differs ? "pin_mismatch" : "ok";
    seen.pin_status = differs ? "mismatch" : "match";
    ++looks;
    return seen;
  });
  const Endpoint endpoint = Endpoint::parse("a.test:443", 443);
  const auto pin = [&](const std::string& role) {
    rest.post("/v1/pins",
              {{"pattern", "a.test"},
               {"pins", {Pin::of(mint({.common_name = role}).certificate).text()}},
               {"role", role}},
              201);
  };
  pin("backup"); // first, or there would be none for a moment
  pin("active");
  for (int i = 0; i < 50; ++i) alerting.endpoints().suspect(endpoint);
  ASSERT_TRUE(comes_true([&] { return looks == 1; }));
  EXPECT_EQ(Words{}, raised(rest));
  differs = true;
  rest.set_time(rest.time() + 61);
  ASSERT_TRUE(comes_true([&] {
    alerting.endpoints().suspect(endpoint);
    return !raised(rest).empty();
  }));
  EXPECT_EQ(Words{"a.test:443 pin_mismatch "}, raised(rest));
  EXPECT_EQ(2, looks);
}

} // namespace
} // namespace trust
