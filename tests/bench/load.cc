// Load on an HTTP server, over a UNIX socket or loopback TCP; one JSON object of results on
// standard output. A client as small as it can be, so that the server is what is measured.
//
//   load rate ADDRESS CONNECTIONS SECONDS TARGET…   closed loop over kept-alive connections;
//                                                   each request takes the next target
//   load burst ADDRESS CONNECTIONS TARGET           all connect at once, one request each
//   load idle ADDRESS CONNECTIONS TARGET            opens, one request each, prints "ready",
//                                                   holds them until standard input ends
//   load post ADDRESS TARGET                        a connection for each line of standard input,
//                                                   a body; all at once, each answered by a 201
// ADDRESS is a path, or 127.0.0.1:PORT.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "libtrust/handles.h"

namespace {

using Time = std::chrono::steady_clock;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

double microseconds(Time::duration duration) {
  return std::chrono::duration<double, std::micro>(duration).count();
}

trust::Fd opened(const std::string& address) {
  if (address.front() == '/') {
    trust::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    if (address.size() >= sizeof(to.sun_path)) die("path too long");
    std::memcpy(to.sun_path, address.c_str(), address.size());
    // A UNIX socket's backlog that is full refuses where TCP would wait.
    while (::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
      if (errno != EAGAIN && errno != EINTR) die("connect");
    return fd;
  }
  trust::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const std::size_t colon = address.find(':');
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) die("connect");
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

std::string request_for(std::string_view target) {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n";
}

struct Connection {
  trust::Fd fd;
  std::string received;
  Time::time_point sent;
};

std::string posting(std::string_view target, const std::string& body) {
  return "POST " + std::string(target) +
         " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

// Whether a whole answer has arrived; it is dropped then. Exits unless it has that status.
bool take_answer(std::string& received, const char* status = "200") {
  const std::size_t head = received.find("\r\n\r\n");
  if (head == std::string::npos) return false;
  if (received.compare(9, 3, status) != 0) {
    std::fprintf(stderr, "not a %s: %.200s\n", status, received.c_str());
    std::exit(1);
  }
  std::size_t length = 0;
  for (const char* name : {"Content-Length: ", "content-length: "}) {
    const std::size_t at = received.find(name);
    if (at != std::string::npos && at < head)
      length = std::strtoul(received.c_str() + at + 16, nullptr, 10);
  }
  if (received.size() < head + 4 + length) return false;
  received.erase(0, head + 4 + length);
  return true;
}

void send_all(int fd, const std::string& bytes) {
  if (::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size()))
    die("send");
}

// Reads what is there; exits if the server closed.
void receive(Connection& connection) {
  char buffer[16384];
  const ssize_t got = ::recv(connection.fd.get(), buffer, sizeof buffer, 0);
  if (got <= 0) {
    std::fprintf(stderr, "the server closed a connection\n");
    std::exit(1);
  }
  connection.received.append(buffer, static_cast<std::size_t>(got));
}

void print(std::vector<double>& latencies, double seconds) {
  std::sort(latencies.begin(), latencies.end());
  const auto at = [&](double share) {
    return latencies[std::min(
        latencies.size() - 1,
        static_cast<std::size_t>(static_cast<double>(latencies.size()) * share))];
  };
  std::printf(
      "{\"requests\": %zu, \"seconds\": %.4f, \"rate\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, "
      "\"max_us\": %.1f}\n",
      latencies.size(), seconds, static_cast<double>(latencies.size()) / seconds, at(0.5), at(0.99),
      latencies.back());
}

void rate(const std::string& address, std::size_t connections, double seconds,
          const std::vector<std::string>& targets) {
  std::vector<std::string> requests;
  for (const std::string& target : targets) requests.push_back(request_for(target));
  std::vector<Connection> open(connections);
  const trust::Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  for (std::size_t i = 0; i < connections; ++i) {
    open[i].fd = opened(address);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, open[i].fd.get(), &event);
  }
  std::vector<double> latencies;
  latencies.reserve(1'000'000);
  std::size_t next = 0;
  const auto start = Time::now();
  const auto end =
      start + std::chrono::duration_cast<Time::duration>(std::chrono::duration<double>(seconds));
  for (Connection& connection : open) {
    connection.sent = Time::now();
    send_all(connection.fd.get(), requests[next++ % requests.size()]);
  }
  while (Time::now() < end) {
    std::array<epoll_event, 64> events{};
    const int ready =
        ::epoll_wait(epoll.get(), events.data(), static_cast<int>(events.size()), 1000);
    for (int i = 0; i < ready; ++i) {
      Connection& connection = open[events[static_cast<std::size_t>(i)].data.u64];
      receive(connection);
      if (!take_answer(connection.received)) continue;
      const auto now = Time::now();
      latencies.push_back(microseconds(now - connection.sent));
      connection.sent = now;
      send_all(connection.fd.get(), requests[next++ % requests.size()]);
    }
  }
  print(latencies, std::chrono::duration<double>(Time::now() - start).count());
}

// A connection for each request, all at once.
void send_at_once(const std::string& address, const std::vector<std::string>& requests,
                  const char* status, std::vector<Connection>& open) {
  const std::size_t connections = requests.size();
  open.resize(connections);
  const trust::Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  std::vector<double> latencies;
  const auto start = Time::now();
  for (std::size_t i = 0; i < connections; ++i) {
    open[i].sent = Time::now();
    open[i].fd = opened(address);
    send_all(open[i].fd.get(), requests[i]);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, open[i].fd.get(), &event);
  }
  while (latencies.size() < connections) {
    std::array<epoll_event, 256> events{};
    const int ready =
        ::epoll_wait(epoll.get(), events.data(), static_cast<int>(events.size()), 30'000);
    if (ready <= 0) {
      std::fprintf(stderr, "only %zu of %zu answered within 30 s\n", latencies.size(), connections);
      std::exit(1);
    }
    for (int i = 0; i < ready; ++i) {
      Connection& connection = open[events[static_cast<std::size_t>(i)].data.u64];
      receive(connection);
      if (take_answer(connection.received, status))
        latencies.push_back(microseconds(Time::now() - connection.sent));
    }
  }
  print(latencies, std::chrono::duration<double>(Time::now() - start).count());
}

void burst(const std::string& address, std::size_t connections, const std::string& target,
           bool hold) {
  std::vector<Connection> open;
  send_at_once(address, std::vector<std::string>(connections, request_for(target)), "200", open);
  if (!hold) return;
  std::puts("ready");
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
}

void post(const std::string& address, const std::string& target) {
  std::vector<std::string> requests;
  std::string line;
  for (int c = std::getchar(); c != EOF; c = std::getchar()) {
    if (c != '\n') {
      line += static_cast<char>(c);
      continue;
    }
    requests.push_back(posting(target, line));
    line.clear();
  }
  std::vector<Connection> open;
  send_at_once(address, requests, "201", open);
}

} // namespace

int main(int argc, char** argv) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() >= 5 && words[0] == "rate")
    rate(words[1], std::stoul(words[2]), std::stod(words[3]), {words.begin() + 4, words.end()});
  else if (words.size() == 4 && (words[0] == "burst" || words[0] == "idle"))
    burst(words[1], std::stoul(words[2]), words[3], words[0] == "idle");
  else if (words.size() == 3 && words[0] == "post")
    post(words[1], words[2]);
  else
    return std::fputs("usage: see the head of load.cc\n", stderr), 2;
  return 0;
}
