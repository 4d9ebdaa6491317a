#include "daemon/named_commands.h"

#include <unistd.h>

#include <algorithm>

#include "libtrust/error.h"

namespace trust {

NamedCommands::NamedCommands(const Config& config, Variables ordinary, std::string unit_socket)
    : ordinary_(std::move(ordinary)), unit_socket_(std::move(unit_socket)) {
  for (const HookConfig& hook : config.hooks) {
    known_.push_back(
        {CommandKind::hook, hook.name, hook.command, std::chrono::seconds(hook.time_limit_s)});
  }
  for (const SinkConfig& sink : config.sinks) {
    if (sink.type != SinkConfig::Type::exec) continue;
    known_.push_back(
        {CommandKind::sink, sink.name, sink.command, std::chrono::seconds(sink.time_limit_s)});
  }
}

bool NamedCommands::has(CommandKind kind, const std::string& name) const noexcept {
  return std::any_of(known_.begin(), known_.end(),
                     [&](const Known& known) { return known.kind == kind && known.name == name; });
}

const NamedCommands::Known& NamedCommands::find(CommandKind kind, const std::string& name) const {
  for (const Known& known : known_) {
    if (known.kind == kind && known.name == name) return known;
  }
  throw Error(Code::not_found, "trustd.toml has no " +
                                   std::string(kind == CommandKind::hook ? "hook" : "exec sink") +
                                   " named \"" + shown(name) + "\"");
}

CommandEnd NamedCommands::run(CommandKind kind, const std::string& name, const Variables& variables,
                              int stop_fd) const {
  const Known& known = find(kind, name);
  for (const auto& [variable, value] : variables) {
    if (!variable.starts_with("TRUSTD_")) {
      throw Error(Code::invalid, "\"" + shown(variable) + "\" is no variable of a command");
    }
  }
  if (!unit_socket_.empty() && ::access(unit_socket_.c_str(), F_OK) == 0) {
    return ask_hook_unit(unit_socket_, {kind, name, variables}, known.time_limit, stop_fd);
  }
  Command command;
  command.words = known.words;
  command.variables = ordinary_;
  command.variables.emplace_back(kind == CommandKind::hook ? "TRUSTD_HOOK" : "TRUSTD_SINK", name);
  command.variables.insert(command.variables.end(), variables.begin(), variables.end());
  command.time_limit = known.time_limit;
  command.stop_fd = stop_fd;
  return run_command(command);
}

std::string NamedCommands::sentence_of(CommandKind kind, const std::string& name,
                                       const CommandEnd& end) const {
  const Known& known = find(kind, name);
  Command command;
  command.words = known.words;
  command.time_limit = known.time_limit;
  return "the " + std::string(name_of(kind)) + " " + name + ": " + end.sentence(command);
}

} // namespace trust
