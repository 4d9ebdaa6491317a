#pragma once
// The receiving side of reports: a datagram socket beside the daemon's own, that every local user
// may send to. Who sent one is what the kernel says (SCM_CREDENTIALS) and nothing else; what it
// says is a claim. A flood costs the senders their reports and the daemon a bounded part of one
// thread.

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "daemon/listener.h"
#include "daemon/reported.h"
#include "libtrust/handles.h"

namespace trust {

struct ReportCounts {
  std::uint64_t received = 0;
  std::uint64_t refused = 0; // too long, malformed, or from nobody that the kernel names
  std::uint64_t kept = 0;    // claims that are remembered
};

class ReportReceiver {
 public:
  // `tell` is given the data of an event, on a thread of this object's own; what it throws costs
  // that event alone. Error as of listen_datagrams.
  ReportReceiver(const std::string& path, Clock clock, std::function<void(Json)> tell,
                 ReportedLimits limits = {});
  ~ReportReceiver();
  ReportReceiver(const ReportReceiver&) = delete;
  ReportReceiver& operator=(const ReportReceiver&) = delete;

  const std::string& path() const noexcept { return socket_.name(); }
  ReportCounts counts() const noexcept;

 private:
  void run() noexcept;
  bool take_one() noexcept;

  const Listener socket_;
  const Clock clock_;
  const std::function<void(Json)> tell_;
  Reported reported_; // of the thread
  std::atomic<std::uint64_t> received_{0}, refused_{0}, kept_{0};
  Fd stop_;
  std::thread thread_;
};

} // namespace trust
