#include "libtrust/instant.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "libtrust/error.h"

namespace trust {
namespace {

constexpr UnixTime kMinute = 60;
constexpr UnixTime kHour = 60 * kMinute;
constexpr UnixTime kDay = 24 * kHour;
constexpr UnixTime kWeek = 7 * kDay;
constexpr UnixTime kYear = 365 * kDay;
constexpr std::int64_t kMostDuration = 100 * kYear + 25 * kDay; // 100 years with leap days

constexpr UnixTime kYear0 = -62167219200;     // 0000-01-01T00:00:00Z
constexpr UnixTime kYear9999End = 253402300799; // 9999-12-31T23:59:59Z

// Takes text from the front, piece by piece; every step says whether it fitted.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool done() const { return text_.empty(); }
  bool take(char wanted) {
    if (text_.empty() || text_.front() != wanted) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool digits(std::size_t count, int& out) {
    if (text_.size() < count) return false;
    out = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (text_[i] < '0' || text_[i] > '9') return false;
      out = out * 10 + (text_[i] - '0');
    }
    text_.remove_prefix(count);
    return true;
  }
  void skip_digits() {
    while (!text_.empty() && text_.front() >= '0' && text_.front() <= '9') text_.remove_prefix(1);
  }

 private:
  std::string_view text_;
};

std::optional<UnixTime> read_date(Reader& in) {
  int year = 0;
  int month = 0;
  int day = 0;
  if (!in.digits(4, year) || !in.take('-') || !in.digits(2, month) || !in.take('-') ||
      !in.digits(2, day)) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days{date}.time_since_epoch().count() * kDay;
}

std::optional<UnixTime> read_offset(Reader& in) {
  if (in.take('Z') || in.take('z')) return 0;
  const bool minus = in.take('-');
  if (!minus && !in.take('+')) return std::nullopt;
  int hours = 0;
  int minutes = 0;
  if (!in.digits(2, hours) || !in.take(':') || !in.digits(2, minutes)) return std::nullopt;
  if (hours > 23 || minutes > 59) return std::nullopt;
  const UnixTime offset = hours * kHour + minutes * kMinute;
  return minus ? -offset : offset;
}

std::optional<UnixTime> read_time(std::string_view text) {
  Reader in(text);
  const auto date = read_date(in);
  if (!date) return std::nullopt;
  if (in.done()) return date;

  const bool space = in.take(' ');
  if (!space && !in.take('T') && !in.take('t')) return std::nullopt;
  int hour = 0;
  int minute = 0;
  int second = 0;
  if (!in.digits(2, hour) || !in.take(':') || !in.digits(2, minute)) return std::nullopt;
  const bool has_seconds = in.take(':');
  if (has_seconds && !in.digits(2, second)) return std::nullopt;
  if (!has_seconds && !space) return std::nullopt;
  if (hour > 23 || minute > 59 || second > 60) return std::nullopt; // 60: a leap second
  if (has_seconds && in.take('.')) {
    int ignored = 0;
    if (!in.digits(1, ignored)) return std::nullopt;
    in.skip_digits();
  }
  UnixTime offset = 0;
  if (!in.done() || !space) {
    const auto read = read_offset(in);
    if (!read || !in.done()) return std::nullopt;
    offset = *read;
  }
  return *date + hour * kHour + minute * kMinute + second - offset;
}

std::optional<std::int64_t> read_duration(std::string_view text) {
  struct Unit {
    char letter;
    std::int64_t seconds;
  };
  constexpr std::array kUnits{Unit{'w', kWeek}, Unit{'d', kDay}, Unit{'h', kHour},
                              Unit{'m', kMinute}, Unit{'s', 1}};
  std::int64_t total = 0;
  const Unit* next = kUnits.begin(); // larger units come first, each at most once
  while (!text.empty()) {
    std::int64_t number = 0;
    const char* const end = text.data() + text.size();
    if (text.front() < '0' || text.front() > '9') return std::nullopt;
    const auto [rest, fault] = std::from_chars(text.data(), end, number);
    if (fault != std::errc{} || rest == end || number > kMostDuration) return std::nullopt;
    next = std::find_if(next, kUnits.end(), [&](const Unit& unit) { return unit.letter == *rest; });
    if (next == kUnits.end()) return std::nullopt;
    if (number > kMostDuration / next->seconds) return std::nullopt;
    total += number * next->seconds;
    ++next;
    text.remove_prefix(static_cast<std::size_t>(rest + 1 - text.data()));
  }
  if (total <= 0 || total > kMostDuration) return std::nullopt;
  return total;
}

} // namespace

UnixTime system_clock_now() {
  using namespace std::chrono;
  return floor<seconds>(system_clock::now()).time_since_epoch().count();
}

std::string rfc3339(UnixTime time) {
  using namespace std::chrono;
  const sys_seconds instant{seconds{std::clamp(time, kYear0, kYear9999End)}};
  const auto day = floor<days>(instant);
  const year_month_day date{day};
  const hh_mm_ss clock{instant - day};
  std::array<char, 64> buffer{};
  const int length = std::snprintf(
      buffer.data(), buffer.size(), "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()));
  return {buffer.data(), static_cast<std::size_t>(length)};
}

UnixTime parse_time(std::string_view text) {
  if (const auto time = read_time(text)) return *time;
  throw Error(Code::invalid, '"' + shown(text) + "\" is not a date or time",
              "write 2026-11-23, 2026-11-23T11:44:00Z or \"2026-11-23 11:44\" (UTC)");
}

std::int64_t parse_duration_s(std::string_view text) {
  if (const auto duration = read_duration(text)) return *duration;
  throw Error(Code::invalid,
              '"' + shown(text) + "\" is not a duration between one second and 100 years",
              "write it as 90s, 45m, 8h, 30d, 2w or 1h30m");
}

std::string relative(UnixTime time, UnixTime now) {
  // Differences of times in certificates may exceed 64 bits' comfort only beyond year 9999.
  const UnixTime difference =
      std::clamp(time, kYear0, kYear9999End) - std::clamp(now, kYear0, kYear9999End);
  if (difference == 0) return "now";
  const UnixTime distance = std::abs(difference);
  UnixTime number = distance;
  std::string_view unit = "second";
  if (distance >= 2 * kYear) {
    number = distance / kYear;
    unit = "year";
  } else if (distance >= 2 * kDay) {
    number = distance / kDay;
    unit = "day";
  } else if (distance >= kHour) {
    number = distance / kHour;
    unit = "hour";
  } else if (distance >= kMinute) {
    number = distance / kMinute;
    unit = "minute";
  }
  std::string words = std::to_string(number);
  words += ' ';
  words += unit;
  if (number != 1) words += 's';
  return difference > 0 ? "in " + words : words + " ago";
}

} // namespace trust
