// trustd: reads its configuration, takes its state, serves until it is told to stop.

#include <malloc.h>
#include <spdlog/spdlog.h>
#include <sqlite3.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "daemon/alerts.h"
#include "daemon/application.h"
#include "daemon/attendant.h"
#include "daemon/auth.h"
#include "daemon/changes.h"
#include "daemon/config.h"
#include "daemon/decoder.h"
#include "daemon/endpoints.h"
#include "daemon/expiry.h"
#include "daemon/files.h"
#include "daemon/front.h"
#include "daemon/identities.h"
#include "daemon/instance_lock.h"
#include "daemon/listener.h"
#include "daemon/logging.h"
#include "daemon/named_commands.h"
#include "daemon/published_watch.h"
#include "daemon/readers.h"
#include "daemon/renewals.h"
#include "daemon/report_receiver.h"
#include "daemon/scheduler.h"
#include "daemon/server_look.h"
#include "daemon/service.h"
#include "daemon/sinks/sinks.h"
#include "daemon/token.h"
#include "libtrust/error.h"
#include "libtrust/file.h"
#include "libtrust/handles.h"
#include "libtrust/layout.h"
#include "libtrust/publish.h"
#include "libtrust/report.h"
#include "libtrust/store.h"

namespace trust {
namespace {

struct Options {
  bool system = false;
  std::string state;
  std::string socket;
  std::string listen;
  std::string config;
  bool run_hook = false;
};

std::string absolute(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal();
}

Layout layout_of(const Options& options) {
  Layout layout = options.system ? Layout::machine() : Layout::user(process_environment());
  if (!options.state.empty()) layout = Layout::at_state(layout, absolute(options.state));
  if (!options.socket.empty()) layout.socket = absolute(options.socket);
  if (!options.config.empty()) layout.config = absolute(options.config);
  return layout;
}

// Keys and decisions stay out of core files, and out of the hands of the user's other programs.
void keep_memory_private() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
#if !defined(__SANITIZE_ADDRESS__)
  ::prctl(PR_SET_DUMPABLE, 0);
#endif
}

// SQLite counts what it allocates, under one lock for all threads: nobody asks for the figures.
void let_sqlite_allocate_freely() { ::sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); }

std::vector<Listener> listeners_of(const Layout& layout, const Config& config) {
  std::vector<Listener> listeners = listeners_from_manager();
  bool tcp = false;
  bool unix_socket = false;
  for (const Listener& listener : listeners) {
    (listener.unix_socket() ? unix_socket : tcp) = true;
  }
  if (!unix_socket) {
    // The machine's socket is for members of `trust`, as far as we may hand it to them.
    std::optional<gid_t> group;
    const auto members = layout.system ? trust_group() : std::nullopt;
    if (members && (::geteuid() == 0 || ::getegid() == *members)) group = members;
    listeners.push_back(listen_unix(layout.socket, config.listen.socket_mode, group));
  }
  if (!tcp && !config.listen.tcp.empty()) listeners.push_back(listen_tcp(config.listen.tcp));
  return listeners;
}

FrontLimits front_limits_of(const Config& config) {
  FrontLimits limits;
  limits.request = std::chrono::seconds(config.limits.request_timeout_s);
  limits.connections = config.limits.connections;
  limits.connections_per_uid = config.limits.connections_per_user;
  limits.workers = config.limits.workers;
  return limits;
}

// Programs need no reports to be safe, so the daemon serves without them too.
// What is reported is told, and looked at: only what this daemon sees itself becomes an alert.
std::optional<ReportReceiver> reports_to(Changes& changes, Endpoints& endpoints,
                                         const std::string& socket) {
  try {
    return std::optional<ReportReceiver>(
        std::in_place, report_socket(socket), system_clock_now,
        [&changes, &endpoints](const Json& data) {
          changes.submit(
              [text = data.dump()](Store& store) {
                store.tell_subscribers("pin_mismatch_reported", text);
              },
              nullptr);
          endpoints.suspect(
              {Host::parse(data.at("host").get<std::string>()), data.at("port").get<Port>()});
        });
  } catch (const Error& error) {
    spdlog::warn("no program can report a pin that does not match: {}", error.message());
    return std::nullopt;
  }
}

