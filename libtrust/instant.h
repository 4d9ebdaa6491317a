#pragma once
// Points in time and durations as the interfaces write them. Pure; the clock is a parameter.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace trust {

using UnixTime = std::int64_t; // seconds since 1970-01-01T00:00:00Z

// Where the time comes from; any thread may call it.
using Clock = std::function<UnixTime()>;
UnixTime system_clock_now();

// RFC 3339 in UTC, "2026-11-23T11:44:00Z". Years outside 0000..9999 are clamped.
std::string rfc3339(UnixTime time);

// Reads RFC 3339 (any offset), "2026-11-23" (its start in UTC) or "2026-11-23 11:44" (UTC).
// Error{invalid} otherwise.
UnixTime parse_time(std::string_view text);

// Reads "90s", "8h", "30d", "2w", "1h30m"; a positive number of seconds, at most 100 years.
// Error{invalid} otherwise.
std::int64_t parse_duration_s(std::string_view text);

// "in 12 days", "3 hours ago", "now": for people.
std::string relative(UnixTime time, UnixTime now);

} // namespace trust
