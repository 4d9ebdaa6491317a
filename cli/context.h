#pragma once
// What every command works with: the global options, the environment, the terminal, the published
// store and, for those that need it, the daemon. One per process; one thread.

#include <optional>
#include <string>

#include "cli/client.h"
#include "cli/terminal.h"
#include "libtrust/layout.h"

namespace trust {

struct Globals {
  bool json = false;
  bool quiet = false;
  bool no_color = false;
  bool system = false;
  std::optional<std::string> socket;
  std::optional<std::string> store;
  std::string reason;
};

class Context {
 public:
  Context(Globals globals, Environment environment);

  const Globals& globals() const noexcept { return globals_; }
  const Environment& environment() const noexcept { return environment_; }
  const Terminal& terminal() const noexcept { return terminal_; }

  // Where the daemon that this call means keeps its things.
  Layout layout() const;
  std::vector<SocketCandidate> sockets() const;
  ClientSettings client_settings() const;
  // Connected at the first use. Error{no_daemon}, Error{forbidden}.
  const Client& client();

  StoreChoice store() const;
  // The same, absolute and with something published. Error{store_missing} if there is nothing.
  StoreChoice published_store() const;

  // On one line. What came from outside stands there as JSON's own escapes, whatever a terminal
  // would do with it.
  void print_json(const Json& json) const;

  // {"reason": …} if one was given.
  Json body() const;

 private:
  Globals globals_;
  Environment environment_;
  Terminal terminal_;
  std::optional<Client> client_;
};

}  // namespace trust