std::string names_of(const std::vector<Listener>& listeners) {
  std::string names;
  for (const Listener& listener : listeners) names += (names.empty() ? "" : ", ") + listener.name();
  return names;
}

void serve(const Options& options) {
  ::umask(077);
  // Threads that wait need no heap of their own; one for all would be waited for when much is
  // changed at once.
  ::mallopt(M_ARENA_MAX, 4);
  ::mallopt(M_TOP_PAD, 512 * 1024);
  keep_memory_private();
  let_sqlite_allocate_freely();
  Attendant::block_signals();
  set_up_logging();

  const Layout layout = layout_of(options);
  Config config = Config::read(layout.config);
  if (!options.listen.empty()) {
    config.listen.tcp = options.listen;
  }
  open_own_directory(layout.state, layout.system ? 0711 : 0700);
  const InstanceLock lock(layout.state);
  Token::remove_stale(layout.state);

  Store store = Store::open(layout.database, system_clock_now);
  PublishSettings publishing;
  publishing.directory = layout.store;
  publishing.keep_generations = config.store.keep_generations;
  publishing.system = layout.system;
  auto publisher = std::make_unique<Publisher>(publishing);

  Changes::Settings changing;
  changing.base = config.store.base;
  changing.system = layout.system;
  changing.most_waiting = config.limits.waiting_changes;
  std::atomic<Front*> serving{nullptr};
  std::atomic<Scheduler*> scheduling{nullptr};
  std::atomic<Files*> watching{nullptr};
  std::atomic<Sinks*> telling{nullptr};
  const auto wake_scheduler = [&scheduling] {
    if (Scheduler* awake = scheduling.load()) awake->wake();
  };
  Changes changes(changing, system_clock_now, std::move(store), std::move(publisher), [&] {
    if (Front* front = serving.load()) front->wake_streams();
    wake_scheduler();
    if (Files* awake = watching.load()) awake->wake();
    if (Sinks* awake = telling.load()) awake->wake();
  });
  Readers readers(layout.database, system_clock_now);
  Expiry expiry(changes, readers, config.expiry.thresholds, layout.store + "/current");
  Endpoints::Settings probing;
  probing.interval_s = config.expiry.probe_interval_s;
  const Fd stopping(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stopping) throw system_error("no descriptor to end the daemon by", errno);
  Endpoints endpoints(probing, system_clock_now, changes, readers,
                      ServerLook(layout.store, stopping.get()), wake_scheduler);
  Scheduler scheduler(system_clock_now, {&expiry, &endpoints});
  Files files({}, changes, readers, wake_scheduler);
  PublishedWatch published_watch({}, layout.store, changes);
  const NamedCommands commands(config, ordinary_variables(process_environment()),
                               layout.system ? kHookSocket : "");
  Sinks sinks(config, layout.system, layout.store, commands, changes, readers, {});
  telling = &sinks;

  std::vector<Listener> listeners = listeners_of(layout, config);
  std::optional<Token> token;
  std::string socket_path;
  for (const Listener& listener : listeners) {
    if (listener.unix_socket() && socket_path.empty()) socket_path = listener.name();
    if (!listener.unix_socket() && !token) token.emplace(layout.state);
  }
  Rights rights{::geteuid(), trust_group(), token ? token->text() : std::string(),
                config.listen.tcp_write};
  Service service(config, layout, std::move(rights), system_clock_now, changes, readers);
  Identities identities(layout, system_clock_now, readers);
  const auto run_named_hook = [&commands](const std::string& hook, const Variables& variables,
                                          int stop_fd) -> std::optional<std::string> {
    const CommandEnd end = commands.run(CommandKind::hook, hook, variables, stop_fd);
    if (end.succeeded()) return std::nullopt;
    return commands.sentence_of(CommandKind::hook, hook, end);
  };
  Renewals renewals(identities, changes, readers, system_clock_now,
                    {run_named_hook,
                     [&changes](const std::string& cause, Alert alert) {
                       raise_alert(changes, cause, std::move(alert));
                     },
                     [&changes](const std::string& cause) { settle_alert(changes, cause); }});
  service.identities = &identities;
  service.renewals = &renewals;
  RestApplication application(service);
  const std::string where = names_of(listeners);
  Front front(application, std::move(listeners), front_limits_of(config));
  service.front_counts = [&front] { return front.counts(); };
  const auto reports = reports_to(changes, endpoints, layout.socket);
  if (reports) service.report_counts = [&reports] { return reports->counts(); };
  service.sinks = &sinks;
  service.stop_fd = stopping.get();
  serving = &front;
  scheduling = &scheduler;
  scheduler.start();
  watching = &files;
  files.start();
  published_watch.start();

  const std::string ready = "trustd " TRUST_VERSION " ready at " + where + ", store " +
                            layout.store + ", generation " + std::to_string(changes.generation());
  std::cout << ready << std::endl;
  {
    const Attendant attendant(
        [&front, &renewals, &sinks, &stopping] {
          // Nothing that is answered may wait for servers, receivers and commands of others.
          ::eventfd_write(stopping.get(), 1);
          renewals.hurry();
          sinks.hurry();
          front.stop();
        },
        [&socket_path] { return socket_path.empty() || answers(socket_path); },
        "Serving at " + where);
    renewals.start();
    front.run();
  }
  watching = nullptr;
  // First, so that nobody below waits for a change which waits for room to be published.
  changes.stop();
  published_watch.stop();
  files.stop();
  endpoints.stop();
  scheduling = nullptr;
  scheduler.stop();
  serving = nullptr;
  renewals.stop();
  sinks.stop();
  spdlog::info("stopped at generation {} (audit head {})", changes.generation(),
               changes.status().audit_head);
}

