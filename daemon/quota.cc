#include "daemon/quota.h"

namespace trust {

void Quota::forget_if_unused(uid_t uid) {
  const auto found = tallies_.find(uid);
  if (found != tallies_.end() && found->second.used == Amounts{}) tallies_.erase(found);
}

Room Quota::check(const Tally& tally, Resource resource, std::size_t amount) const noexcept {
  const std::size_t at = index(resource);
  if (used_[at] + amount > limits_[at].in_all) return Room::too_many;
  if (tally.used[at] + amount > limits_[at].per_uid) return Room::too_many_of_uid;
  return Room::granted;
}

void Quota::take(Tally& tally, Resource resource, std::size_t amount) noexcept {
  used_[index(resource)] += amount;
  tally.used[index(resource)] += amount;
}

void Quota::give_back(Tally& tally, Resource resource, std::size_t amount) noexcept {
  used_[index(resource)] -= amount;
  tally.used[index(resource)] -= amount;
}

} // namespace trust
