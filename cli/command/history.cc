#include "cli/command/history.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/command/entry.h"
#include "libtrust/error.h"

namespace trust {

int generations_command(Context& context, std::uint64_t most) {
  const std::uint64_t limit = std::clamp<std::uint64_t>(most, 1, 1000);
  const Json answer = context.client().get("/v1/generations", {{"limit", std::to_string(limit)}});
  if (context.globals().json) {
    context.print_json(answer);
    return 0;
  }
  Table table({"GENERATION", "AT", "WHAT", "BY"});
  for (const Json& row : array_at(answer, "generations")) {
    table.row({std::to_string(number_at(row, "number")), shown(text_at(row, "created_at")),
               shown(text_at(row, "summary")), "user " + std::to_string(number_at(row, "uid"))});
  }
  context.terminal().out(table.text(context.terminal()));
  return 0;
}

std::string difference_text(const Json& difference, const Terminal& terminal) {
  std::string text;
  const auto add = [&](const char* member, std::string_view sign, Style style, bool pins) {
    for (const Json& item : array_at(difference, member)) {
      text +=
          terminal.styled(std::string(sign) + (pins ? pin_line(item) : entry_line(item)), style);
      text += '\n';
    }
  };
  add("removed", "- ", Style::bad, false);
  add("pins_removed", "- ", Style::bad, true);
  add("added", "+ ", Style::good, false);
  add("pins_added", "+ ", Style::good, true);
  const std::uint64_t more = number_at(difference, "base_added");
  const std::uint64_t fewer = number_at(difference, "base_removed");
  if (fewer != 0) text += "- " + std::to_string(fewer) + " roots of the base\n";
  if (more != 0) text += "+ " + std::to_string(more) + " roots of the base\n";
  return text;
}

int diff_command(Context& context, const DiffArguments& arguments) {
  Parameters query;
  if (arguments.to) query.emplace_back("with", std::to_string(*arguments.to));
  const Json answer =
      context.client().get("/v1/generations/" + std::to_string(arguments.from) + "/diff", query);
  if (context.globals().json) {
    context.print_json(answer);
    return 0;
  }
  const std::string text = difference_text(answer, context.terminal());
  if (text.empty()) {
    context.terminal().note("no difference");
  } else {
    context.terminal().out(text);
  }
  return 0;
}

int rollback_command(Context& context, const RollbackArguments& arguments) {
  const std::uint64_t now = number_at(context.client().get("/v1/status"), "generation");
  if (!arguments.target && now == 0) {
    throw Error(Code::not_found, "nothing was ever changed, so there is nothing to take back");
  }
  const std::uint64_t target = arguments.target.value_or(now - 1);
  const std::string path = "/v1/generations/" + std::to_string(target) + "/rollback";
  const Json plan = context.client().post(path, {{"plan", true}});

  const std::string change = difference_text(
      plan.contains("difference") ? plan["difference"] : Json(), context.terminal());
  const Json& widens = array_at(plan, "widens");
  std::string text = "back to generation " + std::to_string(target) + ":\n";
  text += change.empty() ? "nothing would change\n" : change;
  if (!widens.empty()) {
    text += "this would trust again, or no longer pin:\n";
    for (const Json& item : widens) text += "  " + printable(text_at(item, "what")) + "\n";
  }
  const Terminal& terminal = context.terminal();
  if (!arguments.yes) {
    if (!terminal.can_ask()) {
      terminal.note(text);
      throw Error(Code::not_confirmed, "nobody is here to confirm it; nothing was changed",
                  "trustctl rollback " + std::to_string(target) + " --yes");
    }
    if (!terminal.ask(text, "roll back?")) {
      throw Error(Code::not_confirmed, "not confirmed; nothing was changed");
    }
  } else if (!context.globals().json) {
    terminal.note(text);
  }
  Json body = context.body();
  // Only what was shown is accepted: what came to it meanwhile is refused by the daemon.
  body["accept"] = array_at(plan, "accept");
  const Json answer = context.client().post(path, body);
  if (context.globals().json) {
    context.print_json(answer);
  } else {
    terminal.say("rolled back to generation " + std::to_string(target) + ", as " +
                 generation_text(answer));
  }
  return 0;
}

}  // namespace trust