// What trustd-hook@.service does: one command, for the connection on standard input.
void run_hook(const Options& options) {
  keep_memory_private();
  set_up_logging();
  std::signal(SIGPIPE, SIG_IGN);
  const std::string path = options.config.empty() ? Layout::machine().config : options.config;
  answer_hook_request(STDIN_FILENO, [&path](const NamedCommand& wanted, int stop_fd) {
    const NamedCommands commands(Config::read(path), ordinary_variables(process_environment()), "");
    const CommandEnd end = commands.run(wanted.kind, wanted.name, wanted.variables, stop_fd);
    const std::string sentence = commands.sentence_of(wanted.kind, wanted.name, end);
    if (end.succeeded()) {
      spdlog::info("{}", sentence);
    } else {
      spdlog::warn("{}", sentence);
    }
    return end;
  });
}

int run(int argc, char** argv) {
  CLI::App app("trustd decides what this machine trusts, and publishes it for every program");
  Options options;
  app.add_flag("--system", options.system, "Serve the machine, not this user");
  app.add_option("--state", options.state, "Keep the database and what is published in DIR")
      ->type_name("DIR");
  app.add_option("--socket", options.socket, "Listen at this UNIX socket")->type_name("PATH");
  app.add_option("--listen", options.listen, "Listen at the loopback too")
      ->type_name("127.0.0.1:PORT");
  app.add_option("--config", options.config, "Read this trustd.toml")->type_name("FILE");
  app.add_flag("--run-hook", options.run_hook,
               "Run one hook or exec sink, for the connection on standard input, and end");
  app.set_version_flag("--version", "trustd " TRUST_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int status = app.exit(error);
    return status == 0 ? 0 : facts(Code::usage).exit_status;
  }
  try {
    if (options.run_hook) {
      run_hook(options);
    } else {
      serve(options);
    }
    return 0;
  } catch (const Error& error) {
    std::cerr << "trustd: " << error.message() << '\n';
    if (!error.hint().empty()) std::cerr << "hint: " << error.hint() << '\n';
    return facts(error.code()).exit_status;
  } catch (const std::exception& error) {
    std::cerr << "trustd: " << error.what() << '\n';
    return 1;
  }
}

} // namespace
} // namespace trust

int main(int argc, char** argv) {
  // The process without rights, before anything else that this program does.
  if (argc == 2 && std::strcmp(argv[1], trust::kDecoderArgument) == 0) {
    return trust::decoder_main();
  }
  return trust::run(argc, argv);
}
