#pragma once
// How other threads reach the loop: answers that have come, and wishes. Any thread may post at
// any time, also after the loop has ended (then nobody looks). The descriptor becomes readable
// when there is something.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <variant>
#include <vector>

#include "daemon/message.h"
#include "daemon/semantics.h"
#include "libtrust/guarded.h"
#include "libtrust/handles.h"

namespace trust {

class Mailbox {
 public:
  struct Delivery {
    std::uint64_t connection = 0;
    std::variant<Response, Semantics::Outcome> answer;
  };

  Mailbox(); // Error{io}

  void post(Delivery delivery);
  void ask_to_stop() noexcept; // safe in a signal handler
  void ask_to_pull() noexcept;

  int fd() const noexcept { return event_.get(); }
  // What has come since the last time; makes the descriptor unreadable first, so that nothing is
  // missed.
  std::vector<Delivery> collect();
  bool stop_asked() const noexcept { return stop_.load(std::memory_order_acquire); }
  bool take_pull() noexcept { return pull_.exchange(false, std::memory_order_acq_rel); }

 private:
  void wake() noexcept;

  Fd event_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> pull_{false};
  Guarded<std::vector<Delivery>> deliveries_;
};

// Starts a Later for a connection: its answer, whatever thread it comes from, is posted; so is a
// 500 when it throws or gives up its completion without calling it.
void start_later(const std::shared_ptr<Mailbox>& mailbox, std::uint64_t connection,
                 const Later& later);

} // namespace trust
