#include "daemon/report_receiver.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "libtrust/error.h"
#include "libtrust/report.h"

namespace trust {
namespace {

// So many at once, and then a pause: what does not fit into the socket by then is lost.
constexpr int kMostAtOnce = 100;
constexpr int kPauseMs = 50;

struct Datagram {
  std::array<char, kMaxReportBytes> bytes{};
  std::size_t length = 0;
  bool too_long = false;
  ucred sender{0, static_cast<uid_t>(-1), static_cast<gid_t>(-1)};
  bool has_sender = false;
};

// False when there is none.
bool receive(int fd, Datagram& out) {
  iovec part{out.bytes.data(), out.bytes.size()};
  // Exactly room for the credentials: descriptors that somebody sends along do not fit, and the
  // kernel drops them.
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(ucred))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t count = ::recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (count < 0) return false;
  out.length = static_cast<std::size_t>(count);
  out.too_long = (message.msg_flags & MSG_TRUNC) != 0;
  for (cmsghdr* item = CMSG_FIRSTHDR(&message); item != nullptr;
       item = CMSG_NXTHDR(&message, item)) {
    if (item->cmsg_level == SOL_SOCKET && item->cmsg_type == SCM_CREDENTIALS) {
      std::memcpy(&out.sender, CMSG_DATA(item), sizeof out.sender);
      out.has_sender = true;
    }
  }
  return true;
}

} // namespace

ReportReceiver::ReportReceiver(const std::string& path, Clock clock, std::function<void(Json)> tell,
                               ReportedLimits limits)
    : socket_(listen_datagrams(path, 0666)),
      clock_(std::move(clock)),
      tell_(std::move(tell)),
      reported_(limits),
      stop_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (!stop_) throw system_error("no descriptor to wake a thread by", errno);
  thread_ = std::thread([this] { run(); });
}

ReportReceiver::~ReportReceiver() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(stop_.get(), &one, sizeof one);
  thread_.join();
}

ReportCounts ReportReceiver::counts() const noexcept {
  return {received_.load(), refused_.load(), kept_.load()};
}

void ReportReceiver::run() noexcept {
  std::array<pollfd, 2> fds{pollfd{stop_.get(), POLLIN, 0}, pollfd{socket_.fd(), POLLIN, 0}};
  for (;;) {
    if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) return;
    if (fds[0].revents != 0) return;
    int taken = 0;
    while (taken < kMostAtOnce && take_one()) ++taken;
    // Nobody is in a hurry, and whoever floods shall not have a processor of ours.
    if (taken == kMostAtOnce) ::poll(fds.data(), 1, kPauseMs);
  }
}

bool ReportReceiver::take_one() noexcept {
  try {
    Datagram datagram;
    if (!receive(socket_.fd(), datagram)) return false;
    if (!datagram.has_sender || datagram.too_long) {
      ++refused_;
      return true;
    }
    Report report;
    try {
      report = parse_report({datagram.bytes.data(), datagram.length});
    } catch (const Error&) {
      ++refused_;
      return true;
    }
    ++received_;
    auto event = reported_.count(datagram.sender.uid, datagram.sender.pid, report, clock_());
    kept_ = reported_.kept();
    if (event) tell_(std::move(*event));
  } catch (const std::exception& error) {
    spdlog::warn("a report was not told: {}", shown(error.what()));
  }
  return true;
}

} // namespace trust
