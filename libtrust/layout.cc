#include "libtrust/layout.h"

#include <pwd.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "libtrust/error.h"

namespace trust {
namespace {

constexpr std::string_view kMachineState = "/var/lib/trustd";
constexpr std::string_view kMachineSocket = "/run/trustd/trustd.sock";
constexpr std::string_view kMachineConfig = "/etc/trustd/trustd.toml";
constexpr std::string_view kSocketName = "trustd.sock";

bool is_privileged() noexcept { return ::getauxval(AT_SECURE) != 0; }

std::string joined(std::string_view directory, std::string_view name) {
  std::string path(directory);
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  if (path.empty() || path.back() != '/') path += '/';
  path += name;
  return path;
}

// A directory that a variable names; none if it is not set.
std::optional<std::string> directory_in(const Environment& environment, std::string_view variable) {
  std::optional<std::string> value = environment(variable);
  if (!value) return std::nullopt;
  if (value->front() != '/') {
    throw Error(Code::invalid, std::string(variable) + " is not an absolute path: " + shown(*value),
                "unset " + std::string(variable));
  }
  return value;
}

std::string home_directory(const Environment& environment) {
  if (std::optional<std::string> home = directory_in(environment, "HOME")) return *home;
  long suggested = ::sysconf(_SC_GETPW_R_SIZE_MAX);
  std::vector<char> buffer(suggested > 0 ? static_cast<std::size_t>(suggested) : 1024);
  passwd entry{};
  passwd* found = nullptr;
  int result = 0;
  while ((result = ::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found)) ==
             ERANGE &&
         buffer.size() < (1U << 20)) {
    buffer.resize(buffer.size() * 2);
  }
  if (result != 0) throw system_error("cannot read the password database", result);
  if (found == nullptr || found->pw_dir == nullptr || found->pw_dir[0] != '/') {
    throw Error(Code::invalid,
                "HOME is not set and user " + std::to_string(::geteuid()) +
                    " has no home directory in the password database",
                "export HOME=DIRECTORY");
  }
  return found->pw_dir;
}

std::string user_state(const Environment& environment) {
  if (std::optional<std::string> state = directory_in(environment, "XDG_STATE_HOME")) {
    return joined(*state, "trustd");
  }
  return joined(home_directory(environment), ".local/state/trustd");
}

// The runtime directory of a login session belongs to the user; one that `su` or `sudo -E`
// left behind is somebody else's, and one that a container only names is not there.
bool is_own_directory(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode) &&
         status.st_uid == ::geteuid();
}

// What cannot be looked at exists: it must not be passed over in silence.
bool has_current(const std::string& store) {
  struct stat status {};
  if (::lstat(joined(store, "current").c_str(), &status) == 0) return true;
  return errno != ENOENT && errno != ENOTDIR;
}

Layout with_state(std::string state) {
  Layout layout;
  layout.database = joined(state, "trustd.db");
  layout.keys = joined(state, "keys");
  layout.token = joined(state, "token");
  layout.store = joined(state, "public");
  layout.socket = joined(state, kSocketName);
  layout.state = std::move(state);
  return layout;
}

}  // namespace

Environment process_environment() {
  if (is_privileged()) return [](std::string_view) { return std::optional<std::string>(); };
  return [](std::string_view name) -> std::optional<std::string> {
    const char* value = std::getenv(std::string(name).c_str());
    if (value == nullptr || *value == '\0') return std::nullopt;
    return value;
  };
}

Layout Layout::user(const Environment& environment) {
  Layout layout = with_state(user_state(environment));
  const auto runtime = directory_in(environment, "XDG_RUNTIME_DIR");
  if (runtime && is_own_directory(*runtime)) {
    layout.socket = joined(joined(*runtime, "trustd"), kSocketName);
  }
  const auto configuration = directory_in(environment, "XDG_CONFIG_HOME");
  layout.config = configuration ? joined(*configuration, "trustd/trustd.toml")
                                : joined(home_directory(environment), ".config/trustd/trustd.toml");
  return layout;
}

Layout Layout::machine() {
  Layout layout = with_state(std::string(kMachineState));
  layout.system = true;
  layout.socket = kMachineSocket;
  layout.config = kMachineConfig;
  return layout;
}

Layout Layout::at_state(const Layout& base, const std::string& state) {
  Layout layout = with_state(state);
  layout.system = base.system;
  layout.config = base.config;
  return layout;
}

StoreChoice choose_store(const std::optional<std::string>& option, const Environment& environment,
                         bool system) {
  if (option) return {*option, "--store"};
  const Layout machine = Layout::machine();
  if (system || is_privileged()) return {machine.store, "the machine's store"};
  if (const auto named = environment("TRUSTD_STORE")) return {*named, "TRUSTD_STORE"};
  const std::string own = joined(user_state(environment), "public");
  if (has_current(own)) return {own, "the user's store"};
  return {machine.store, "the machine's store"};
}

std::vector<SocketCandidate> socket_candidates(const std::optional<std::string>& option,
                                               const Environment& environment, bool system) {
  if (option) return {{*option, "--socket"}};
  const SocketCandidate machine{std::string(kMachineSocket), "the machine's daemon"};
  if (system || is_privileged()) return {machine};
  if (const auto named = environment("TRUSTD_SOCKET")) return {{*named, "TRUSTD_SOCKET"}};
  std::vector<SocketCandidate> candidates;
  if (const auto runtime = directory_in(environment, "XDG_RUNTIME_DIR")) {
    candidates.push_back({joined(joined(*runtime, "trustd"), kSocketName), "XDG_RUNTIME_DIR"});
  }
  candidates.push_back({joined(user_state(environment), kSocketName), "the user's state"});
  candidates.push_back(machine);
  return candidates;
}

}  // namespace trust
