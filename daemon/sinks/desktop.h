#pragma once
// Notifications of the user's desktop, org.freedesktop.Notifications on the session bus: of the
// user's daemon alone. One that is still shown is replaced, by what came of it.

#include <cstdint>
#include <map>

#include "daemon/sinks/sink.h"

namespace trust {

class DesktopSink : public Sink {
 public:
  void deliver(const Delivery& delivery, int stop_fd) override;
  bool is_for_people() const override { return true; }

 private:
  // Of each alert the notification that shows it; 0: of several together.
  std::map<std::int64_t, std::uint32_t> shown_;
};

} // namespace trust
