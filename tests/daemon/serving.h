#pragma once
// For tests of the front: a Front with a small Application on a UNIX socket in a directory of its
// own, and clients that send bytes as they like. Nothing sleeps: all waits are for a condition,
// with a deadline that only a failure meets.

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/front.h"
#include "daemon/origin.h"
#include "libtrust/handles.h"

namespace trust {

inline constexpr std::chrono::seconds kPatience{20};

// Whether `holds` came true.
inline bool comes_true(const std::function<bool()>& holds) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::yield();
  }
  return true;
}

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = "/tmp/trustd-test-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// One connection to a UNIX socket, or to a port of the loopback.
class Client {
 public:
  explicit Client(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(path.begin(), path.end(), std::begin(address.sun_path));
    connected_ = connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }

  bool connected() const { return connected_; }
  int fd() const { return fd_.get(); }
  void close() { fd_.reset(); }
  void finish_sending() { shutdown(fd_.get(), SHUT_WR); }

  // False when the other end has closed before all was sent.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t put = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (put < 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    return true;
  }
  // What can be sent without waiting.
  std::size_t send_some(std::string_view bytes) {
    const ssize_t put = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return put < 0 ? 0 : static_cast<std::size_t>(put);
  }

  // Reads once more; false at the end, at a failure, or when nothing comes.
  bool receive() {
    pollfd wait{fd_.get(), POLLIN, 0};
    if (poll(&wait, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) <= 0) {
      return false;
    }
    char buffer[65536];
    const ssize_t got = recv(fd_.get(), buffer, sizeof buffer, 0);
    if (got <= 0) return false;
    received_.append(buffer, static_cast<std::size_t>(got));
    return true;
  }
  bool receive_until(std::string_view text) {
    while (received_.find(text) == std::string::npos) {
      if (!receive()) return false;
    }
    return true;
  }
  // All that comes until the end.
  std::string rest() {
    while (receive()) {
    }
    return std::exchange(received_, {});
  }

  struct Answer {
    int status = 0;
    std::string head;
    std::string body;
    bool has(std::string_view line) const { return head.find(line) != std::string::npos; }
  };
  // The next answer by its Content-Length; status 0 when the connection ends before it is whole.
  Answer answer(bool head_only = false) {
    Answer made;
    if (!receive_until("\r\n\r\n")) return made;
    const std::size_t end = received_.find("\r\n\r\n") + 4;
    made.head = received_.substr(0, end);
    received_.erase(0, end);
    made.status = std::atoi(made.head.c_str() + 9);
    const std::size_t at = made.head.find("\r\nContent-Length: ");
    if (head_only || at == std::string::npos) return made;
    const auto length = static_cast<std::size_t>(std::atoll(made.head.c_str() + at + 18));
    while (received_.size() < length) {
      if (!receive()) return Answer();
    }
    made.body = received_.substr(0, length);
    received_.erase(0, length);
    return made;
  }
  Answer ask(std::string_view bytes) { return send(bytes) ? answer() : Answer(); }

  // Whether the other end has closed.
  bool ends() { return received_.empty() && !receive() && connected_; }
  const std::string& received() const { return received_; }

 private:
  Fd fd_;
  bool connected_ = false;
  std::string received_;
};

