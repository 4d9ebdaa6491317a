#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "libtrust/error.h"
#include "libtrust/json.h"
#include "libtrust/store.h"
#include "tests/libtrust/mint.h"

namespace trust {
namespace {

using testing::kNow;

constexpr UnixTime kOneDay = 86400;

class StoreAlertTest : public ::testing::Test {
 protected:
  StoreAlertTest() {
    std::string pattern = ::testing::TempDir() + "/alerts-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    open();
  }
  ~StoreAlertTest() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  void open() {
    store_.reset();
    store_.emplace(Store::open(directory_ + "/trustd.db", [this] { return now_; }));
  }

  static Alert expiring(const std::string& threshold) {
    Alert alert;
    alert.kind = AlertKind::expiring;
    alert.target = "dev.test:443";
    alert.summary = "dev.test:443 ends within " + threshold;
    alert.threshold = threshold;
    alert.labels = {"dev.test"};
    return alert;
  }
  std::vector<std::string> told(std::uint64_t after = 0) {
    std::vector<std::string> words;
    for (const Notice& notice : store_->notices(after, 1000)) {
      words.push_back(std::string(name_of(notice.what)) + " " + notice.alert.threshold);
    }
    return words;
  }
  using Words = std::vector<std::string>;

  const Store::Asked asked_{{1000, 42, "/bin/test"}, "seen", {}};
  UnixTime now_ = kNow;
  std::string directory_;
  std::optional<Store> store_;
};

TEST_F(StoreAlertTest, IsRaisedOnceHoweverOftenItsCauseIsFound) {
  const auto first = store_->raise("end:a", expiring("30d"));
  EXPECT_TRUE(first.is_new);
  for (int i = 0; i < 5; ++i) {
    open();
    const auto again = store_->raise("end:a", expiring("30d"));
    EXPECT_FALSE(again.is_new);
    EXPECT_EQ(first.id, again.id);
  }
  EXPECT_EQ(Words{"raised 30d"}, told());
}

TEST_F(StoreAlertTest, TheNextThresholdTakesThePlaceOfTheOneBeforeWithoutAWordAboutThat) {
  store_->raise("end:a", expiring("30d"));
  store_->raise("end:a", expiring("14d"));
  EXPECT_EQ((Words{"raised 30d", "raised 14d"}), told());
  const auto open = store_->alerts({}, 10, 0);
  ASSERT_EQ(1U, open.size());
  EXPECT_EQ("14d", open[0].threshold);
  EXPECT_EQ(2U, store_->alerts({true, {}}, 10, 0).size());
}

TEST_F(StoreAlertTest, WhatItBreaksIsBroughtUpToDateWithoutTellingAgain) {
  store_->raise("end:a", expiring("30d"));
  Alert more = expiring("30d");
  more.hosts = {"dev.test", "api.test"};
  store_->raise("end:a", more);
  const auto open = store_->open_alert("end:a");
  ASSERT_TRUE(open);
  EXPECT_EQ(more.hosts, open->hosts);
  EXPECT_EQ(more.labels, open->labels);
  EXPECT_EQ(1U, told().size());
}

TEST_F(StoreAlertTest, ResolvesOnceWhenTheCauseIsGone) {
  store_->raise("end:a", expiring("30d"));
  EXPECT_TRUE(store_->settle("end:a"));
  EXPECT_FALSE(store_->settle("end:a"));
  EXPECT_FALSE(store_->settle("end:other"));
  EXPECT_EQ((Words{"raised 30d", "resolved 30d"}), told());
  EXPECT_TRUE(store_->alerts({}, 10, 0).empty());
  EXPECT_TRUE(store_->raise("end:a", expiring("30d")).is_new); // it came back
}

TEST_F(StoreAlertTest, AcknowledgementIsRecordedWithoutMakingAGeneration) {
  const auto raised = store_->raise("end:a", expiring("30d"));
  const auto done = store_->acknowledge(asked_, raised.id, {});
  EXPECT_EQ(0U, done.change.generation);
  EXPECT_TRUE(done.alert.acknowledged(now_ + 1000 * kOneDay));
  const auto audit = store_->audit(10, 0);
  ASSERT_EQ(1U, audit.size());
  EXPECT_EQ("acknowledge", audit[0].action);
  EXPECT_EQ("seen", audit[0].reason);
  EXPECT_EQ(done.change.audit_head, store_->audit_head());
  EXPECT_EQ(std::nullopt, store_->verify_audit());
  EXPECT_EQ(std::nullopt, store_->next_reminder());
}

TEST_F(StoreAlertTest, RunsOutAndRemindsOnce) {
  const auto raised = store_->raise("end:a", expiring("30d"));
  store_->acknowledge(asked_, raised.id, now_ + 7 * kOneDay);
  EXPECT_EQ(now_ + 7 * kOneDay, store_->next_reminder());
  EXPECT_EQ(0U, store_->remind(now_ + 7 * kOneDay - 1));
  EXPECT_EQ(1U, store_->remind(now_ + 7 * kOneDay));
  EXPECT_EQ(0U, store_->remind(now_ + 8 * kOneDay));
  EXPECT_EQ((Words{"raised 30d", "reminded 30d"}), told());
  EXPECT_FALSE(store_->alert(raised.id)->acknowledged(now_));
}

TEST_F(StoreAlertTest, CannotBeAcknowledgedWhenItIsResolvedOrUnknownOrUntilThePast) {
  const auto code = [&](std::int64_t id, std::optional<UnixTime> until) {
    try {
      store_->acknowledge(asked_, id, until);
    } catch (const Error& error) {
      return error.code();
    }
    return Code::internal;
  };
  const auto raised = store_->raise("end:a", expiring("30d"));
  EXPECT_EQ(Code::not_found, code(raised.id + 1, {}));
  EXPECT_EQ(Code::invalid, code(raised.id, now_));
  store_->settle("end:a");
  EXPECT_EQ(Code::conflict, code(raised.id, {}));
  EXPECT_TRUE(store_->audit(10, 0).empty());
}

TEST_F(StoreAlertTest, SinkGoesOnWhereItWasAndNumbersAreNeverUsedAgain) {
  EXPECT_EQ(std::nullopt, store_->sink_position("mail"));
  store_->raise("end:a", expiring("30d"));
  store_->set_sink_position("mail", store_->last_notice());
  store_->raise("end:b", expiring("30d"));
  open();
  ASSERT_EQ(1U, store_->sink_position("mail"));
  EXPECT_EQ(1U, store_->notices(1, 10).size());
  // A year after it was resolved an alert is forgotten; its numbers are not given out again.
  store_->settle("end:a");
  store_->settle("end:b");
  now_ += 400 * kOneDay;
  const std::uint64_t last = store_->last_notice();
  store_->raise("end:c", expiring("30d"));
  EXPECT_EQ(1U, store_->alerts({true, {}}, 10, 0).size());
  EXPECT_EQ(last + 1, store_->last_notice());
  EXPECT_EQ(1U, store_->notices(0, 10).size());
}

TEST_F(StoreAlertTest, IsTakenBackWithTheBatchThatFailed) {
  const auto thrown = store_->batch({[&](Store& store) {
    store.raise("end:a", expiring("30d"));
    throw Error(Code::internal, "no");
  }});
  ASSERT_TRUE(thrown[0]);
  EXPECT_TRUE(told().empty());
  EXPECT_EQ(0U, store_->last_event());
}

TEST_F(StoreAlertTest, IsToldToSubscribersAsAnEvent) {
  const auto raised = store_->raise("end:a", expiring("30d"));
  store_->acknowledge(asked_, raised.id, {});
  store_->settle("end:a");
  std::vector<std::string> whats;
  for (const Event& event : store_->events(0, 10)) {
    const Json json = json_of(event);
    EXPECT_EQ("alert", json.at("kind"));
    EXPECT_EQ(raised.id, json.at("alert"));
    EXPECT_EQ("expiring", json.at("alert_kind"));
    whats.push_back(json.at("what"));
  }
  EXPECT_EQ((Words{"raised", "acknowledged", "resolved"}), whats);
}

TEST_F(StoreAlertTest, EveryKindHasANameOfItsOwn) {
  for (int i = 0; i <= static_cast<int>(AlertKind::hook); ++i) {
    const auto kind = static_cast<AlertKind>(i);
    EXPECT_FALSE(name_of(kind).empty());
    EXPECT_EQ(kind, alert_kind_named(name_of(kind)));
  }
  EXPECT_EQ(std::nullopt, alert_kind_named("nothing"));
}

TEST_F(StoreAlertTest, JsonHasItsStateAndNullsForWhatIsNot) {
  const auto raised = store_->raise("end:a", expiring("30d"));
  Json json = json_of(*store_->alert(raised.id));
  EXPECT_EQ("open", json.at("state"));
  EXPECT_TRUE(json.at("resolved_at").is_null());
  EXPECT_TRUE(json.at("fingerprint").is_null());
  EXPECT_EQ(json.at("raised_at"), Json(rfc3339(kNow)));
  store_->settle("end:a");
  json = json_of(store_->notices(1, 1).at(0));
  EXPECT_EQ("resolved", json.at("what"));
  EXPECT_EQ("resolved", json.at("alert").at("state"));
}

} // namespace
} // namespace trust
