#pragma once
// Data that a lock protects and that cannot be reached without it.

#include <mutex>
#include <utility>

namespace trust {

template <typename T>
class Guarded {
 public:
  template <typename... Args>
  explicit Guarded(Args&&... args) : value_(std::forward<Args>(args)...) {}

  // Runs `use(value)` under the lock and returns what it returns. Not reentrant.
  template <typename Use>
  decltype(auto) with(Use&& use) {
    const std::lock_guard lock(mutex_);
    return std::forward<Use>(use)(value_);
  }
  template <typename Use>
  decltype(auto) with(Use&& use) const {
    const std::lock_guard lock(mutex_);
    return std::forward<Use>(use)(value_);
  }

  // The same unless another thread is in it; whether it was done.
  template <typename Use>
  bool try_with(Use&& use) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (lock.owns_lock()) std::forward<Use>(use)(value_);
    return lock.owns_lock();
  }

 private:
  mutable std::mutex mutex_;
  T value_;
};

} // namespace trust
