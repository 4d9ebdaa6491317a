#pragma once
// Runs a program that trustd.toml names: never through a shell, never one that a request names.
//
// What it runs with: the variables that are given and no others, `/` as its directory, nothing on
// standard input, standard output and error kept (bounded) for the log, no other descriptor, a
// session of its own without a terminal, default signal handling, no core files and the umask 077.
// It and whatever it left running in its session's first process group are killed when it is out
// of time, when `stop` says so, and when it has ended: a command that wants something to go on
// asks the service manager for it.
//
// Threads: any; each call stands alone and waits for its command.

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libtrust/layout.h"

namespace trust {

using Variables = std::vector<std::pair<std::string, std::string>>;

inline constexpr std::chrono::milliseconds kCommandTime{30'000};
inline constexpr std::size_t kKeptOutputBytes = 4096;

struct Command {
  std::vector<std::string> words; // a program's absolute path, and its arguments
  Variables variables;            // the whole environment
  std::chrono::milliseconds time_limit = kCommandTime;
  int stop_fd = -1; // readable or hung up: end it now; the caller's
};

struct CommandEnd {
  enum class How { exited, signalled, out_of_time, stopped, not_started };

  How how = How::not_started;
  int number = 0;     // of `exited` the status, of `signalled` the signal, of `not_started` errno
  std::string output; // the last of what it wrote, kKeptOutputBytes at most; anything at all

  bool succeeded() const noexcept { return how == How::exited && number == 0; }
  // "/usr/bin/deploy ended with status 3: no such host", with the last line that it wrote, fit to
  // be shown.
  std::string sentence(const Command& command) const;
};

// A failure of the command is a value. Error{invalid} for words or variables that cannot be
// passed on (no absolute path, a NUL, a "=" in a name, more than the system takes), Error{io} when
// the system gives no descriptor or process.
CommandEnd run_command(const Command& command);

// PATH, LANG and who the process is: HOME, USER, LOGNAME and SHELL of the password database, and
// what leads to the user's own service manager and message bus (XDG_RUNTIME_DIR,
// DBUS_SESSION_BUS_ADDRESS) if `environment` has it.
Variables ordinary_variables(const Environment& environment);

} // namespace trust
