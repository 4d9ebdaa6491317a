#include "cli/command/service.h"

#include <poll.h>
#include <sys/syscall.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <nlohmann/json.hpp>

#include "cli/command/entry.h"
#include "cli/command/launch.h"
#include "cli/command/systemctl.h"
#include "libtrust/error.h"
#include "libtrust/file.h"

namespace trust {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kStartTimeout{30'000};
constexpr milliseconds kStopTimeout{60'000};
constexpr milliseconds kBetweenTries{10};
constexpr std::int64_t kProbeTimeoutMs = 5'000;
constexpr std::string_view kHttp = "http://";

// The daemon that start and stop mean is this user's own, never the machine's that other commands
// fall back to.
std::vector<SocketCandidate> own_sockets(const Context& context) {
  std::vector<SocketCandidate> sockets = context.sockets();
  if (sockets.size() > 1) {
    std::erase_if(sockets, [](const SocketCandidate& socket) {
      return socket.address == Layout::machine().socket;
    });
  }
  return sockets;
}

// Whether the place of the socket was named: a manager's unit listens somewhere else then.
bool socket_is_named(const Context& context) {
  return context.globals().socket ||
         (!context.globals().system && context.environment()("TRUSTD_SOCKET"));
}

Client client_for(const Context& context, const Server& server) {
  ClientSettings settings;
  settings.candidates = {server.socket};
  settings.token_files = {context.layout().token};
  settings.timeout_ms = kProbeTimeoutMs;
  return Client(std::move(settings));
}

// A daemon that accepts and says that it is well; one that has not published yet is not awaited
// for longer than the deadline.
std::optional<Server> answering(const Context& context, bool published) {
  const auto server = find_server(own_sockets(context));
  if (!server) return std::nullopt;
  try {
    const Client client = client_for(context, *server);
    if (client.exchange("GET", published ? "/readyz" : "/healthz", "").status != 200) {
      return std::nullopt;
    }
  } catch (const Error&) {
    return std::nullopt;
  }
  return server;
}

Server wait_until_it_answers(const Context& context, const Launched* launched,
                             const std::string& log) {
  const auto deadline = steady_clock::now() + kStartTimeout;
  while (true) {
    if (const auto server = answering(context, true)) return *server;
    bool has_ended = launched != nullptr && !launched->handle;
    if (!has_ended) {
      pollfd handle{launched == nullptr ? -1 : launched->handle.get(), POLLIN, 0};
      has_ended = ::poll(&handle, 1, static_cast<int>(kBetweenTries.count())) > 0;
    }
    if (has_ended) {
      const std::string line = last_line(log);
      throw Error(Code::io,
                  line.empty() ? "trustd ended before it answered"
                               : "trustd ended before it answered: " + shown(line),
                  "less " + shell_word(log));
    }
    if (steady_clock::now() >= deadline) {
      if (const auto server = answering(context, false)) return *server;
      throw Error(Code::timeout,
                  "trustd was started and does not answer at " +
                      shown(own_sockets(context).front().address),
                  log.empty() ? "" : "less " + shell_word(log));
    }
  }
}

std::vector<std::string> trustd_arguments(const Context& context) {
  std::vector<std::string> arguments;
  if (context.globals().system) arguments.emplace_back("--system");
  if (socket_is_named(context)) {
    const std::string address = own_sockets(context).front().address;
    if (address.starts_with(kHttp)) {
      arguments.emplace_back("--listen");
      arguments.push_back(address.substr(kHttp.size()));
    } else {
      arguments.emplace_back("--socket");
      arguments.push_back(address);
    }
  }
  return arguments;
}

int signal_process(int pidfd, int signal) {
  return static_cast<int>(::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0));
}

void print_running(const Context& context, const Server& server, std::string_view how,
                   const std::string& log) {
  if (context.globals().json) {
    context.print_json(client_for(context, server).get("/v1/status"));
    return;
  }
  const std::uint64_t pid = number_at(client_for(context, server).get("/v1/status"), "pid");
  context.terminal().say("trustd " + std::string(how) + " (pid " + std::to_string(pid) + ") at " +
                         shown(server.socket.address) +
                         (log.empty() ? "" : "; it writes " + shown(log)));
}

std::string duration_text(std::uint64_t seconds) {
  if (seconds < 120) return std::to_string(seconds) + " s";
  if (seconds < 7200) return std::to_string(seconds / 60) + " min";
  if (seconds < 172'800) return std::to_string(seconds / 3600) + " h";
  return std::to_string(seconds / 86'400) + " days";
}

std::string published_text(const Json& status) {
  const std::uint64_t generation = number_at(status, "generation");
  const std::uint64_t published = number_at(status, "published");
  std::string text = std::to_string(generation);
  if (published == generation) return text + ", published";
  text += ", published is still " + std::to_string(published);
  const std::string problem = text_at(status, "problem");
  return problem.empty() ? text : text + ": " + printable(problem);
}

}  // namespace

int start_command(Context& context) {
  if (const auto server = answering(context, false)) {
    print_running(context, *server, "runs already", "");
    return 0;
  }
  const Systemctl manager(context.globals().system, context.environment());
  if (!socket_is_named(context) && manager.has_service()) {
    manager.start();
    print_running(context, wait_until_it_answers(context, nullptr, ""), "runs", "");
    return 0;
  }
  const Layout layout = context.layout();
  const Fd state = open_own_directory(layout.state, layout.system ? 0711 : 0700);
  const std::string log = layout.state + "/trustd.log";
  const Launched launched =
      launch(find_trustd(context.environment()), trustd_arguments(context), log);
  print_running(context, wait_until_it_answers(context, &launched, log), "runs", log);
  return 0;
}

int stop_command(Context& context) {
  const auto server = find_server(own_sockets(context));
  if (!server) {
    context.terminal().note("trustd does not run");
    return 0;
  }
  // A socket that a manager handed over belongs to the manager's process: the daemon itself says
  // which process it is.
  const Client client = client_for(context, *server);
  const auto pid = static_cast<pid_t>(number_at(client.get("/v1/status"), "pid"));
  if (pid <= 1) throw Error(Code::internal, "the daemon does not say which process it is");
  const Fd handle(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!handle) throw system_error("cannot find process " + std::to_string(pid), errno);

  const Systemctl manager(context.globals().system, context.environment());
  if (!socket_is_named(context) && manager.main_pid() == pid) {
    manager.stop();
  } else if (signal_process(handle.get(), SIGTERM) != 0 && errno != ESRCH) {
    if (errno == EPERM) {
      throw Error(Code::forbidden,
                  "trustd (pid " + std::to_string(pid) + ") belongs to user " +
                      std::to_string(server->uid) + "; you may not stop it",
                  context.globals().system ? "sudo trustctl stop --system" : "");
    }
    throw system_error("cannot stop process " + std::to_string(pid), errno);
  }
  pollfd ended{handle.get(), POLLIN, 0};
  const auto deadline = steady_clock::now() + kStopTimeout;
  while (true) {
    const auto left =
        std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now()).count();
    const int count = ::poll(&ended, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
    if (count > 0) break;
    if (count < 0 && errno == EINTR) continue;
    throw Error(Code::timeout, "trustd (pid " + std::to_string(pid) + ") is still running");
  }
  context.terminal().say("trustd (pid " + std::to_string(pid) + ") has stopped");
  return 0;
}

int status_command(Context& context) {
  const Json status = context.client().get("/v1/status");
  if (context.globals().json) {
    context.print_json(status);
    return 0;
  }
  const UnixTime now = system_clock_now();
  const Server& server = context.client().server();
  const StoreChoice store = context.store();
  const Json counts = status.contains("counts") ? status["counts"] : Json();
  const Json base = status.contains("base") ? status["base"] : Json();
  std::string base_text = std::to_string(number_at(counts, "base")) + " roots";
  if (!text_at(base, "source").empty()) base_text += " from " + shown(text_at(base, "source"));
  if (!text_at(base, "problem").empty()) base_text += "; " + printable(text_at(base, "problem"));
  // What is read here may be another daemon's than the one asked; then both are shown.
  const std::string published_at = text_at(status, "store");
  const bool same_store = published_at.empty() || published_at == store.directory;
  context.terminal().out(
      fields_text({{"daemon", "trustd " + shown(text_at(status, "version")) + ", pid " +
                                  std::to_string(number_at(status, "pid")) + ", user " +
                                  std::to_string(number_at(status, "uid")) + ", up " +
                                  duration_text(number_at(status, "uptime_s"))},
                   {"socket", shown(server.socket.address) + " (" + server.socket.why + ")"},
                   {"store", shown(store.directory) + " (" + store.why + ")"},
                   {"publishes at", same_store ? "" : shown(published_at)},
                   {"generation", published_text(status)},
                   {"entries", std::to_string(number_at(counts, "roots")) + " roots, " +
                                   std::to_string(number_at(counts, "leaves")) + " leaves, " +
                                   std::to_string(number_at(counts, "distrusted")) + " distrusted"},
                   {"pins", std::to_string(number_at(counts, "pins"))},
                   {"base", base_text},
                   {"next expiry", when(text_at(status, "next_expiry"), now)},
                   {"next end", when(text_at(status, "next_end"), now)},
                   {"audit head", shown(text_at(status, "audit_head"))}},
                  context.terminal()));
  return 0;
}

}  // namespace trust
