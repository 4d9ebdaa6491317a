#include "cli/command/end.h"

#include "libtrust/error.h"

namespace trust {

std::optional<UnixTime> end_from(const std::string& duration, const std::string& until,
                                 UnixTime now) {
  if (!duration.empty()) return now + parse_duration_s(duration);
  if (until.empty()) return std::nullopt;
  const UnixTime end = parse_time(until);
  if (end <= now) {
    throw Error(Code::invalid,
                "--until " + shown(until) + " is over already (" + relative(end, now) + ")");
  }
  return end;
}

}  // namespace trust
