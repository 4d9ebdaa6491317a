#include "daemon/changes.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <future>
#include <limits>
#include <system_error>
#include <utility>

#include "daemon/base_watch.h"
#include "daemon/resident.h"
#include "daemon/wake.h"
#include "libtrust/base.h"
#include "libtrust/error.h"

namespace trust {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::size_t kMostTogether = 1000; // changes in one transaction
constexpr std::chrono::seconds kFirstRetry{1};
constexpr std::chrono::seconds kLastRetry{10}; // people who made room look for the effect
constexpr std::chrono::seconds kQuiet{3}; // until the look at what was published is over
constexpr std::chrono::milliseconds kGathered{20}; // before what is stored is published
constexpr std::size_t kManyStored = 8;
constexpr std::size_t kMostLogged = 20; // generations of one transaction
constexpr std::string_view kBaseSetting = "base_setting";
constexpr std::string_view kBaseSource = "base_source";
constexpr std::string_view kBaseSize = "base_size";
constexpr std::string_view kBaseCause = "base";

} // namespace

class Changes::Loop {
 public:
  Loop(Changes& owner, Settings settings, Clock clock, Store store,
       std::unique_ptr<Publisher> publisher, std::function<void()> told)
      : owner_(owner),
        settings_(std::move(settings)),
        clock_(std::move(clock)),
        store_(std::move(store)),
        publisher_(std::move(publisher)),
        told_(std::move(told)),
        base_(settings_.base, settings_.system),
        timer_(::timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC)) {
    if (!timer_) throw system_error("no timer", errno);
  }

  void start() {
    known_ = store_.generation();
    last_base_size_ = size_of_note();
    owner_.status_.with(
        [&](Status& status) { status.base_source = store_.note(kBaseSource).value_or(""); });
    follow_base();
    make_ends();
    note_generation();
    owner_.published_ = publisher_->published(store_);
    owner_.status_.with([&](Status& status) { status.published = owner_.published(); });
    publish(); // also when there was never a change: readers want a directory
    tell();
    release_memory();
  }

  void run() noexcept {
    for (bool stopping = false; !stopping;) {
      wait();
      std::deque<Waiting> batch;
      try {
        const auto now = Steady::now();
        if (base_.due() <= now) follow_base();
        if (release_at_ && *release_at_ <= now) release_memory();
        make_ends();
        const bool room = publish_at(now) <= now;
        stopping = take(batch, room);
        std::vector<std::exception_ptr> failures; // none where it succeeded
        make(batch, failures);
        if (room && !stopping) stopping = gather(batch, failures, now + kGathered);
        if (!batch.empty()) release_at_ = Steady::now() + kQuiet;
        const std::future<void> beside = tell_stored(batch, failures);
        note_generation();
        const bool grew = owner_.generation() != attempted_;
        if (owes() && (stopping || (room && (grew || retry_at_ <= now)))) publish();
        if (beside.valid()) beside.wait();
        answer(batch, failures);
        tell();
        if (std::exchange(published_anew_, false)) publisher_->clean_up(clock_());
      } catch (...) {
        spdlog::error("the changes met what they should not: {}", what_was_thrown());
        const std::exception_ptr failure = std::current_exception();
        answer(batch, std::vector<std::exception_ptr>(batch.size(), failure));
        pause_ = true;
        if (!owner_.queue_.with([](const Queue& queue) { return queue.stopping; })) continue;
        stopping = take(batch, true);
        answer(batch, std::vector<std::exception_ptr>(batch.size(), failure));
      }
    }
  }

 private:
  bool behind() const { return owner_.published() != owner_.generation(); }
  bool owes() const { return behind() || owner_.anew_.load(); }

  // Takes what waits, if there is room to publish it; whether this was the last of it.
  bool take(std::deque<Waiting>& batch, bool room) {
    return owner_.queue_.with([&](Queue& queue) {
      if (!room && !queue.stopping) return false;
      while (!queue.waiting.empty() && batch.size() < kMostTogether) {
        batch.push_back(std::move(queue.waiting.front()));
        queue.waiting.pop_front();
      }
      return queue.stopping && queue.waiting.empty();
    });
  }

  // What came while those before were stored is stored too and published with them: publishing
  // costs more than storing. Whether this was the last of it.
  bool gather(std::deque<Waiting>& batch, std::vector<std::exception_ptr>& failures,
              Steady::time_point until) {
    while (!batch.empty() && Steady::now() < until) {
      const bool stopping = take(batch, true);
      if (batch.size() == failures.size()) return stopping;
      make(batch, failures);
      if (stopping) return true;
    }
    return false;
  }

  // One transaction of those that have no result yet.
  void make(const std::deque<Waiting>& batch, std::vector<std::exception_ptr>& failures) {
    const std::size_t before = failures.size();
    if (batch.size() == before) return;
    std::vector<std::function<void(Store&)>> changes;
    for (std::size_t i = before; i < batch.size(); ++i) changes.push_back(batch[i].change);
    try {
      const std::vector<std::exception_ptr> made = store_.batch(changes);
      failures.insert(failures.end(), made.begin(), made.end());
    } catch (...) {
      spdlog::error("{} changes could not be stored: {}", changes.size(), what_was_thrown());
      failures.resize(batch.size(), std::current_exception());
    }
  }

  // Of those that succeeded, if they are many: a thread costs as much as a few do. It has ended
  // when the future is gone.
  static std::future<void> tell_stored(const std::deque<Waiting>& batch,
                                       const std::vector<std::exception_ptr>& failures) {
    if (batch.size() < kManyStored) return {};
    try {
      return std::async(std::launch::async, [&batch, &failures] {
        for (std::size_t i = 0; i < batch.size(); ++i)
          if (!failures[i] && batch[i].stored) batch[i].stored();
      });
    } catch (const std::system_error&) {
      return {}; // no thread is to be had
    }
  }

  void answer(std::deque<Waiting>& batch, const std::vector<std::exception_ptr>& failures) {
    std::optional<std::string> unpublished;
    if (behind()) {
      unpublished = owner_.status_.with([](const Status& status) { return status.problem; });
      if (!unpublished) unpublished = "publishing is still to come";
    }
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (!batch[i].done) continue;
      Outcome outcome;
      outcome.failure = i < failures.size() ? failures[i] : nullptr;
      if (!outcome.failure) outcome.unpublished = unpublished;
      const auto done = std::exchange(batch[i].done, nullptr);
      try {
        done(std::move(outcome));
      } catch (...) {
        spdlog::error("an answer was lost: {}", what_was_thrown());
      }
    }
    batch.clear();
  }

  void make_ends() {
    const UnixTime now = clock_();
    try {
      while (next_end_ && *next_end_ <= now && store_.end_due(now).changed) {
        next_end_ = store_.next_end();
      }
      end_problem_.reset();
    } catch (...) {
      // Readers compare ends by themselves; only emitted files wait for this.
      const std::string problem = what_was_thrown();
      if (problem != end_problem_) spdlog::error("what has ended could not be ended: {}", problem);
      end_problem_ = problem;
      pause_ = true;
    }
  }

  void follow_base() {
    if (!base_.changed(Steady::now())) return;
    try {
      take_base(read_base(settings_.base, settings_.system));
    } catch (const std::exception& error) {
      if (!store_.note(kBaseSetting)) {
        throw Error(Code::store_access, std::string("the base could not be read: ") + error.what(),
                    "set base in trustd.toml to a bundle's path, or to \"none\"");
      }
      spdlog::warn("the base stays as it was: {}", error.what());
      raise_base_alert(error.what());
      owner_.status_.with([&](Status& status) { status.base_problem = error.what(); });
    }
  }

  void raise_base_alert(const std::string& problem) {
    Alert alert;
    alert.kind = AlertKind::base;
    alert.severity = Severity::warning;
    alert.target = settings_.base;
    alert.summary = "the base stays as it was: " + shown(problem);
    alert.hint = "trustctl status";
    try {
      store_.raise(kBaseCause, alert);
    } catch (const std::exception& error) {
      spdlog::error("no alert could be raised of the base: {}", error.what());
    }
  }

  void take_base(const Base& base) {
    for (const std::string& warning : base.warnings) spdlog::warn("base: {}", warning);
    const std::size_t size = base.entries.size();
    // Another source is the administrator's decision; less than half of the same one is damage.
    if (settings_.base != "none" && store_.note(kBaseSetting) == settings_.base &&
        !base_is_plausible(last_base_size_, size)) {
      throw Error(Code::conflict, base.source + " holds " + std::to_string(size) +
                                      " certificates where it held " +
                                      std::to_string(last_base_size_));
    }
    const auto failures = store_.batch({[&](Store& store) {
      store.set_base(base.source, base.entries, base.pins);
      store.settle(kBaseCause);
      store.set_note(kBaseSetting, settings_.base);
      store.set_note(kBaseSource, base.source);
      store.set_note(kBaseSize, std::to_string(size));
    }});
    if (failures.at(0)) std::rethrow_exception(failures[0]);
    last_base_size_ = size;
    base_.follow(base.source);
    owner_.status_.with([&](Status& status) {
      status.base_source = base.source;
      status.base_problem.reset();
    });
  }

  std::size_t size_of_note() const {
    const auto text = store_.note(kBaseSize);
    return text ? static_cast<std::size_t>(std::strtoull(text->c_str(), nullptr, 10)) : 0;
  }

  // Makes what the store is now known to those who ask.
  void note_generation() {
    const GenerationNumber generation = store_.generation();
    next_end_ = store_.next_end();
    set_timer();
    // What makes no generation is told of too: alerts, watches.
    if (const std::uint64_t event = store_.last_event(); event != owner_.last_event()) {
      owner_.last_event_ = event;
      const std::string head = store_.audit_head();
      owner_.status_.with([&](Status& status) { status.audit_head = head; });
      untold_ = true;
    }
    if (generation == known_ && owner_.generation() == generation && !first_look_) return;
    first_look_ = false;
    log_generations(generation);
    const std::string head = store_.audit_head();
    owner_.status_.with([&](Status& status) {
      status.changes += generation - known_;
      status.generation = generation;
      status.audit_head = head;
      status.next_end = next_end_;
    });
    known_ = generation;
    owner_.generation_ = generation;
    untold_ = true;
  }

  void log_generations(GenerationNumber generation) {
    const auto count = static_cast<std::size_t>(generation - known_);
    if (count == 0) return;
    const auto rows = store_.generations(std::min(count, kMostLogged), generation + 1);
    for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
      spdlog::info("generation {}: {} (by uid {})", row->number, shown(row->summary), row->actor);
    }
    if (count > kMostLogged) spdlog::info("and {} before them", count - kMostLogged);
  }

  void publish() {
    const auto begun = Steady::now();
    attempted_ = owner_.generation();
    const bool anew = owner_.anew_.exchange(false);
    try {
      const Publication done = publisher_->publish(store_, clock_(), anew);
      const auto ended = Steady::now();
      recent_.push_back(ended);
      published_anew_ = true;
      release_at_ = ended + kQuiet;
      retry_after_ = kFirstRetry;
      if (owner_.published_.exchange(done.generation) != done.generation) untold_ = true;
      owner_.status_.with([&](Status& status) {
        status.published = done.generation;
        status.problem.reset();
        status.warnings = done.warnings;
        ++status.publications;
        status.publication_seconds += std::chrono::duration<double>(ended - begun).count();
      });
      for (const std::string& warning : done.warnings) {
        if (std::find(warned_.begin(), warned_.end(), warning) == warned_.end()) {
          spdlog::warn("{}", warning);
        }
      }
      warned_ = done.warnings;
      spdlog::info("published generation {} (audit head {})", done.generation, store_.audit_head());
    } catch (...) {
      const std::string problem = what_was_thrown();
      if (anew) owner_.anew_ = true;
      retry_at_ = Steady::now() + retry_after_;
      retry_after_ = std::min(retry_after_ * 2, kLastRetry);
      untold_ = true;
      const bool said = owner_.status_.with([&](Status& status) {
        ++status.publication_failures;
        return std::exchange(status.problem, problem) == problem;
      });
      if (!said) spdlog::error("generation {} is not published: {}", attempted_, problem);
    }
  }

  // When the next publication may be made.
  Steady::time_point publish_at(Steady::time_point now) {
    const auto window = std::chrono::seconds(settings_.paced_within_s);
    while (!recent_.empty() && recent_.front() + window <= now) recent_.pop_front();
    Steady::time_point at = now;
    if (recent_.size() > settings_.unpaced) {
      const double over = static_cast<double>(recent_.size() - settings_.unpaced);
      const double most = static_cast<double>(settings_.most_paced - settings_.unpaced);
      const std::chrono::duration<double> apart =
          window / static_cast<double>(settings_.most_paced) * over / most;
      at = std::max(at, recent_.back() + std::chrono::duration_cast<Steady::duration>(apart));
    }
    const std::int64_t full_s = publisher_->wait_s(clock_());
    if (full_s > 0) at = std::max(at, now + std::chrono::seconds(full_s));
    return at;
  }

  // The timer follows the wall clock, and is told when that is set: an end may be due at once.
  void set_timer() {
    constexpr std::int64_t kFarAway = std::int64_t{4} << 30;
    itimerspec when{};
    when.it_value.tv_sec = std::clamp<std::int64_t>(next_end_.value_or(kFarAway), 1, kFarAway);
    if (when.it_value.tv_sec == set_for_) return;
    if (::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when,
                          nullptr) == 0) {
      set_for_ = when.it_value.tv_sec;
    }
  }

  void wait() {
    const auto now = Steady::now();
    Steady::time_point until = base_.due();
    const auto [waiting, stopping] = owner_.queue_.with(
        [](const Queue& queue) { return std::pair(!queue.waiting.empty(), queue.stopping); });
    if (waiting || owes()) {
      const auto room = publish_at(now);
      until = std::min(until, waiting ? room : std::max(room, retry_at_));
    }
    if (release_at_) until = std::min(until, *release_at_);
    if (pause_) until = now + kFirstRetry;
    if (stopping) until = now;
    pause_ = false;
    std::int64_t timeout_ms = -1;
    if (until != Steady::time_point::max()) {
      timeout_ms = std::chrono::ceil<std::chrono::milliseconds>(until - now).count();
      timeout_ms = std::clamp<std::int64_t>(timeout_ms, 0, 3'600'000);
    }
    std::array<pollfd, 3> fds = {pollfd{owner_.wake_.get(), POLLIN, 0},
                                 pollfd{timer_.get(), POLLIN, 0}, pollfd{base_.fd(), POLLIN, 0}};
    if (::poll(fds.data(), fds.size(), static_cast<int>(timeout_ms)) <= 0) return;
    if (fds[0].revents != 0) drain(owner_.wake_);
    if (fds[1].revents != 0) {
      drain(timer_); // or ECANCELED: the clock was set
      set_for_ = 0;
    }
    if (fds[2].revents != 0) base_.noticed(Steady::now());
  }

  // What changes and publishing needed is not kept through the quiet that follows.
  void release_memory() noexcept {
    release_at_.reset();
    release_idle_memory();
  }

  void tell() {
    if (!std::exchange(untold_, false)) return;
    told_();
  }

  Changes& owner_;
  const Settings settings_;
  const Clock clock_;
  Store store_;
  std::unique_ptr<Publisher> publisher_;
  const std::function<void()> told_;
  BaseWatch base_;
  std::size_t last_base_size_ = 0;
  Fd timer_;
  std::int64_t set_for_ = 0;
  std::optional<UnixTime> next_end_ = std::numeric_limits<UnixTime>::min(); // look at once
  std::optional<std::string> end_problem_;
  GenerationNumber known_ = 0;
  GenerationNumber attempted_ = 0;
  std::deque<Steady::time_point> recent_; // publications
  std::vector<std::string> warned_;
  std::optional<Steady::time_point> release_at_;
  Steady::time_point retry_at_{};
  std::chrono::seconds retry_after_ = kFirstRetry;
  bool first_look_ = true;
  bool pause_ = false;
  bool untold_ = false;
  bool published_anew_ = false; // and nothing was removed since
};

