#include "cli/command/alerts.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/command/entry.h"
#include "cli/command/value.h"
#include "libtrust/error.h"
#include "libtrust/host.h"

namespace trust {
namespace {

Style style_of(const std::string& severity) {
  if (severity == "critical") return Style::bad;
  return severity == "warning" ? Style::warning : Style::plain;
}

bool is_number(const std::string& text) {
  return !text.empty() && text.size() <= 18 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string normal_path(const std::string& path) {
  std::string normal = std::filesystem::absolute(path).lexically_normal();
  while (normal.size() > 1 && normal.back() == '/') normal.pop_back();
  return normal;
}

// What is there is a path, and so is what looks like one; all else is a server.
bool is_path(const std::string& target) {
  struct stat status {};
  return ::stat(target.c_str(), &status) == 0 ||
         (target.find('/') != std::string::npos && !target.starts_with("https://"));
}

std::string state_text(const Json& watch) {
  const std::string state = text_at(watch, "state");
  if (state == "new") return "not looked at yet";
  if (state == "failing") return shown(text_at(watch, "problem"));
  if (text_at(watch, "kind") != "endpoint") {
    std::string text = std::to_string(number_at(watch, "certificates")) + " certificates";
    if (state == "partly") text += ", " + shown(text_at(watch, "problem"));
    return text;
  }
  const std::string code = text_at(watch, "code");
  return code == "ok" || code.empty() ? "ok" : "not trusted: " + shown(code);
}

}  // namespace

int alerts_command(Context& context, bool all) {
  Parameters query;
  if (all) query.emplace_back("all", "true");
  const Json answer = list_all(context, "/v1/alerts", "alerts", query);
  if (context.globals().json) {
    context.print_json(answer);
    return 0;
  }
  Table table({"ID", "SEVERITY", "KIND", "STATE", "WHAT"});
  for (const Json& alert : array_at(answer, "alerts")) {
    std::string state = text_at(alert, "state");
    if (state == "acknowledged" && !text_at(alert, "acknowledged_until").empty()) {
      state += " until " + text_at(alert, "acknowledged_until").substr(0, 10);
    }
    const std::string severity = text_at(alert, "severity");
    table.row({std::to_string(number_at(alert, "id")), Cell(severity, style_of(severity)),
               text_at(alert, "kind"), state, printable(text_at(alert, "summary"))});
  }
  if (table.empty()) {
    context.terminal().note(all ? "there was never an alert" : "no alerts");
  } else {
    context.terminal().out(table.text(context.terminal()));
  }
  return 0;
}

int alerts_ack_command(Context& context, const AckArguments& arguments) {
  if (!is_number(arguments.id)) {
    throw Error(Code::usage, shown(arguments.id) + " is no number of an alert", "trustctl alerts");
  }
  Json body = context.body();
  if (const auto end = end_from(arguments.duration, arguments.until, system_clock_now())) {
    body["until"] = rfc3339(*end);
  }
  const Json answer = context.client().post("/v1/alerts/" + arguments.id + "/ack", body);
  if (context.globals().json) {
    context.print_json(answer);
    return 0;
  }
  const Json alert = answer.value("alert", Json::object());
  const std::string until = text_at(alert, "acknowledged_until");
  context.terminal().say("acknowledged " +
                         (until.empty() ? "until it is resolved" : "until " + until) + ": " +
                         printable(text_at(alert, "summary")));
  return 0;
}

int watch_add_command(Context& context, const std::string& target) {
  Json body = context.body();
  if (is_path(target)) {
    const std::string path = normal_path(target);
    struct stat status {};
    const bool directory = ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
    body[directory ? "directory" : "file"] = path;
  } else {
    body["endpoint"] = said([&] { return Endpoint::parse(target, 443); }).text();
  }
  const Json answer = context.client().post("/v1/watches", body);
  if (context.globals().json) {
    context.print_json(answer);
    return 0;
  }
  const Json watch = answer.value("watch", Json::object());
  context.terminal().say("watching " + printable(text_at(watch, "target")) + " (watch " +
                         std::to_string(number_at(watch, "id")) + ")");
  return 0;
}

int watch_list_command(Context& context) {
  const Json answer = list_all(context, "/v1/watches", "watches", {});
  if (context.globals().json) {
    context.print_json(answer);
    return 0;
  }
  const UnixTime now = system_clock_now();
  Table table({"ID", "KIND", "ENDS", "WHAT", "STATE"});
  for (const Json& watch : array_at(answer, "watches")) {
    const std::string state = text_at(watch, "state");
    table.row({std::to_string(number_at(watch, "id")), text_at(watch, "kind"),
               when(text_at(watch, "ends_at"), now), printable(text_at(watch, "target")),
               Cell(state_text(watch), state == "failing" ? Style::bad : Style::plain)});
  }
  if (table.empty()) {
    context.terminal().note("nothing is watched but what is in the store");
  } else {
    context.terminal().out(table.text(context.terminal()));
  }
  return 0;
}

int watch_remove_command(Context& context, const std::string& what) {
  std::string id = what;
  if (!is_number(what)) {
    const std::string wanted =
        is_path(what) ? normal_path(what) : said([&] { return Endpoint::parse(what, 443); }).text();
    const Json all = list_all(context, "/v1/watches", "watches", {});
    const Json& watches = array_at(all, "watches");
    const auto found = std::find_if(watches.begin(), watches.end(), [&](const Json& watch) {
      return text_at(watch, "target") == wanted;
    });
    if (found == watches.end()) {
      throw Error(Code::not_found, shown(wanted) + " is not watched", "trustctl watch list");
    }
    id = std::to_string(number_at(*found, "id"));
  }
  Parameters query;
  if (!context.globals().reason.empty()) query.emplace_back("reason", context.globals().reason);
  const Json answer = context.client().remove("/v1/watches/" + id, query);
  if (context.globals().json) {
    context.print_json(answer);
  } else {
    context.terminal().say("no longer watched: " + printable(what));
  }
  return 0;
}

}  // namespace trust
