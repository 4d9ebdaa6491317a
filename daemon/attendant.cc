#include "daemon/attendant.h"

#include <poll.h>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <string_view>

#include "libtrust/handles.h"

namespace trust {
namespace {

constexpr int kAnswerWithinMs = 3000;

sigset_t ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  return set;
}

} // namespace

void Attendant::block_signals() {
  const sigset_t set = ending_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

Attendant::Attendant(std::function<void()> stop, std::function<bool()> alive,
                     const std::string& status)
    : stop_(std::move(stop)), alive_(std::move(alive)) {
  thread_ = std::thread([this] { run(); });
  ::sd_notify(0, ("READY=1\nSTATUS=" + status).c_str());
}

Attendant::~Attendant() {
  ::pthread_kill(thread_.native_handle(), SIGTERM); // blocked, so it waits for run()
  thread_.join();
}

void Attendant::run() {
  const sigset_t set = ending_signals();
  std::uint64_t watchdog_us = 0;
  const bool watched = ::sd_watchdog_enabled(0, &watchdog_us) > 0;
  const std::uint64_t every_us = watchdog_us / 3;
  timespec every{};
  every.tv_sec = static_cast<time_t>(every_us / 1'000'000);
  every.tv_nsec = static_cast<long>(every_us % 1'000'000) * 1000;
  for (;;) {
    const int signal =
        watched ? ::sigtimedwait(&set, nullptr, &every) : ::sigwaitinfo(&set, nullptr);
    if (signal > 0) break;
    if (watched && alive_()) ::sd_notify(0, "WATCHDOG=1");
  }
  ::sd_notify(0, "STOPPING=1\nSTATUS=Answering what was asked");
  stop_();
}

bool answers(const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size() + 1);
  const Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  constexpr std::string_view kRequest = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
  constexpr std::string_view kAnswer = "HTTP/1.1 "; // a refusal is an answer too
  if (!fd ||
      ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::send(fd.get(), kRequest.data(), kRequest.size(), MSG_NOSIGNAL) < 0) {
    return false;
  }
  pollfd readable{fd.get(), POLLIN, 0};
  if (::poll(&readable, 1, kAnswerWithinMs) <= 0) return false;
  std::array<char, 256> answer{};
  const auto length = ::recv(fd.get(), answer.data(), answer.size(), 0);
  return length > 0 &&
         std::string_view(answer.data(), static_cast<std::size_t>(length)).starts_with(kAnswer);
}

} // namespace trust
