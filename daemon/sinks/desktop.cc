#include "daemon/sinks/desktop.h"

#include <poll.h>
#include <systemd/sd-bus.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "daemon/stopping.h"
#include "libtrust/error.h"
#include "libtrust/handles.h"

namespace trust {
namespace {

using SteadyClock = std::chrono::steady_clock;
using BusPtr = std::unique_ptr<sd_bus, Deleter<sd_bus_flush_close_unref>>;
using MessagePtr = std::unique_ptr<sd_bus_message, Deleter<sd_bus_message_unref>>;
using SlotPtr = std::unique_ptr<sd_bus_slot, Deleter<sd_bus_slot_unref>>;

constexpr std::chrono::seconds kTime{10};
constexpr std::size_t kMostOneByOne = 3;
constexpr std::size_t kMostLines = 8;
constexpr std::size_t kMostShown = 256;
constexpr std::int64_t kTogether = 0;

void must(int result, const char* what) {
  if (result < 0) throw system_error(std::string("the session bus, ") + what, -result);
}

// The bus drops who sends it text that is no UTF-8.
std::string as_utf8(const std::string& text) {
  using nlohmann::json;
  return json::parse(json(text).dump(-1, ' ', false, json::error_handler_t::replace))
      .get<std::string>();
}

// Bodies may hold markup.
std::string plain(const std::string& text) {
  std::string safe;
  for (const char c : as_utf8(text)) {
    switch (c) {
      case '&': safe += "&amp;"; break;
      case '<': safe += "&lt;"; break;
      case '>': safe += "&gt;"; break;
      default: safe += c;
    }
  }
  return safe;
}

struct Reply {
  bool came = false;
  std::uint32_t id = 0;
  int error = 0;
};

int on_reply(sd_bus_message* message, void* to, sd_bus_error*) noexcept {
  Reply& reply = *static_cast<Reply*>(to);
  reply.came = true;
  if (sd_bus_message_is_method_error(message, nullptr) > 0) {
    reply.error = sd_bus_message_get_errno(message);
  } else if (const int result = sd_bus_message_read(message, "u", &reply.id); result < 0) {
    reply.error = -result;
  }
  return 0;
}

struct Notification {
  std::uint32_t replaces = 0;
  std::string title;
  std::string body;
  Severity severity = Severity::info;
};

// The session bus for one delivery.
class Bus {
 public:
  explicit Bus(int stop_fd) : stop_fd_(stop_fd), deadline_(SteadyClock::now() + kTime) {
    sd_bus* bus = nullptr;
    must(::sd_bus_open_user(&bus), "opening it");
    bus_.reset(bus);
  }

  std::uint32_t notify(const Notification& what) {
    sd_bus_message* made = nullptr;
    must(::sd_bus_message_new_method_call(bus_.get(), &made, "org.freedesktop.Notifications",
                                          "/org/freedesktop/Notifications",
                                          "org.freedesktop.Notifications", "Notify"),
         "a message");
    const MessagePtr message(made);
    const bool critical = what.severity == Severity::critical;
    const auto urgency = static_cast<int>(what.severity); // low, normal, critical
    must(::sd_bus_message_append(message.get(), "susssasa{sv}i", "trustd", what.replaces,
                                 "security-medium", as_utf8(what.title).c_str(),
                                 plain(what.body).c_str(), 0, 2, "urgency", "y", urgency,
                                 "category", "s", "network", critical ? 0 : -1),
         "a message");
    Reply reply;
    sd_bus_slot* slot_made = nullptr;
    must(::sd_bus_call_async(bus_.get(), &slot_made, message.get(), on_reply, &reply,
                             static_cast<std::uint64_t>(std::chrono::microseconds(kTime).count())),
         "calling");
    const SlotPtr slot(slot_made); // before reply goes, so that nobody writes to it later
    while (!reply.came) step();
    if (reply.error != 0) throw system_error("org.freedesktop.Notifications", reply.error);
    return reply.id;
  }

 private:
  void step() {
    const int processed = ::sd_bus_process(bus_.get(), nullptr);
    must(processed, "speaking");
    if (processed > 0) return;
    const int events = ::sd_bus_get_events(bus_.get());
    must(events, "speaking");
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - SteadyClock::now());
    if (left.count() <= 0) {
      throw Error(Code::timeout, "the session bus or its notifications did not answer in time");
    }
    std::array<pollfd, 2> fds{
        {{::sd_bus_get_fd(bus_.get()), static_cast<short>(events), 0}, {stop_fd_, POLLIN, 0}}};
    if (::poll(fds.data(), fds.size(), static_cast<int>(left.count())) < 0 && errno != EINTR) {
      throw system_error("the session bus", errno);
    }
    if (fds[1].revents != 0) throw daemon_stops();
  }

  const int stop_fd_;
  const SteadyClock::time_point deadline_;
  BusPtr bus_;
};

} // namespace

void DesktopSink::deliver(const Delivery& delivery, int stop_fd) {
  Bus bus(stop_fd);
  const auto show = [&](std::int64_t alert, Notification notification) {
    if (shown_.size() > kMostShown) shown_.erase(std::next(shown_.begin())); // an old alert's
    auto& id = shown_[alert];
    notification.replaces = id;
    id = bus.notify(notification);
  };
  if (delivery.notices.size() > kMostOneByOne) {
    std::string text = text_of(delivery, kMostLines);
    text.erase(0, text.find('\n') + 1); // the title stands above
    show(kTogether, {0, title_of(delivery), text, severity_of(delivery)});
    return;
  }
  for (const Notice* notice : worst_first(delivery)) {
    const bool resolved = notice->what == Notice::What::resolved;
    const std::int64_t alert = delivery.test ? -1 : notice->alert.id;
    show(alert, {0, delivery.test ? "trustd: test" : "trustd: " + notice->alert.target,
                 lines_of(*notice), resolved ? Severity::info : notice->alert.severity});
    if (resolved) shown_.erase(alert);
  }
}

} // namespace trust
