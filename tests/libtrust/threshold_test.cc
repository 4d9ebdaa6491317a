#include "libtrust/threshold.h"

#include <gtest/gtest.h>

#include "libtrust/error.h"
#include "tests/libtrust/mint.h"

namespace trust {
namespace {

using testing::kDay;

constexpr UnixTime kBegin = 1'800'000'000;

Thresholds of(std::initializer_list<const char*> texts) {
  Thresholds thresholds;
  for (const char* text : texts) thresholds.push_back(Threshold::parse(text));
  return thresholds;
}

std::vector<std::string> names(const Lifetime& lifetime, const Thresholds& thresholds) {
  std::vector<std::string> names;
  for (const Crossing& crossing : crossings(lifetime, thresholds)) {
    names.push_back(crossing.threshold + "@" +
                    std::to_string((lifetime.ends_at - crossing.at) / kDay));
  }
  return names;
}
using Names = std::vector<std::string>;

TEST(Threshold, IsADurationAShareOrTheEnd) {
  EXPECT_EQ(14 * kDay, Threshold::parse("14d").before_s(90 * kDay));
  EXPECT_EQ(3600 + 30 * 60, Threshold::parse("1h30m").before_s(90 * kDay));
  EXPECT_EQ(33 * kDay, Threshold::parse("33%").before_s(100 * kDay));
  EXPECT_EQ(0, Threshold::parse("0").before_s(90 * kDay));
  // Nothing overflows, whatever dates a certificate has.
  EXPECT_EQ(INT64_MAX / 100 * 99 + INT64_MAX % 100 * 99 / 100,
            Threshold::parse("99%").before_s(INT64_MAX));
}

TEST(Threshold, AnythingElseIsRefused) {
  for (const char* text : {"", "0%", "100%", "%", "-1d", "1.5d", "14", "a%", "1000%", "00%"}) {
    EXPECT_THROW(Threshold::parse(text), Error) << text;
  }
}

TEST(Threshold, CrossingsAreInOrderOfTimeWhateverTheirOrder) {
  const Lifetime quarter{kBegin, kBegin + 90 * kDay};
  EXPECT_EQ((Names{"33%@29", "14d@14", "1d@1", "0@0"}), names(quarter, of({"1d", "33%", "14d"})));
}

TEST(Threshold, OneThatLiesBeforeTheBeginSaysNothing) {
  const Lifetime week{kBegin, kBegin + 7 * kDay};
  EXPECT_EQ((Names{"1d@1", "0@0"}), names(week, default_thresholds()));
}

TEST(Threshold, TheEndIsOneEvenIfItIsNotAskedFor) {
  EXPECT_EQ((Names{"0@0"}), names({kBegin, kBegin + kDay}, {}));
}

TEST(Threshold, TwoOfOneMomentAreOne) {
  const Lifetime lifetime{kBegin, kBegin + 100 * kDay};
  EXPECT_EQ((Names{"10%@10", "0@0"}), names(lifetime, of({"10d", "10%"})));
}

TEST(Threshold, ACertificateThatEndsBeforeItBeginsHasEnded) {
  const Lifetime never{kBegin, kBegin - kDay};
  EXPECT_EQ((Names{"0@0"}), names(never, of({"30d", "33%"})));
}

TEST(Threshold, StandingIsTheLastThatCameAndTheNextToCome) {
  const Lifetime lifetime{kBegin, kBegin + 90 * kDay};
  const Thresholds thresholds = default_thresholds();
  const auto at = [&](std::int64_t days_left) {
    const Standing found = standing(lifetime, thresholds, lifetime.ends_at - days_left * kDay);
    const std::string next =
        found.next ? std::to_string((lifetime.ends_at - *found.next) / kDay) : "-";
    return (found.last ? found.last->threshold : "-") + " " + next;
  };
  EXPECT_EQ("- 30", at(31));
  EXPECT_EQ("30d 14", at(30));
  EXPECT_EQ("30d 14", at(15));
  EXPECT_EQ("7d 1", at(2));
  EXPECT_EQ("1d 0", at(1));
  EXPECT_EQ("0 -", at(0));
  EXPECT_EQ("0 -", at(-500));
}

} // namespace
} // namespace trust
