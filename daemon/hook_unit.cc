#include "daemon/hook_unit.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "libtrust/error.h"
#include "libtrust/handles.h"
#include "libtrust/json.h"

namespace trust {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::seconds kConnectTime{5};
constexpr std::chrono::seconds kAnswerTime{10}; // beyond what the command has: a unit must start
constexpr std::size_t kMostAnswerBytes = std::size_t{64} << 10;
constexpr std::array<std::pair<CommandEnd::How, std::string_view>, 5> kHows{{
    {CommandEnd::How::exited, "exited"},
    {CommandEnd::How::signalled, "signalled"},
    {CommandEnd::How::out_of_time, "out_of_time"},
    {CommandEnd::How::stopped, "stopped"},
    {CommandEnd::How::not_started, "not_started"},
}};

Error no_answer(const std::string& socket, const std::string& why, Code code = Code::io) {
  return Error(code, "trustd-hook@.service, asked at " + socket + ", " + why,
               "journalctl -u 'trustd-hook@*'");
}

// Waits for `events` of `fd`: false when the time is up or `stop_fd` can be read.
enum class Waited { ready, late, stopped };
Waited wait_for(int fd, short events, SteadyClock::time_point deadline, int stop_fd) {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - SteadyClock::now()).count();
    if (left <= 0) return Waited::late;
    std::array<pollfd, 2> fds{{{fd, events, 0}, {stop_fd, POLLIN, 0}}};
    const int ready =
        ::poll(fds.data(), fds.size(), static_cast<int>(std::min<std::int64_t>(left, 3'600'000)));
    if (ready < 0 && errno != EINTR) throw system_error("waiting", errno);
    if (ready > 0 && fds[1].revents != 0) return Waited::stopped;
    if (ready > 0) return Waited::ready;
  }
}

// One line without its LF, or what arrived before the end, the time limit or too much of it.
struct Line {
  std::string text;
  bool whole = false;
  Waited waited = Waited::ready;
};
Line read_line(int fd, std::size_t most, SteadyClock::time_point deadline, int stop_fd) {
  Line line;
  std::array<char, 16 * 1024> buffer;
  while (line.text.size() <= most) {
    line.waited = wait_for(fd, POLLIN, deadline, stop_fd);
    if (line.waited != Waited::ready) return line;
    const auto length = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (length <= 0) return line;
    const std::string_view bytes(buffer.data(), static_cast<std::size_t>(length));
    const std::size_t end = bytes.find('\n');
    line.text += bytes.substr(0, end);
    if (end != bytes.npos) {
      line.whole = true;
      return line;
    }
  }
  return line;
}

bool send_all(int fd, std::string_view text, SteadyClock::time_point deadline, int stop_fd) {
  while (!text.empty()) {
    const auto length = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (length > 0) {
      text.remove_prefix(static_cast<std::size_t>(length));
    } else if (errno != EINTR &&
               (errno != EAGAIN || wait_for(fd, POLLOUT, deadline, stop_fd) != Waited::ready)) {
      return false;
    }
  }
  return true;
}

Fd connect_to(const std::string& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.size() >= sizeof address.sun_path) throw no_answer(socket, "has too long a path");
  std::memcpy(address.sun_path, socket.c_str(), socket.size() + 1);
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) throw system_error("a socket", errno);
  // A full backlog is waited for no longer than that.
  const timeval time{kConnectTime.count(), 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw no_answer(socket, std::string("cannot be reached: ") + std::strerror(errno));
  }
  ucred listener{};
  socklen_t size = sizeof listener;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &listener, &size) != 0) {
    throw system_error(socket, errno);
  }
  if (listener.uid != 0 && listener.uid != ::geteuid()) {
    throw no_answer(socket, "is listened at by user " + std::to_string(listener.uid),
                    Code::store_access);
  }
  return fd;
}

CommandEnd end_of(const nlohmann::json& answer) {
  CommandEnd end;
  const auto& how = answer.at("how").get_ref<const std::string&>();
  bool known = false;
  for (const auto& [value, name] : kHows) {
    if (name != how) continue;
    end.how = value;
    known = true;
  }
  if (!known) throw Error(Code::internal, "ended as " + shown(how));
  end.number = answer.at("number").get<int>();
  end.output = answer.at("output").get<std::string>();
  return end;
}

NamedCommand request_of(const std::string& text) {
  NamedCommand wanted;
  const auto json = nlohmann::json::parse(text);
  const auto& kind = json.at("kind").get_ref<const std::string&>();
  if (kind != name_of(CommandKind::hook) && kind != name_of(CommandKind::sink)) {
    throw Error(Code::invalid, "there is no kind of command named " + shown(kind));
  }
  wanted.kind = kind == name_of(CommandKind::hook) ? CommandKind::hook : CommandKind::sink;
  wanted.name = json.at("name").get<std::string>();
  for (const auto& [name, value] : json.at("variables").items()) {
    wanted.variables.emplace_back(name, value.get<std::string>());
  }
  return wanted;
}

} // namespace

std::string_view name_of(CommandKind kind) noexcept {
  switch (kind) {
    case CommandKind::hook: return "hook";
    case CommandKind::sink: return "sink";
  }
  return "";
}

CommandEnd ask_hook_unit(const std::string& socket, const NamedCommand& wanted,
                         std::chrono::milliseconds time_limit, int stop_fd) {
  Json variables = Json::object();
  for (const auto& [name, value] : wanted.variables) variables[name] = value;
  const std::string request = text_of(Json{
      {"kind", name_of(wanted.kind)}, {"name", wanted.name}, {"variables", std::move(variables)}});
  if (request.size() > kMostRequestBytes) {
    throw Error(Code::too_large, "what is passed on to " + shown(wanted.name) + " is too long");
  }
  const Fd fd = connect_to(socket);
  const auto deadline = SteadyClock::now() + time_limit + kAnswerTime;
  Line line;
  if (send_all(fd.get(), request, deadline, stop_fd)) {
    line = read_line(fd.get(), kMostAnswerBytes, deadline, stop_fd);
  }
  if (line.waited == Waited::stopped) return {CommandEnd::How::stopped, 0, {}};
  if (line.waited == Waited::late) {
    throw no_answer(socket, "did not answer in time", Code::timeout);
  }
  if (!line.whole) throw no_answer(socket, "ended without an answer");
  try {
    const auto answer = nlohmann::json::parse(line.text);
    if (answer.contains("how")) return end_of(answer);
    throw Error(code_named(answer.at("code").get<std::string>()).value_or(Code::internal),
                answer.at("detail").get<std::string>(), answer.value("hint", ""));
  } catch (const nlohmann::json::exception&) {
    throw no_answer(socket, "answered what cannot be read");
  }
}

bool answer_hook_request(
    int connection, const std::function<CommandEnd(const NamedCommand& wanted, int stop_fd)>& run) {
  const auto deadline = SteadyClock::now() + kConnectTime;
  const Line line = read_line(connection, kMostRequestBytes, deadline, -1);
  if (!line.whole) return false;
  std::string answer;
  try {
    const CommandEnd end = run(request_of(line.text), connection);
    std::string_view how;
    for (const auto& [value, name] : kHows) {
      if (value == end.how) how = name;
    }
    answer = text_of(Json{{"how", how}, {"number", end.number}, {"output", end.output}});
  } catch (const Error& error) {
    answer = text_of(problem_json(error));
  } catch (const nlohmann::json::exception&) {
    answer = text_of(problem_json(Error(Code::invalid, "the request cannot be read")));
  }
  return send_all(connection, answer, SteadyClock::now() + kConnectTime, -1);
}

} // namespace trust
