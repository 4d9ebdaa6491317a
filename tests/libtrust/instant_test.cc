#include "libtrust/instant.h"

#include <gtest/gtest.h>

#include <limits>

#include "libtrust/error.h"
#include "tests/libtrust/mint.h"

namespace trust {
namespace {

using testing::kDay;

constexpr UnixTime kNoon = 1795434240; // 2026-11-23T11:44:00Z

TEST(Rfc3339, WritesUtc) {
  EXPECT_EQ(rfc3339(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(rfc3339(-1), "1969-12-31T23:59:59Z");
  EXPECT_EQ(rfc3339(kNoon), "2026-11-23T11:44:00Z");
  EXPECT_EQ(rfc3339(951782400), "2000-02-29T00:00:00Z");
}

TEST(Rfc3339, ClampsYearsThatHaveNoFourDigits) {
  EXPECT_EQ(rfc3339(std::numeric_limits<UnixTime>::max()), "9999-12-31T23:59:59Z");
  EXPECT_EQ(rfc3339(std::numeric_limits<UnixTime>::min()), "0000-01-01T00:00:00Z");
}

TEST(ParseTime, ReadsWhatItWrites) {
  for (const UnixTime time : {UnixTime{0}, kNoon, UnixTime{-5}, UnixTime{253402300799}}) {
    EXPECT_EQ(parse_time(rfc3339(time)), time);
  }
}

TEST(ParseTime, ReadsTheFormsThatPeopleType) {
  EXPECT_EQ(parse_time("2026-11-23"), kNoon - 11 * 3600 - 44 * 60);
  EXPECT_EQ(parse_time("2026-11-23 11:44"), kNoon);
  EXPECT_EQ(parse_time("2026-11-23 11:44:05"), kNoon + 5);
  EXPECT_EQ(parse_time("2026-11-23t11:44:00z"), kNoon);
  EXPECT_EQ(parse_time("2026-11-23T11:44:00.987Z"), kNoon);
  EXPECT_EQ(parse_time("2026-11-23T13:44:00+02:00"), kNoon);
  EXPECT_EQ(parse_time("2026-11-23T06:14:00-05:30"), kNoon);
  EXPECT_EQ(parse_time("2016-12-31T23:59:60Z"), parse_time("2017-01-01T00:00:00Z"));
}

TEST(ParseTime, RefusesEverythingElse) {
  for (const char* text : {"",
                           "now",
                           "2026",
                           "2026-11",
                           "2026-13-01",
                           "2026-02-30",
                           "2026-00-10",
                           "26-11-23",
                           "2026-11-23T11:44:00",
                           "2026-11-23T11:44Z",
                           "2026-11-23T24:00:00Z",
                           "2026-11-23T11:60:00Z",
                           "2026-11-23T11:44:61Z",
                           "2026-11-23T11:44:00.Z",
                           "2026-11-23T11:44:00Zx",
                           "2026-11-23T11:44:00+24:00",
                           "2026-11-23 ",
                           " 2026-11-23",
                           "-026-11-23",
                           "+2026-11-23",
                           "2026-11-23T11:44:00+0200"}) {
    EXPECT_THROW(parse_time(text), Error) << text;
  }
}

TEST(ParseDuration, ReadsUnitsFromTheLargest) {
  EXPECT_EQ(parse_duration_s("90s"), 90);
  EXPECT_EQ(parse_duration_s("45m"), 2700);
  EXPECT_EQ(parse_duration_s("8h"), 8 * 3600);
  EXPECT_EQ(parse_duration_s("30d"), 30 * kDay);
  EXPECT_EQ(parse_duration_s("2w"), 14 * kDay);
  EXPECT_EQ(parse_duration_s("1h30m"), 5400);
  EXPECT_EQ(parse_duration_s("36500d"), 36500 * kDay);
}

TEST(ParseDuration, RefusesEverythingElse) {
  for (const char* text : {"", "0s", "0", "5", "-5s", "+5s", "s", "1y", "30m1h", "1h1h", "1.5h",
                           "1h ", " 1h", "1H", "36526d", "99999999999999999999s", "5220w1000d"}) {
    EXPECT_THROW(parse_duration_s(text), Error) << text;
  }
}

TEST(Relative, IsForPeople) {
  EXPECT_EQ(relative(kNoon, kNoon), "now");
  EXPECT_EQ(relative(kNoon + 1, kNoon), "in 1 second");
  EXPECT_EQ(relative(kNoon - 59, kNoon), "59 seconds ago");
  EXPECT_EQ(relative(kNoon - 3 * 3600, kNoon), "3 hours ago");
  EXPECT_EQ(relative(kNoon + 47 * 3600, kNoon), "in 47 hours");
  EXPECT_EQ(relative(kNoon + 12 * kDay + 5, kNoon), "in 12 days");
  EXPECT_EQ(relative(kNoon + 3653 * kDay, kNoon), "in 10 years");
  EXPECT_EQ(relative(std::numeric_limits<UnixTime>::min(), std::numeric_limits<UnixTime>::max()),
            "10006 years ago");
}

} // namespace
} // namespace trust
