#pragma once
// The commands of trustd.toml, by their names: hooks that follow a renewal, and sinks of type
// "exec". A value that never changes; any thread.

#include <string>

#include "daemon/command.h"
#include "daemon/config.h"
#include "daemon/hook_unit.h"

namespace trust {

// The socket of trustd-hook@.service.
inline constexpr const char* kHookSocket = "/run/trustd-hook.sock";

class NamedCommands {
 public:
  // `unit_socket`: run them through that unit if the socket is there, else (and if it is "") as a
  // child of this process.
  NamedCommands(const Config& config, Variables ordinary, std::string unit_socket);

  bool has(CommandKind kind, const std::string& name) const noexcept;

  // Waits for the command. It sees the ordinary variables, TRUSTD_HOOK or TRUSTD_SINK with its
  // name, and `variables`, whose names begin with TRUSTD_. A failure of the command is a value, see
  // `sentence_of`; Error{not_found} if trustd.toml has no such command, else as run_command and
  // ask_hook_unit.
  CommandEnd run(CommandKind kind, const std::string& name, const Variables& variables,
                 int stop_fd = -1) const;

  // "the hook reload: /usr/bin/systemctl ended with status 5: Unit nginx.service not loaded."
  std::string sentence_of(CommandKind kind, const std::string& name, const CommandEnd& end) const;

 private:
  struct Known {
    CommandKind kind;
    std::string name;
    std::vector<std::string> words;
    std::chrono::milliseconds time_limit;
  };
  const Known& find(CommandKind kind, const std::string& name) const;

  std::vector<Known> known_;
  Variables ordinary_;
  std::string unit_socket_;
};

} // namespace trust
