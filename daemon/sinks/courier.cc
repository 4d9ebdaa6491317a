#include "daemon/sinks/courier.h"

#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <future>
#include <random>

#include "daemon/alerts.h"
#include "daemon/stopping.h"
#include "libtrust/error.h"

namespace trust {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kPageOfPrograms = 100;
constexpr std::size_t kPageOfPeople = 10'000;
constexpr std::size_t kMostTests = 16;
constexpr std::size_t kStoreDigits = 16;

std::string machine_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return shown(name.data());
}

double throw_dice() {
  thread_local std::minstd_rand engine{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(engine);
}

std::string text_of_number(std::uint64_t number) { return std::to_string(number); }

std::uint64_t number_of(const std::optional<std::string>& note) {
  return note ? std::stoull(*note) : 0;
}

std::string words_of(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Error& error) {
    return error.hint().empty() ? error.message() : error.message() + " (" + error.hint() + ")";
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "an unknown fault";
  }
}

} // namespace

std::chrono::milliseconds wait_after(std::uint64_t failures, const CourierSettings& settings,
                                     double dice) noexcept {
  const double doubled = std::ldexp(static_cast<double>(settings.first_wait.count()),
                                    static_cast<int>(std::min<std::uint64_t>(failures, 40)) - 1);
  const double whole = std::min(doubled, static_cast<double>(settings.most_wait.count()));
  return std::chrono::milliseconds(static_cast<std::int64_t>(whole * (0.5 + dice / 2)));
}

Courier::Courier(std::string name, std::string type, std::unique_ptr<Sink> sink, Changes& changes,
                 Readers& readers, CourierSettings settings)
    : name_(std::move(name)),
      type_(std::move(type)),
      sink_(std::move(sink)),
      changes_(changes),
      readers_(readers),
      settings_(std::move(settings)),
      stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      source_(machine_name()) {
  if (!stop_) throw system_error("a descriptor for the sink " + name_, errno);
  state_.with([this](SinkState& state) {
    state.name = name_;
    state.type = type_;
  });
  thread_ = std::thread([this] { run(); });
}

Courier::~Courier() { stop(); }

void Courier::hurry() noexcept {
  {
    const std::lock_guard lock(mutex_);
    orders_.stop = true;
  }
  ::eventfd_write(stop_.get(), 1);
  told_.notify_all();
}

void Courier::stop() noexcept {
  if (!thread_.joinable()) return;
  hurry();
  thread_.join();
}

bool Courier::is_stopping() const {
  const std::lock_guard lock(mutex_);
  return orders_.stop;
}

void Courier::answer_all_tests() {
  std::deque<TestDone> tests;
  {
    const std::lock_guard lock(mutex_);
    tests.swap(orders_.tests);
  }
  for (const TestDone& done : tests) done("", std::make_exception_ptr(daemon_stops()));
}

void Courier::wake() {
  {
    const std::lock_guard lock(mutex_);
    orders_.woken = true;
  }
  told_.notify_all();
}

SinkState Courier::state() const {
  return state_.with([](const SinkState& state) { return state; });
}

void Courier::test(TestDone done) {
  {
    const std::lock_guard lock(mutex_);
    if (orders_.stop) throw daemon_stops();
    if (orders_.tests.size() >= kMostTests) {
      throw Error(Code::busy, "too many tests of the sink " + name_ + " wait already");
    }
    orders_.tests.push_back(std::move(done));
  }
  told_.notify_all();
}

