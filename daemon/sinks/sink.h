#pragma once
// A way in which alerts reach people or programs. Each belongs to one thread, its courier's.

#include <chrono>
#include <optional>

#include "daemon/sinks/delivery.h"

namespace trust {

class Sink {
 public:
  virtual ~Sink() = default;

  // Returns when the receiver has it, else Error: it is sent again later, with the same id. Ends
  // within a bounded time, and soon once `stop_fd` can be read.
  virtual void deliver(const Delivery& delivery, int stop_fd) = 0;

  // People get one message for all that there is, which says how many there are, and a pause before
  // the next. Programs get page after page.
  virtual bool is_for_people() const = 0;

  // How often everything that is open is sent again, for a receiver that forgets.
  virtual std::optional<std::chrono::seconds> refresh_interval() const { return std::nullopt; }

  // Whether a notice is told that worth_telling leaves out: for a record, not for people.
  virtual bool wants_everything() const { return false; }
};

} // namespace trust
