#include "daemon/sinks/courier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "daemon/alerts.h"
#include "libtrust/error.h"
#include "libtrust/publish.h"
#include "tests/libtrust/scratch.h"

namespace trust::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

// Where deliveries arrive; outlives the sink, as a receiver does.
struct Receiver {
  Guarded<std::vector<Delivery>> taken;
  std::atomic<int> failures{0}; // how many more are refused
  std::atomic<int> attempts{0};
  std::atomic<bool> takes_and_fails{false}; // has it, but the sender does not learn of it

  std::vector<Delivery> all() const {
    return taken.with([](const std::vector<Delivery>& list) { return list; });
  }
  std::vector<std::uint64_t> numbers() const {
    std::vector<std::uint64_t> found;
    for (const Delivery& delivery : all()) {
      for (const Notice& notice : delivery.notices) found.push_back(notice.number);
    }
    return found;
  }
};

class FakeSink : public Sink {
 public:
  explicit FakeSink(Receiver& receiver, bool people = false)
      : receiver_(receiver), people_(people) {}
  void deliver(const Delivery& delivery, int) override {
    ++receiver_.attempts;
    if (receiver_.takes_and_fails) {
      receiver_.taken.with([&](std::vector<Delivery>& list) { list.push_back(delivery); });
      throw Error(Code::timeout, "no answer came");
    }
    if (receiver_.failures > 0) {
      --receiver_.failures;
      throw Error(Code::connect, "refused");
    }
    receiver_.taken.with([&](std::vector<Delivery>& list) { list.push_back(delivery); });
  }
  bool is_for_people() const override { return people_; }

 private:
  Receiver& receiver_;
  const bool people_;
};

class CourierTest : public ::testing::Test {
 protected:
  CourierTest() {
    settings_.gather = 1ms;
    settings_.pace = 1ms;
    settings_.first_wait = 2ms;
    settings_.most_wait = 8ms;
    PublishSettings publishing;
    publishing.directory = scratch_.path("public");
    Changes::Settings changing;
    changing.base = "none";
    changes_ = std::make_unique<Changes>(changing, system_clock_now,
                                         Store::open(scratch_.path("trustd.db"), system_clock_now),
                                         std::make_unique<Publisher>(publishing), [this] {
                                           if (Courier* courier = waking_.load()) courier->wake();
                                         });
    readers_ = std::make_unique<Readers>(scratch_.path("trustd.db"), system_clock_now);
  }
  ~CourierTest() override {
    stop();
    changes_->stop();
  }

  void start(const std::string& name = "chat", bool people = false) {
    courier_ =
        std::make_unique<Courier>(name, "webhook", std::make_unique<FakeSink>(receiver_, people),
                                  *changes_, *readers_, settings_);
    waking_ = courier_.get();
  }
  void stop() {
    waking_ = nullptr;
    courier_.reset();
  }
  static Alert alert(const std::string& target) {
    Alert made;
    made.target = target;
    made.summary = target + " ends";
    return made;
  }
  void in_store(std::function<void(Store&)> change) {
    std::promise<void> done;
    changes_->submit(std::move(change), [&done](const Changes::Outcome& outcome) {
      EXPECT_FALSE(outcome.failure);
      done.set_value();
    });
    done.get_future().wait();
  }
  void raise(const std::string& cause) {
    in_store([&](Store& store) { store.raise(cause, alert(cause)); });
  }
  void settle(const std::string& cause) {
    in_store([&](Store& store) { store.settle(cause); });
  }
  // Until `holds`: what is waited for comes by itself.
  template <typename Condition>
  static void until(Condition holds) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!holds()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::yield();
    }
  }
  std::uint64_t position() {
    return readers_->with([](Store& store) { return store.sink_position("chat").value_or(0); });
  }

  Scratch scratch_;
  Receiver receiver_;
  CourierSettings settings_;
  std::atomic<Courier*> waking_{nullptr};
  std::unique_ptr<Changes> changes_;
  std::unique_ptr<Readers> readers_;
  std::unique_ptr<Courier> courier_;
};

TEST_F(CourierTest, WhatIsRaisedIsDeliveredOnce) {
  start();
  raise("a");
  until([&] { return receiver_.numbers().size() == 1; });
  raise("b");
  until([&] { return receiver_.numbers().size() == 2; });
  settle("a");
  until([&] { return receiver_.numbers().size() == 3; });
  until([&] { return position() == 3; });
  until([&] { return courier_->state().deliveries == 3; }); // counted once that is written down
  EXPECT_THAT(receiver_.numbers(), ElementsAre(1, 2, 3));
}

TEST_F(CourierTest, WhatWasRaisedWhileItWasAwayIsOneMessage) {
  start();
  raise("first");
  until([&] { return position() == 1; });
  stop();
  for (int i = 0; i < 50; ++i) raise("host-" + std::to_string(i));
  start();
  until([&] { return position() == 51; });
  ASSERT_EQ(receiver_.all().size(), 2U);
  EXPECT_EQ(receiver_.all()[1].notices.size(), 50U);
}

