#include "libtrust/pinning.h"

#include <algorithm>

namespace trust {
namespace {

// Those in force of one mode that have the most specific pattern; sets are not merged.
std::vector<PinRow> most_specific(const std::vector<PinRow>& rows, PinRow::Mode mode,
                                  UnixTime now) {
  std::vector<PinRow> set;
  for (const PinRow& row : rows) {
    if (row.mode != mode || (row.expires_at && *row.expires_at <= now)) continue;
    if (!set.empty()) {
      const PortPattern& first = set.front().pattern;
      const bool as_specific =
          row.pattern.pattern == first.pattern && (row.pattern.port != 0) == (first.port != 0);
      if (!as_specific) break; // they come in order
    }
    set.push_back(row);
  }
  return set;
}

bool one_matches(const std::vector<PinRow>& set, std::span<const Certificate> path) {
  if (path.empty()) return false; // there was none
  return std::any_of(set.begin(), set.end(), [&](const PinRow& row) {
    const auto part = row.position == PinRow::Position::leaf ? path.first(1) : path;
    return std::any_of(part.begin(), part.end(), [&](const Certificate& certificate) {
      return certificate.spki_hash() == row.pin.spki_hash;
    });
  });
}

} // namespace

PinDecision decide_pins(const std::vector<PinRow>& rows, std::span<const Certificate> path,
                        const JudgeOptions& options, UnixTime now) {
  PinDecision decision;
  const std::vector<PinRow> enforced = most_specific(rows, PinRow::Mode::enforce, now);
  const std::vector<PinRow> reported = most_specific(rows, PinRow::Mode::report, now);
  const bool own_matches =
      std::any_of(options.pins.begin(), options.pins.end(), [&](const Pin& pin) {
        return std::any_of(path.begin(), path.end(), [&](const Certificate& certificate) {
          return certificate.spki_hash() == pin.spki_hash;
        });
      });
  const bool matches = enforced.empty() || one_matches(enforced, path);
  decision.own_mismatch = matches && !options.pins.empty() && !own_matches;
  if (!matches || decision.own_mismatch) {
    decision.status = PinStatus::mismatch;
  } else if (!reported.empty() && !one_matches(reported, path)) {
    decision.status = PinStatus::reported;
  } else if (!enforced.empty() || !options.pins.empty()) {
    decision.status = PinStatus::match;
  } else if (std::any_of(rows.begin(), rows.end(),
                         [](const PinRow& row) { return row.mode == PinRow::Mode::enforce; })) {
    decision.status = PinStatus::lapsed;
  }
  decision.required_and_missing = options.require_pin && enforced.empty() && options.pins.empty();
  decision.counted = enforced;
  decision.counted.insert(decision.counted.end(), reported.begin(), reported.end());
  if (decision.counted.empty()) decision.counted = rows; // all lapsed
  return decision;
}

} // namespace trust
