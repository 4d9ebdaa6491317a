#include "cli/command/value.h"

namespace trust {

std::optional<UnixTime> end_from(const std::string& duration, const std::string& until,
                                 UnixTime now) {
  if (!duration.empty()) return now + said([&] { return parse_duration_s(duration); });
  if (until.empty()) return std::nullopt;
  const UnixTime end = said([&] { return parse_time(until); });
  if (end <= now) {
    throw Error(Code::usage,
                "--until " + shown(until) + " is over already (" + relative(end, now) + ")");
  }
  return end;
}

}  // namespace trust
