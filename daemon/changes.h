#pragma once
// The one thread that changes the store and publishes it. Changes that wait are made together in
// one durable transaction, those that come meanwhile in the next; then there is one publication and
// every one is answered, so a hundred at once cost little more than one. It also makes a generation
// at each end, and follows the base.
//
// Any thread may submit and ask; what was submitted is always answered. If publishing fails, the
// change stands, its answer says so, and publishing is tried again until it succeeds.

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "libtrust/guarded.h"
#include "libtrust/handles.h"
#include "libtrust/publish.h"
#include "libtrust/store.h"

namespace trust {

class Changes {
 public:
  struct Settings {
    std::string base = "system"; // as read_base takes it
    bool system = false;
    std::size_t most_waiting = 4096;
    // More publications than this in `paced_within_s` are spread out, so that directories, which
    // stay for a while, do not run out all at once.
    std::size_t unpaced = 140;
    std::size_t most_paced = 190;
    std::int64_t paced_within_s = 60;
  };

  struct Outcome {
    std::exception_ptr failure; // what the change threw: nothing was changed
    std::optional<std::string> unpublished; // it stands, but is not published, because …
  };

  struct Status {
    GenerationNumber generation = 0;
    GenerationNumber published = 0;
    std::optional<std::string> problem; // of publishing
    std::optional<UnixTime> next_end;
    std::string audit_head;
    std::string base_source;
    std::optional<std::string> base_problem; // the base before stays in force
    std::vector<std::string> warnings; // of the publication
    std::uint64_t changes = 0; // made since the start
    std::uint64_t publications = 0;
    std::uint64_t publication_failures = 0;
    double publication_seconds = 0; // all of them together
  };

  // Reads the base, makes the generations at ends that were missed, and publishes if it is
  // behind; a publication that fails is no failure of the start. Error if there was never a base
  // and none can be read. `told` is called after each publication and each new event (of a
  // generation, an alert, a watch), on the thread of the changes.
  Changes(Settings settings, Clock clock, Store store, std::unique_ptr<Publisher> publisher,
          std::function<void()> told);
  // Answers everything that was submitted.
  ~Changes();
  Changes(const Changes&) = delete;
  Changes& operator=(const Changes&) = delete;

  // `change` makes one change with the store it is given, with a generation or without (alerts,
  // watches, what sinks were told), and may throw; `done` is called once,
  // later, on the thread of the changes. Where many changes are made at once, `stored` is called in
  // between, on another thread, while they are published: for what `done` would do otherwise. It
  // must not throw. Error{busy} when too many wait.
  void submit(std::function<void(Store&)> change, std::function<void(Outcome)> done,
              std::function<void()> stored = nullptr);

  // The same, and waits for it; throws what the change threw. Not on the thread of the changes.
  void make(std::function<void(Store&)> change);

  // Has everything that is published written again, whatever is there. Any thread; returns at once.
  void publish_anew() noexcept;

  // No more is taken; returns when everything is answered. Called once or more, by one thread.
  void stop() noexcept;

  Status status() const;
  // Of the last change that was stored. Never runs behind an answer that was given.
  GenerationNumber generation() const noexcept { return generation_.load(); }
  GenerationNumber published() const noexcept { return published_.load(); }
  std::uint64_t last_event() const noexcept { return last_event_.load(); }

 private:
  class Loop;
  struct Waiting {
    std::function<void(Store&)> change;
    std::function<void(Outcome)> done;
    std::function<void()> stored;
  };
  struct Queue {
    std::deque<Waiting> waiting;
    bool stopping = false;
  };

  std::size_t most_waiting_;
  Guarded<Queue> queue_;
  Guarded<Status> status_;
  std::atomic<GenerationNumber> generation_{0};
  std::atomic<GenerationNumber> published_{0};
  std::atomic<std::uint64_t> last_event_{0};
  std::atomic<bool> anew_{false}; // what is published is to be written again
  Fd wake_;
  std::unique_ptr<Loop> loop_;
  std::thread thread_;
};

} // namespace trust