void Courier::run() noexcept {
  if (const auto every = sink_->refresh_interval()) refresh_at_ = SteadyClock::now();
  for (;;) {
    TestDone test;
    {
      std::unique_lock lock(mutex_);
      const auto is_due = [this] { return orders_.woken && SteadyClock::now() >= not_before_; };
      while (!orders_.stop && orders_.tests.empty() && !is_due()) {
        Time next = Time::max();
        if (orders_.woken) next = not_before_;
        if (refresh_at_) next = std::min(next, std::max(*refresh_at_, not_before_));
        if (next == Time::max()) {
          told_.wait(lock);
        } else if (next <= SteadyClock::now()) {
          break;
        } else {
          told_.wait_until(lock, next);
        }
      }
      if (orders_.stop) break;
      if (!orders_.tests.empty()) {
        test = std::move(orders_.tests.front());
        orders_.tests.pop_front();
      } else {
        orders_.woken = false;
      }
    }
    if (test) {
      send_test(test);
    } else {
      work();
    }
  }
  answer_all_tests();
}

void Courier::work() {
  {
    // What is found in one moment is written down one by one; wait for the rest of it.
    std::unique_lock lock(mutex_);
    told_.wait_for(lock, settings_.gather, [this] { return orders_.stop; });
    if (orders_.stop) return;
  }
  try {
    while (bring_next()) {
      const std::lock_guard lock(mutex_);
      if (orders_.stop || !orders_.tests.empty() || SteadyClock::now() < not_before_) {
        orders_.woken = true; // there is more
        return;
      }
    }
    if (refresh_at_ && *refresh_at_ <= SteadyClock::now()) {
      bring_everything_open();
      refresh_at_ = SteadyClock::now() + *sink_->refresh_interval();
    }
  } catch (...) {
    {
      const std::lock_guard lock(mutex_);
      if (orders_.stop) return;
      orders_.woken = true;
    }
    failed(words_of(std::current_exception()));
  }
}

// ---- one delivery -----------------------------------------------------------------

Delivery Courier::empty_delivery(std::uint64_t first, std::uint64_t last) const {
  Delivery delivery;
  delivery.id =
      store_.substr(0, kStoreDigits) + "-" + text_of_number(first) + "-" + text_of_number(last);
  delivery.source = source_;
  delivery.at = settings_.clock();
  return delivery;
}

Courier::Batch Courier::next_batch() {
  const std::size_t page = sink_->is_for_people() ? kPageOfPeople : kPageOfPrograms;
  Batch batch;
  readers_.with([&](Store& store) {
    const std::uint64_t last = store.last_notice();
    if (!position_) {
      store_ = store.store_id();
      position_ = store.sink_position(name_);
      until_ = number_of(store.note("sink." + name_ + ".until"));
      new_until_ = number_of(store.note("sink." + name_ + ".new_until"));
      if (!position_) {
        position_ = 0;
        new_until_ = last;
      }
    }
    batch.until = *position_;
    while (batch.delivery.notices.empty()) {
      const std::uint64_t position = batch.until;
      const bool is_old = position < new_until_;
      std::vector<Notice> notices = store.notices(position, page);
      // What was written down to be sent together is sent together.
      const std::uint64_t most = until_ > position ? until_ : is_old ? new_until_ : UINT64_MAX;
      std::erase_if(notices, [most](const Notice& notice) { return notice.number > most; });
      if (notices.empty()) {
        // Those that were to be sent are gone, if there were any.
        if (most == UINT64_MAX) break;
        batch.until = most;
        continue;
      }
      batch.until = until_ > position && notices.size() < page ? until_ : notices.back().number;
      batch.delivery = empty_delivery(position + 1, batch.until);
      if (!sink_->wants_everything() || is_old) {
        notices = worth_telling(std::move(notices), batch.delivery.at, is_old);
      }
      std::erase_if(notices, [this](const Notice& notice) { // to tell it that it fails helps nobody
        return notice.alert.kind == AlertKind::delivery && notice.alert.target == name_;
      });
      batch.delivery.notices = std::move(notices);
    }
    state_.with([&](SinkState& state) { state.waiting = last - std::min(last, *position_); });
  });
  return batch;
}

