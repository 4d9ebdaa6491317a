#pragma once
// An eventfd that wakes a thread which polls it, and a timerfd that does.

#include <unistd.h>

#include <cstdint>

#include "libtrust/handles.h"

namespace trust {

// Any thread.
inline void signal_event(const Fd& fd) noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(fd.get(), &one, sizeof one);
}

// Both are level-triggered: what is not read would be readable for ever.
inline void drain(const Fd& fd) noexcept {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto taken = ::read(fd.get(), &count, sizeof count);
}

} // namespace trust