TEST_F(CourierTest, AProgramGetsPagesAndPeopleOneMessage) {
  in_store([&](Store& store) {
    for (int i = 0; i < 250; ++i) store.raise(std::to_string(i), alert(std::to_string(i)));
  });
  start("chat", false);
  until([&] { return position() == 250; });
  stop();
  EXPECT_EQ(receiver_.all().size(), 3U);
  start("people", true);
  until([&] { return receiver_.numbers().size() == 500; });
  EXPECT_EQ(receiver_.all().size(), 4U);
}

TEST_F(CourierTest, WhatIsRefusedIsSentAgainWithTheSameId) {
  receiver_.failures = 4;
  start();
  raise("a");
  until([&] { return receiver_.numbers().size() == 1; });
  until([&] { return courier_->state().last_success_at.has_value(); });
  EXPECT_EQ(receiver_.attempts, 5);
  const SinkState state = courier_->state();
  EXPECT_EQ(state.failures, 4U);
  EXPECT_EQ(state.failures_in_a_row, 0U);
  EXPECT_EQ(state.last_error, "refused");
}

TEST_F(CourierTest, AfterAnUnknownEndTheIdStaysThoughThereIsMore) {
  receiver_.takes_and_fails = true;
  settings_.first_wait = settings_.most_wait = std::chrono::hours(1); // it is tried once
  start();
  raise("a");
  until([&] { return receiver_.attempts > 0; });
  stop();
  raise("b"); // would be in the same message, if that had not begun
  receiver_.takes_and_fails = false;
  const std::string id = receiver_.all().front().id;
  const std::size_t before = receiver_.all().size();
  start();
  until([&] { return position() == 2; });
  const std::vector<Delivery> all = receiver_.all();
  ASSERT_EQ(all.size(), before + 2);
  EXPECT_EQ(all[before].id, id);
  EXPECT_EQ(all[before].notices.size(), 1U);
  EXPECT_NE(all[before + 1].id, id);
  EXPECT_EQ(all[before + 1].notices.front().number, 2U);
}

TEST_F(CourierTest, ThatItFailsIsAnAlertUntilItWorks) {
  receiver_.failures = 1'000'000;
  start();
  raise("a");
  until([&] {
    return readers_->with([](Store& store) { return store.open_alert("delivery:chat"); })
        .has_value();
  });
  const auto open = readers_->with([](Store& store) { return store.open_alert("delivery:chat"); });
  EXPECT_EQ(open->kind, AlertKind::delivery);
  EXPECT_EQ(open->target, "chat");
  EXPECT_THAT(open->summary, HasSubstr("refused"));
  EXPECT_EQ(open->hint, "trustctl alerts test chat");
  receiver_.failures = 0;
  until([&] {
    return !readers_->with([](Store& store) { return store.open_alert("delivery:chat"); })
                .has_value();
  });
  // Nothing of it to the sink itself.
  until([&] { return position() == readers_->with([](Store& s) { return s.last_notice(); }); });
  EXPECT_THAT(receiver_.numbers(), ElementsAre(1));
}

TEST_F(CourierTest, ANewSinkIsToldWhatIsOpen) {
  raise("open");
  raise("gone");
  settle("gone");
  start();
  until([&] { return position() == 3; });
  EXPECT_THAT(receiver_.numbers(), ElementsAre(1));
}

TEST_F(CourierTest, ATestGoesPastWhatWaits) {
  receiver_.failures = 1;
  settings_.first_wait = std::chrono::hours(1);
  settings_.most_wait = std::chrono::hours(1);
  start();
  raise("a");
  until([&] { return courier_->state().failures == 1; });
  EXPECT_TRUE(courier_->state().next_attempt_at.has_value());
  std::promise<std::string> sent;
  courier_->test([&](const std::string& id, const std::exception_ptr& failure) {
    EXPECT_FALSE(failure);
    sent.set_value(id);
  });
  EXPECT_TRUE(sent.get_future().get().starts_with("test-"));
  EXPECT_TRUE(receiver_.all().front().test);
  // It works again: what waited for an hour does not wait longer.
  until([&] { return receiver_.all().size() == 2; });
}

TEST_F(CourierTest, ATestThatFailsSaysWhy) {
  receiver_.failures = 1;
  start();
  std::promise<std::string> said;
  courier_->test([&](const std::string&, const std::exception_ptr& failure) {
    try {
      std::rethrow_exception(failure);
    } catch (const Error& error) {
      said.set_value(error.message());
    }
  });
  EXPECT_EQ(said.get_future().get(), "refused");
  EXPECT_EQ(courier_->state().failures, 0U);
}

TEST_F(CourierTest, EndsWhileItWaits) {
  receiver_.failures = 1'000'000;
  settings_.first_wait = settings_.most_wait = std::chrono::hours(1);
  start();
  raise("a");
  until([&] { return courier_->state().failures == 1; });
  stop();
  EXPECT_EQ(position(), 0U);
}

} // namespace
} // namespace trust::testing