void Courier::write_down(std::uint64_t position, std::uint64_t until) {
  auto made = std::make_shared<std::promise<void>>();
  std::future<void> outcome = made->get_future();
  changes_.submit(
      [name = name_, position, until, new_until = new_until_](Store& store) {
        store.set_sink_position(name, position);
        store.set_note("sink." + name + ".until", text_of_number(until));
        store.set_note("sink." + name + ".new_until", text_of_number(new_until));
      },
      [made](const Changes::Outcome& done) {
        if (done.failure) {
          made->set_exception(done.failure);
        } else {
          made->set_value();
        }
      });
  outcome.get();
  position_ = position;
  until_ = until;
}

bool Courier::bring_next() {
  const bool is_first = !position_;
  Batch batch = next_batch();
  if (batch.delivery.notices.empty()) {
    if (batch.until != *position_ || is_first) write_down(batch.until, batch.until);
    return false;
  }
  if (until_ != batch.until) write_down(*position_, batch.until);
  sink_->deliver(batch.delivery, stop_.get());
  write_down(batch.until, batch.until);
  succeeded();
  state_.with([](SinkState& state) { ++state.deliveries; });
  if (sink_->is_for_people()) not_before_ = SteadyClock::now() + settings_.pace;
  return true;
}

void Courier::bring_everything_open() {
  std::int64_t before = 0;
  for (;;) {
    const auto alerts = readers_.with(
        [&](Store& store) { return store.alerts(AlertFilter{}, kPageOfPrograms, before); });
    if (alerts.empty()) return;
    before = alerts.back().id;
    Delivery delivery = empty_delivery(0, 0);
    delivery.id = store_.substr(0, kStoreDigits) + "-open-" +
                  text_of_number(static_cast<std::uint64_t>(before)) + "-" +
                  std::to_string(delivery.at);
    for (const Alert& alert : alerts) {
      delivery.notices.push_back({0, delivery.at, Notice::What::reminded, alert});
    }
    sink_->deliver(delivery, stop_.get());
    succeeded();
  }
}

void Courier::send_test(const TestDone& done) {
  std::random_device random;
  const std::string id = "test-" + std::to_string(random()) + "-" + std::to_string(random());
  try {
    sink_->deliver(test_delivery(id, source_, settings_.clock()), stop_.get());
  } catch (...) {
    done("", is_stopping() ? std::make_exception_ptr(daemon_stops()) : std::current_exception());
    return;
  }
  done(id, nullptr);
  not_before_ = {}; // it works again: what waits need not
}

// ---- what is known of it ------------------------------------------------------------

void Courier::succeeded() {
  const bool failed_before = state_.with([this](SinkState& state) {
    const bool before =
        state.failures_in_a_row > 0 || !state.last_success_at; // or before the start
    state.failures_in_a_row = 0;
    state.last_success_at = settings_.clock();
    state.next_attempt_at.reset();
    return before;
  });
  if (!failed_before) return;
  settle_alert(changes_, "delivery:" + name_);
}

void Courier::failed(const std::string& why) {
  const UnixTime now = settings_.clock();
  std::uint64_t failures = 0;
  std::chrono::milliseconds wait{};
  state_.with([&](SinkState& state) {
    ++state.failures;
    failures = ++state.failures_in_a_row;
    wait = wait_after(failures, settings_, throw_dice());
    state.last_failure_at = now;
    state.last_error = why;
    state.next_attempt_at = now + std::chrono::ceil<std::chrono::seconds>(wait).count();
  });
  not_before_ = SteadyClock::now() + wait;
  spdlog::warn("the sink {} was not told of alerts, and is tried again: {}", name_, why);
  if (failures < settings_.failures_before_alert) return;
  Alert alert;
  alert.kind = AlertKind::delivery;
  alert.severity = Severity::warning;
  alert.target = name_;
  alert.summary = "The sink " + name_ + " takes no alerts: " + shown(why);
  alert.hint = "trustctl alerts test " + name_;
  raise_alert(changes_, "delivery:" + name_, std::move(alert));
}

} // namespace trust
