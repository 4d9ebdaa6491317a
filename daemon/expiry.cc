#include "daemon/expiry.h"

#include <utility>

namespace trust {
namespace {

// In one transaction, between which other changes have their turn.
constexpr std::size_t kMostFollowed = 500;
constexpr std::size_t kMostTold = 500;

} // namespace

Expiry::Expiry(Changes& changes, Readers& readers, Thresholds thresholds, std::string published)
    : changes_(changes),
      readers_(readers),
      thresholds_(std::move(thresholds)),
      published_(std::move(published)) {}

std::optional<UnixTime> Expiry::next_due(UnixTime now) {
  if (!thresholds_are_known_) return now;
  return readers_.with([&](Store& store) -> std::optional<UnixTime> {
    if (!store.entries_are_followed() || !store.pins_are_followed()) {
      // At once, but while one change follows the other once a second.
      return last_done_ == now ? now + 1 : now;
    }
    auto due = store.next_ending(now);
    const auto reminder = store.next_reminder();
    if (!due || (reminder && *reminder < *due)) due = reminder;
    return due;
  });
}

void Expiry::do_due(UnixTime now) {
  last_done_ = now;
  if (!thresholds_are_known_) {
    changes_.make([&](Store& store) { store.use_thresholds(thresholds_); });
    thresholds_are_known_ = true;
  }
  // Each turn is one transaction, between which other changes have theirs.
  for (bool more = true; more;) {
    changes_.make([&](Store& store) {
      more = (!store.entries_are_followed() && !store.follow_entries(kMostFollowed)) ||
             (!store.pins_are_followed() && !store.follow_pins(kMostFollowed)) ||
             store.tell_endings(thresholds_, now, kMostTold, published_) == kMostTold;
      if (!more) store.remind(now);
    });
  }
}

} // namespace trust
