#pragma once
// The systemd journal: one entry for each notice, with fields to search by (docs/sinks.md). Where
// there is no journal, a line of the log for each.

#include "daemon/sinks/sink.h"

namespace trust {

// Of every entry: journalctl MESSAGE_ID=….
inline constexpr const char* kAlertMessageId = "d7d1f0f0c7f84f4fb6b8d2b0a0c35c9e";

class JournalSink : public Sink {
 public:
  void deliver(const Delivery& delivery, int stop_fd) override;
  bool is_for_people() const override { return false; }
  bool wants_everything() const override { return true; }
};

} // namespace trust