Changes::Changes(Settings settings, Clock clock, Store store, std::unique_ptr<Publisher> publisher,
                 std::function<void()> told)
    : most_waiting_(settings.most_waiting), wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (!wake_) throw system_error("no descriptor to wake a thread by", errno);
  loop_ = std::make_unique<Loop>(*this, std::move(settings), std::move(clock), std::move(store),
                                 std::move(publisher), std::move(told));
  loop_->start();
  thread_ = std::thread([this] { loop_->run(); });
}

Changes::~Changes() { stop(); }

void Changes::submit(std::function<void(Store&)> change, std::function<void(Outcome)> done,
                     std::function<void()> stored) {
  queue_.with([&](Queue& queue) {
    if (queue.stopping) throw Error(Code::busy, "the daemon is stopping");
    if (queue.waiting.size() >= most_waiting_) {
      throw Error(Code::busy, "too many changes wait to be made", "try again in a moment");
    }
    queue.waiting.push_back({std::move(change), std::move(done), std::move(stored)});
  });
  signal_event(wake_);
}

void Changes::make(std::function<void(Store&)> change) {
  std::promise<void> made;
  submit(std::move(change), [&made](const Outcome& outcome) {
    if (outcome.failure) {
      made.set_exception(outcome.failure);
    } else {
      made.set_value();
    }
  });
  made.get_future().get();
}

void Changes::publish_anew() noexcept {
  anew_ = true;
  signal_event(wake_);
}

void Changes::stop() noexcept {
  if (!thread_.joinable()) return;
  queue_.with([](Queue& queue) { queue.stopping = true; });
  signal_event(wake_);
  thread_.join();
}

Changes::Status Changes::status() const {
  return status_.with([](const Status& status) { return status; });
}

} // namespace trust
