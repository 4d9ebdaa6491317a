#pragma once
// Where things are: the places of interfaces.md, for the user's and the machine's store, from
// the environment given as a parameter. Pure but for look-ups of what exists.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace trust {

// Looks up an environment variable; none if unset or empty.
using Environment = std::function<std::optional<std::string>(std::string_view name)>;

// getenv, or, in a privileged process (AT_SECURE), nothing at all.
Environment process_environment();

struct Layout {
  bool system = false;
  std::string state;    // directory, 0700 (system: 0711)
  std::string database; // <state>/trustd.db
  std::string keys;     // <state>/keys, 0700
  std::string token;    // <state>/token
  std::string store;    // <state>/public, the directory that holds `current`
  std::string socket;   // where the daemon listens
  std::string config;   // trustd.toml

  // HOME comes from the environment, else from the password database. Error{invalid} for a
  // relative HOME or XDG_*_HOME.
  static Layout user(const Environment& environment);
  static Layout machine();
  // The same with another state directory: the socket is then <state>/trustd.sock.
  static Layout at_state(const Layout& base, const std::string& state);
};

// Which published store a reader uses, and why (for `status`).
struct StoreChoice {
  std::string directory; // holds `current`
  std::string why;       // "--store", "TRUSTD_STORE", "the user's store", "the machine's store"
};

// The option, else $TRUSTD_STORE, else the user's if it has `current`, else the machine's.
// One that exists but cannot be used is the answer all the same: opening it says why not.
// `system` asks for the machine's alone.
StoreChoice choose_store(const std::optional<std::string>& option, const Environment& environment,
                         bool system);

struct SocketCandidate {
  std::string address; // a path, or "http://127.0.0.1:PORT"
  std::string why;     // as above
};

// The sockets a client tries, in order; with the option or $TRUSTD_SOCKET exactly one.
std::vector<SocketCandidate> socket_candidates(const std::optional<std::string>& option,
                                               const Environment& environment, bool system);

} // namespace trust
