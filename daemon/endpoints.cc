#include "daemon/endpoints.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "libtrust/error.h"

namespace trust {
namespace {

constexpr std::size_t kMostSuspected = 100;
constexpr std::int64_t kSuspectEvery_s = 60;

} // namespace

Endpoints::Endpoints(Settings settings, Clock clock, Changes& changes, Readers& readers, Look look,
                     std::function<void()> wake)
    : settings_(settings),
      clock_(std::move(clock)),
      changes_(changes),
      readers_(readers),
      look_(std::move(look)),
      wake_(std::move(wake)) {}

std::optional<UnixTime> Endpoints::next_due(UnixTime now) {
  std::size_t busy = 0;
  {
    const std::lock_guard lock(mutex_);
    // Whoever is ready wakes the scheduler, which asks again.
    if (stopping_ || busy_.size() >= settings_.at_once) return std::nullopt;
    busy = busy_.size();
  }
  return readers_.with([&](Store& store) -> std::optional<UnixTime> {
    const auto due = store.due_watches(now, 2 * settings_.interval_s, busy + 1);
    const std::lock_guard lock(mutex_);
    for (const Watch& watch : due) {
      if (!busy_.contains(watch.target)) return now;
    }
    return store.next_watch(now); // what is due is under way
  });
}

void Endpoints::do_due(UnixTime now) {
  const auto due = readers_.with([&](Store& store) {
    return store.due_watches(now, 2 * settings_.interval_s, 2 * settings_.at_once);
  });
  const std::lock_guard lock(mutex_);
  for (const Watch& watch : due) {
    if (stopping_ || busy_.size() >= settings_.at_once) break;
    if (!busy_.insert(watch.target).second) continue;
    jobs_.push_back({watch.id, Endpoint::parse(watch.target, 443), watch.target, watch.failures});
  }
  while (threads_.size() < settings_.at_once && idle_ < jobs_.size() && !stopping_) {
    threads_.emplace_back([this] { work(); });
    ++idle_;
  }
  changed_.notify_all();
}

void Endpoints::suspect(const Endpoint& endpoint) {
  const std::string target = endpoint.text();
  const UnixTime now = clock_();
  const std::lock_guard lock(mutex_);
  std::erase_if(suspected_, [&](const auto& each) {
    return each.second + kSuspectEvery_s <= now || each.second > now;
  });
  if (stopping_ || suspected_.contains(target) || suspected_.size() >= kMostSuspected) return;
  if (!busy_.insert(target).second) return;
  suspected_[target] = now;
  jobs_.push_back({0, endpoint, target, 0});
  if (idle_ == 0 && threads_.size() < settings_.at_once) {
    threads_.emplace_back([this] { work(); });
    ++idle_;
  }
  changed_.notify_one();
}

void Endpoints::work() noexcept {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (stopping_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
      --idle_;
    }
    try {
      look_at(job);
    } catch (const std::exception& error) {
      spdlog::error("what {} presents could not be written down: {}", job.target,
                    shown(error.what()));
    }
    {
      const std::lock_guard lock(mutex_);
      busy_.erase(job.target);
      ++idle_;
    }
    wake_();
  }
}

void Endpoints::look_at(const Job& job) {
  // Anybody may name a server: only those that something is pinned for are dialled.
  if (job.watch == 0 && readers_.with([&](Store& store) {
        return store.pins_for(job.endpoint.host, job.endpoint.port).empty();
      })) {
    return;
  }
  std::optional<Seen> seen;
  std::string problem;
  try {
    seen = look_(job.endpoint, clock_());
  } catch (const Error& error) {
    if (error.code() == Code::cancelled) return; // the daemon stops; it says nothing of the server
    problem = error.message();
  } catch (const std::exception& error) {
    problem = shown(error.what());
  }
  double spread = 0;
  {
    const std::lock_guard lock(mutex_);
    spread = std::uniform_real_distribution<double>(0, 1)(random_);
  }
  const std::uint64_t failures = seen ? 0 : job.failures + 1;
  const UnixTime next = clock_() + next_look_s(failures, settings_.interval_s, spread);
  changes_.make([&](Store& store) {
    if (job.watch != 0) {
      if (seen) {
        store.watch_saw(job.watch, *seen, next);
      } else {
        store.watch_failed(job.watch, problem, next);
      }
    } else if (seen) {
      store.suspicion_looked_at(job.target, *seen);
    }
  });
}

void Endpoints::stop() noexcept {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

} // namespace trust
