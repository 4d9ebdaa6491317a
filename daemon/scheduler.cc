#include "daemon/scheduler.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "daemon/wake.h"
#include "libtrust/error.h"

namespace trust {
namespace {

constexpr std::int64_t kAfterFailure_s = 60;
constexpr std::int64_t kLongestSleep_s = std::int64_t{10} * 365 * 86400;

} // namespace

Scheduler::Scheduler(Clock clock, std::vector<Duty*> duties)
    : clock_(std::move(clock)),
      duties_(std::move(duties)),
      timer_(::timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC)),
      wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (!timer_ || !wake_) throw system_error("no timer", errno);
}

void Scheduler::start() {
  thread_ = std::thread([this] { run(); });
}

void Scheduler::wake() noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
}

void Scheduler::stop() noexcept {
  if (!thread_.joinable()) return;
  stopping_ = true;
  wake();
  thread_.join();
}

std::optional<UnixTime> Scheduler::turn(UnixTime now) {
  std::optional<UnixTime> next;
  const auto not_after = [&next](UnixTime at) { next = std::min(next.value_or(at), at); };
  for (Duty* duty : duties_) {
    if (stopping_) break;
    try {
      auto due = duty->next_due(now);
      if (due && *due <= now) {
        duty->do_due(now);
        due = duty->next_due(now);
      }
      if (due) not_after(*due);
    } catch (const std::exception& error) {
      if (!stopping_) spdlog::error("what was due could not be done: {}", shown(error.what()));
      not_after(now + kAfterFailure_s);
    }
  }
  return next;
}

void Scheduler::sleep_until(std::optional<UnixTime> due) {
  itimerspec when{};
  if (due) {
    // By the system's clock, whatever clock the duties go by.
    timespec system{};
    ::clock_gettime(CLOCK_REALTIME, &system);
    const std::int64_t sleep_s = std::clamp<std::int64_t>(*due - clock_(), 0, kLongestSleep_s);
    when.it_value.tv_sec = system.tv_sec + sleep_s;
    when.it_value.tv_nsec = sleep_s == 0 ? system.tv_nsec : 0;
  } else {
    when.it_value.tv_sec = ::time(nullptr) + kLongestSleep_s;
  }
  // Fails only for a clock that is set meanwhile; then the timer is readable.
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when, nullptr);
  std::array<pollfd, 2> fds = {pollfd{timer_.get(), POLLIN, 0}, pollfd{wake_.get(), POLLIN, 0}};
  ::poll(fds.data(), fds.size(), -1);
  drain(timer_);
  drain(wake_);
}

void Scheduler::run() noexcept {
  while (!stopping_) {
    ++turns_;
    std::optional<UnixTime> next;
    try {
      next = turn(clock_());
    } catch (...) {
      next = clock_() + kAfterFailure_s;
    }
    if (!stopping_) sleep_until(next);
  }
}

} // namespace trust
