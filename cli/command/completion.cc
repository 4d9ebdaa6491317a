#include "cli/command/completion.h"

#include <completion_scripts.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/client.h"
#include "cli/command/entry.h"
#include "libtrust/error.h"
#include "libtrust/snapshot.h"

namespace trust {
namespace {

constexpr std::size_t kMostOffers = 1000;
constexpr std::int64_t kPatience_ms = 1'000; // somebody waits at a prompt
constexpr std::string_view kFiles = ":files";
constexpr std::string_view kCommands = ":commands";

// What a value is offered by what the manual calls it.
void offer_value(std::string_view name, const std::vector<std::string>& choices,
                 std::string_view prefix, const Offers& offers, std::vector<std::string>& result) {
  const auto add = [&](const std::vector<std::string>& values) {
    for (const std::string& value : values) {
      if (value.starts_with(prefix)) result.push_back(value);
    }
  };
  const auto names = [name](std::string_view part) {
    return name.find(part) != std::string_view::npos;
  };
  add(choices);
  if (names("ID") || names("LABEL")) add(offers.labels(prefix));
  if (names("HOST") || names("PATTERN") || names("SOURCE")) add(offers.hosts(prefix));
  if (names("SINK")) add(offers.sinks(prefix));
  if (names("FILE") || names("DIR") || names("SOURCE") || names("SOCKET")) {
    result.emplace_back(kFiles);
  }
  if (names("CMD")) result.emplace_back(kCommands);
}

void offer_options(const Command& command, std::string_view prefix,
                   std::vector<std::string>& result) {
  for (const CommandOption& option : command.options) {
    for (const std::string& name : option.names) {
      if (name.starts_with("--") && name.starts_with(prefix)) result.push_back(name);
    }
  }
}

}  // namespace

int completion_command(Context& context, const std::string& shell) {
  std::string_view script = kBashCompletion;
  if (shell == "zsh") script = kZshCompletion;
  if (shell == "fish") script = kFishCompletion;
  context.terminal().out(script);
  return 0;
}

std::vector<std::string> candidates(const Command& root, const std::vector<std::string>& words,
                                    const Offers& offers) {
  std::vector<std::string> result;
  const std::string_view last = words.empty() ? std::string_view() : words.back();
  const Command* command = &root;
  const CommandOption* wants_value = nullptr;
  std::size_t arguments = 0;
  bool only_arguments = false;
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    const std::string& word = words[i];
    if (wants_value != nullptr) {
      wants_value = nullptr;
    } else if (!only_arguments && word == "--") {
      only_arguments = true;
    } else if (!only_arguments && word.starts_with('-')) {
      const CommandOption* option = command->option(word);
      if (option == nullptr) option = root.option(word);
      if (option != nullptr && !option->value.empty()) wants_value = option;
    } else if (const Command* child = command->find(word); child != nullptr && arguments == 0) {
      command = child;
    } else {
      ++arguments;
    }
    // What follows a command to run is that command's.
    if (command->name == "run" && arguments > 0) return {std::string(kCommands)};
  }

  if (wants_value != nullptr) {
    offer_value(wants_value->value, wants_value->choices, last, offers, result);
  } else if (!only_arguments && last.starts_with('-')) {
    const std::size_t equals = last.find('=');
    if (equals == std::string_view::npos) {
      offer_options(*command, last, result);
      if (command != &root) offer_options(root, last, result);
    }
  } else if (!command->commands.empty()) {
    for (const Command& child : command->commands) {
      if (child.name.starts_with(last)) result.push_back(child.name);
    }
  } else if (!command->arguments.empty()) {
    const std::size_t index = std::min(arguments, command->arguments.size() - 1);
    const CommandArgument& argument = command->arguments[index];
    if (arguments < command->arguments.size() || argument.repeated) {
      offer_value(argument.name, argument.choices, last, offers, result);
    }
  }
  std::sort(result.begin(), result.end());
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

int complete_command(Context& context, const Command& root, const std::vector<std::string>& words) {
  std::optional<Snapshot> snapshot;
  const auto from_store = [&](auto&& read) -> std::vector<std::string> {
    try {
      if (!snapshot) snapshot.emplace(Snapshot::open(context.store().directory));
      return read(*snapshot);
    } catch (const Error&) {
      return {};
    }
  };
  Offers offers;
  offers.labels = [&](std::string_view prefix) {
    return from_store([&](const Snapshot& s) { return s.labels(prefix, kMostOffers); });
  };
  offers.hosts = [&](std::string_view prefix) {
    return from_store([&](const Snapshot& s) { return s.hosts(prefix, kMostOffers); });
  };
  offers.sinks = [&](std::string_view) {
    std::vector<std::string> found;
    try {
      ClientSettings settings = context.client_settings();
      settings.timeout_ms = kPatience_ms;
      const Json answer = Client(std::move(settings)).get("/v1/sinks");
      for (const Json& sink : array_at(answer, "sinks")) found.push_back(text_at(sink, "name"));
    } catch (const Error&) {
      found.clear(); // no daemon, or not for this caller
    }
    return found;
  };
  for (const std::string& candidate : candidates(root, words, offers)) {
    context.terminal().line(candidate);
  }
  return 0;
}

}  // namespace trust
