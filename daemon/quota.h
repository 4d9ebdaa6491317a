#pragma once
// How much each uid, and all together, have of what a server can run out of. Belongs to the loop's
// thread.

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <unordered_map>

namespace trust {

enum class Resource { connections, waiting, streams, buffered_bytes };
inline constexpr std::size_t kResources = 4;

enum class Room { granted, too_many_of_uid, too_many };

class Quota {
 public:
  struct Limit {
    std::size_t per_uid = 0;
    std::size_t in_all = 0;
  };
  using Amounts = std::array<std::size_t, kResources>;
  struct Tally {
    Amounts used{};
  };

  explicit Quota(const std::array<Limit, kResources>& limits) : limits_(limits) {}

  // What a uid has; it stays where it is until forget().
  Tally& tally(uid_t uid) { return tallies_[uid]; }
  void forget_if_unused(uid_t uid);

  // Whether `amount` more would be within the limits. Takes nothing.
  Room check(const Tally& tally, Resource resource, std::size_t amount) const noexcept;

  void take(Tally& tally, Resource resource, std::size_t amount) noexcept;
  void give_back(Tally& tally, Resource resource, std::size_t amount) noexcept;

  std::size_t used(Resource resource) const noexcept { return used_[index(resource)]; }

 private:
  static std::size_t index(Resource resource) noexcept {
    return static_cast<std::size_t>(resource);
  }

  std::array<Limit, kResources> limits_;
  Amounts used_{};
  std::unordered_map<uid_t, Tally> tallies_;
};

} // namespace trust
