#pragma once
// The machine's daemon does not run hooks beside itself: it asks a socket of the service manager,
// which starts trustd-hook@.service for each, with a user and a sandbox of its own. What is asked
// for is a name; the command stands in trustd.toml, which both read. One connection is one command:
// a line of JSON each way, and hanging up ends the command.
//
//   {"kind":"hook","name":"reload","variables":{"TRUSTD_LABEL":"dev"}}
//   {"how":"exited","number":0,"output":"…"}, or problem details

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "daemon/command.h"

namespace trust {

inline constexpr std::size_t kMostRequestBytes = std::size_t{1} << 20;

enum class CommandKind { hook, sink };
std::string_view name_of(CommandKind kind) noexcept; // "hook"

struct NamedCommand {
  CommandKind kind = CommandKind::hook;
  std::string name;
  Variables variables; // each name begins with TRUSTD_
};

// Asks at `socket`, whose listener must be root or the effective user, and waits: for the
// connection a few seconds, for the answer `time_limit` and some more, or until `stop_fd` can be
// read. Error{io, timeout, store_access} when no answer came; the errors of the other end.
CommandEnd ask_hook_unit(const std::string& socket, const NamedCommand& wanted,
                         std::chrono::milliseconds time_limit, int stop_fd);

// The other end: reads one request of a connection, runs it, answers. `run` gets a descriptor that
// is readable when the other end hung up. Whatever `run` throws is answered. False when there was
// nobody to answer or nothing that can be read.
bool answer_hook_request(
    int connection, const std::function<CommandEnd(const NamedCommand& wanted, int stop_fd)>& run);

} // namespace trust
