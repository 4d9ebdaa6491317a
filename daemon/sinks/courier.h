#pragma once
// Brings one sink what is to be told, on a thread of its own, so that a slow sink holds up nothing.
//
// What waits is in the database, not here: the courier holds a position among the notices, writes
// down which ones it will send together before it sends them, and moves its position when they were
// taken. After a kill, the same notices are sent again with the same id; none is lost. A sink that
// does not take them is tried again after a pause that doubles, with jitter, up to a bound, for as
// long as it takes; after some failures that is an alert of its own, for the other sinks.
//
// A sink that is new is told what is open, and nothing of what was.
//
// Threads: any.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "daemon/changes.h"
#include "daemon/readers.h"
#include "daemon/sinks/sink.h"
#include "libtrust/guarded.h"
#include "libtrust/handles.h"

namespace trust {

struct CourierSettings {
  std::chrono::milliseconds gather{300}; // notices of one moment are one message
  std::chrono::milliseconds pace{10'000}; // between two messages to people
  std::chrono::milliseconds first_wait{5'000}; // after a failure
  std::chrono::milliseconds most_wait{900'000};
  std::uint64_t failures_before_alert = 3;
  Clock clock = system_clock_now;
};

// After that many failures in a row: between half and all of first_wait, doubled each time, up to
// most_wait. `dice` is from 0 to 1.
std::chrono::milliseconds wait_after(std::uint64_t failures, const CourierSettings& settings,
                                     double dice) noexcept;

struct SinkState {
  std::string name;
  std::string type; // as in trustd.toml
  std::uint64_t waiting = 0; // notices that it was not told yet
  std::uint64_t deliveries = 0; // taken, since the start; tests are not counted
  std::uint64_t failures = 0;
  std::uint64_t failures_in_a_row = 0;
  std::optional<UnixTime> last_success_at;
  std::optional<UnixTime> last_failure_at;
  std::string last_error;
  std::optional<UnixTime> next_attempt_at; // after a failure
};

class Courier {
 public:
  // `changes` and `readers` outlive it.
  Courier(std::string name, std::string type, std::unique_ptr<Sink> sink, Changes& changes,
          Readers& readers, CourierSettings settings);
  ~Courier();
  // Ends what is being delivered, and answers those who test; returns at once. Any thread.
  void hurry() noexcept;
  // The same, and waits for it. By one thread, once or more.
  void stop() noexcept;
  Courier(const Courier&) = delete;
  Courier& operator=(const Courier&) = delete;

  const std::string& name() const noexcept { return name_; }
  void wake(); // there may be something new; waits for nothing
  SinkState state() const;

  // Sends a test, past everything that waits; `done` is called on the courier's thread with the id
  // of what was taken or with what was thrown. Error{busy}: too many wait, or it ends.
  using TestDone = std::function<void(const std::string& id, std::exception_ptr failure)>;
  void test(TestDone done);

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Orders {
    bool stop = false;
    bool woken = true; // what waits from before the start
    std::deque<TestDone> tests;
  };
  struct Batch {
    std::uint64_t until = 0; // the position when it was taken
    Delivery delivery; // without notices: nothing to tell
  };

  void run() noexcept;
  bool is_stopping() const;
  void answer_all_tests();
  void work();
  void send_test(const TestDone& done);
  bool bring_next(); // whether there may be more
  Batch next_batch();
  void bring_everything_open();
  void write_down(std::uint64_t position, std::uint64_t until);
  void succeeded();
  void failed(const std::string& why);
  Delivery empty_delivery(std::uint64_t first, std::uint64_t last) const;

  const std::string name_;
  const std::string type_;
  const std::unique_ptr<Sink> sink_;
  Changes& changes_;
  Readers& readers_;
  const CourierSettings settings_;

  mutable std::mutex mutex_;
  std::condition_variable told_;
  Orders orders_;
  Guarded<SinkState> state_;
  Fd stop_;

  // Of the thread:
  std::optional<std::uint64_t> position_;
  std::uint64_t until_ = 0; // what was written down to be sent together
  std::uint64_t new_until_ = 0; // what was there before the sink was
  std::string store_;
  std::string source_;
  Time not_before_{};
  std::optional<Time> refresh_at_;

  std::thread thread_;
};

} // namespace trust
