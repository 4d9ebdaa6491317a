#pragma once
// When to warn of an end, and how far something with an end has come. Pure; time is a parameter.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libtrust/instant.h"

namespace trust {

// "14d": that long before the end; "33%": when that share of the lifetime is left; "0": at the end.
class Threshold {
 public:
  // Error{invalid} otherwise.
  static Threshold parse(std::string_view text);

  const std::string& text() const noexcept { return text_; }
  // How long before the end of something that lives so long. None where it says nothing: what
  // lives for six days is not warned of thirty days before its end, for that is before it began.
  std::optional<std::int64_t> before_s(std::int64_t lifetime_s) const noexcept;

  friend bool operator==(const Threshold& a, const Threshold& b) noexcept {
    return a.text_ == b.text_;
  }

 private:
  std::string text_;
  std::int64_t seconds_ = 0;
  int percent_ = 0; // 0: seconds
};

using Thresholds = std::vector<Threshold>;

// "30d", "14d", "7d", "1d", "0"
Thresholds default_thresholds();

struct Lifetime {
  UnixTime begins_at = 0;
  UnixTime ends_at = 0;
};

// A threshold of one lifetime.
struct Crossing {
  UnixTime at = 0;
  std::string threshold; // "0": the end itself, which is one whether it was asked for or not
};

// Those of a lifetime, in order of time; of several at one moment the last stands for all.
std::vector<Crossing> crossings(const Lifetime& lifetime, const Thresholds& thresholds);

// The last that has come by `now`, and when the next one comes.
struct Standing {
  std::optional<Crossing> last;
  std::optional<UnixTime> next;
};
Standing standing(const Lifetime& lifetime, const Thresholds& thresholds, UnixTime now);

} // namespace trust