inline std::string get(std::string_view target, std::string_view fields = {}) {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(fields) +
         "\r\n";
}
inline std::string post(std::string_view target, std::string_view body) {
  return "POST " + std::string(target) +
         " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

// What the tests need of an application:
//   /ping         on the loop; /echo the body; /who the peer's uid; /throws; /wrong: an Error
//   /block        on a worker, until open_gate()
//   /later        completed by the test; /forgotten: never, and dropped
//   /large?n=     so many bytes; /empty: 204; /same: 304; /fields: with fields of its own
//   /events       the events given to publish(), after Last-Event-ID
class TestApplication : public Application {
 public:
  std::size_t max_body(const Request& head) const override {
    return head.path == "/import" ? std::size_t{8} << 20 : std::size_t{1} << 20;
  }
  bool may_block(const Request& head) const override {
    return head.path == "/block" || head.path == "/worker";
  }
  std::optional<Response> admit(const Request& head) override {
    if (const auto refused = refused_origin(head)) return problem(*refused);
    if (head.authorization == "wrong") return problem(Error(Code::unauthorized, "no"));
    return std::nullopt;
  }
  trust::Answer answer(const Request& request) override;

  void open_gate();
  // Waits for `count` completions, and gives them.
  std::vector<std::function<void(Response)>> completions(std::size_t count);
  void publish(const std::string& text);
  std::uint64_t events() const;

  std::atomic<int> blocked{0};

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool gate_open_ = false;
  std::vector<std::function<void(Response)>> completions_;
  std::vector<std::string> events_;
};

inline trust::Answer TestApplication::answer(const Request& request) {
  Response response;
  response.content_type = "application/json";
  const std::string& path = request.path;
  if (path == "/echo" || path == "/import" || path == "/worker") {
    response.body = request.body;
    return response;
  }
  if (path == "/size") {
    response.body = std::to_string(request.body.size());
    return response;
  }
  if (path == "/who") {
    response.body = std::to_string(request.peer->uid);
    return response;
  }
  if (path == "/throws") throw std::runtime_error("secret of the inside");
  if (path == "/wrong") throw Error(Code::not_found, "there is no such thing", "trustctl list");
  if (path == "/large") {
    response.body.assign(std::strtoull(std::string(*request.query_value("n")).c_str(), nullptr, 10),
                         'x');
    return response;
  }
  if (path == "/empty" || path == "/same") {
    response.status = path == "/empty" ? 204 : 304;
    return response;
  }
  if (path == "/fields") {
    response.headers = {{"ETag", "\"g42\""},
                        {"X-Split", "a\r\nSet-Cookie: b"},
                        {"X Bad", "a"},
                        {"Retry-After", "7"}};
    return response;
  }
  if (path == "/block") {
    std::unique_lock lock(mutex_);
    ++blocked;
    changed_.wait(lock, [this] { return gate_open_; });
    return response;
  }
  if (path == "/later") {
    return Later{[this](std::function<void(Response)> complete) {
      const std::lock_guard lock(mutex_);
      completions_.push_back(std::move(complete));
      changed_.notify_all();
    }};
  }
  if (path == "/forgotten") return Later{[](const std::function<void(Response)>&) {}};
  if (path == "/events") {
    EventStream stream;
    stream.after = std::strtoull(request.last_event_id.value_or("0").c_str(), nullptr, 10);
    stream.pull = [this](std::uint64_t& after, std::size_t max_bytes) {
      const std::lock_guard lock(mutex_);
      std::string ready;
      while (after < events_.size() && ready.size() < max_bytes) {
        ready += "id: " + std::to_string(after + 1) + "\ndata: " + events_[after] + "\n\n";
        ++after;
      }
      return ready;
    };
    return stream;
  }
  if (path == "/ping") {
    response.body = "{\"pong\":true}";
    return response;
  }
  throw Error(Code::not_found, "there is no such path");
}

inline void TestApplication::open_gate() {
  const std::lock_guard lock(mutex_);
  gate_open_ = true;
  changed_.notify_all();
}

inline std::vector<std::function<void(Response)>> TestApplication::completions(std::size_t count) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, kPatience, [&] { return completions_.size() >= count; });
  return std::exchange(completions_, {});
}

inline void TestApplication::publish(const std::string& text) {
  const std::lock_guard lock(mutex_);
  events_.push_back(text);
}

inline std::uint64_t TestApplication::events() const {
  const std::lock_guard lock(mutex_);
  return events_.size();
}

// A Front that runs on a thread of its own until it goes.
class Serving {
 public:
  explicit Serving(const FrontLimits& limits = {}) {
    std::vector<Listener> listeners;
    listeners.push_back(listen_unix(path(), 0600));
    front_ = std::make_unique<Front>(application, std::move(listeners), limits);
    thread_ = std::thread([this] {
      front_->run();
      ended_ = true;
    });
  }
  ~Serving() {
    application.open_gate();
    front_->stop();
    thread_.join();
  }

  std::string path() const { return directory_.path() + "/s"; }
  Client connect() const { return Client(path()); }
  Front& front() { return *front_; }
  bool ended() const { return ended_; }
  // Whether another connection is answered.
  bool pings() const { return connect().ask(get("/ping")).status == 200; }

  TestApplication application;

 private:
  TemporaryDirectory directory_;
  std::unique_ptr<Front> front_;
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

} // namespace trust
