#include "cli/command/pin.h"

#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "cli/command/entry.h"
#include "cli/command/input.h"
#include "cli/command/value.h"
#include "libtrust/dial.h"
#include "libtrust/error.h"
#include "libtrust/host.h"
#include "libtrust/pin.h"

namespace trust {
namespace {

bool exists(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0;
}

// The key of what a file holds first or a server presents. A pin only narrows, so that nobody
// vouches for the server is no harm.
Pin pin_from(const Context& context, const std::string& source) {
  if (exists(source)) {
    const Input input = read_input(context, source);
    if (input.certificates.empty()) {
      throw Error(Code::invalid, "no certificate in " + shown(source));
    }
    return Pin::of(input.certificates.front());
  }
  return Pin::of(dial(said([&] { return Endpoint::parse(source, 443); })).chain.front());
}

Pin pin_of_stored_leaf(Context& context, const PortPattern& pattern) {
  const std::string host = pattern.pattern.base().text();
  const Json answer =
      list_all(context, "/v1/certificates", "certificates", {{"host", host}, {"trust", "leaf"}});
  const Json& entries = array_at(answer, "certificates");
  if (entries.empty()) {
    const std::string port = std::to_string(pattern.port == 0 ? 443 : pattern.port);
    throw Error(Code::not_found, "no leaf is stored for " + host + " whose key could be pinned",
                "trustctl pin add " + shell_word(pattern.text()) + " --from " + host + ":" + port);
  }
  if (entries.size() > 1) {
    std::string both;
    for (const Json& entry : entries) both += (both.empty() ? "" : ", ") + entry_line(entry);
    throw Error(Code::conflict, "more than one leaf is stored for " + host + ": " + both,
                "trustctl pin add " + shell_word(pattern.text()) + " PIN");
  }
  return Pin::parse(text_at(entries.front(), "pin"));
}

Json pins_request(const Context& context, const PinAddArguments& arguments,
                  const std::vector<std::string>& pins, const char* role) {
  Json body = context.body();
  body["pattern"] = arguments.pattern;
  body["pins"] = pins;
  body["role"] = role;
  body["mode"] = arguments.report_only ? "report" : "enforce";
  body["position"] = arguments.leaf_only ? "leaf" : "path";
  if (const auto end = end_from(arguments.duration, arguments.until, system_clock_now())) {
    body["expires_at"] = rfc3339(*end);
  }
  return body;
}

}  // namespace

int pin_add_command(Context& context, const PinAddArguments& arguments) {
  const PortPattern pattern = said([&] { return PortPattern::parse(arguments.pattern); });
  std::vector<std::string> pins;
  for (const std::string& pin : arguments.pins)
    pins.push_back(said([&] { return Pin::parse(pin); }).text());
  std::vector<std::string> backups;
  for (const std::string& pin : arguments.backups)
    backups.push_back(said([&] { return Pin::parse(pin); }).text());
  if (!arguments.from.empty()) pins.push_back(pin_from(context, arguments.from).text());
  if (pins.empty()) pins.push_back(pin_of_stored_leaf(context, pattern).text());

  // The active ones first: backups alone would refuse the server until the others are there.
  Json answer = context.client().post("/v1/pins", pins_request(context, arguments, pins, "active"));
  if (!backups.empty()) {
    Json more =
        context.client().post("/v1/pins", pins_request(context, arguments, backups, "backup"));
    for (const Json& pin : array_at(answer, "pins")) more["pins"].push_back(pin);
    answer = std::move(more);
  }
  if (context.globals().json) {
    context.print_json(answer);
    return 0;
  }
  for (const Json& pin : array_at(answer, "pins")) context.terminal().say(pin_line(pin));
  context.terminal().say(generation_text(answer));
  return 0;
}

int pin_list_command(Context& context, const std::string& host) {
  Json answer;
  if (host.empty()) {
    answer = list_all(context, "/v1/pins", "pins", {});
  } else {
    const Endpoint endpoint = said([&] { return Endpoint::parse(host, 443); });
    answer = context.client().get(
        "/v1/pins", {{"host", endpoint.host.text()}, {"port", std::to_string(endpoint.port)}});
  }
  if (context.globals().json) {
    context.print_json(answer);
    return 0;
  }
  const UnixTime now = system_clock_now();
  Table table({"FOR", "PIN", "MODE", "ROLE", "POSITION", "ENDS"});
  for (const Json& pin : array_at(answer, "pins")) {
    const std::uint64_t port = number_at(pin, "port");
    const std::string pattern = shown(text_at(pin, "pattern"));
    const std::string mode = text_at(pin, "mode");
    table.row({port == 0 ? pattern : pattern + ":" + std::to_string(port),
               shown(text_at(pin, "pin")),
               Cell(mode, mode == "report" ? Style::warning : Style::plain), text_at(pin, "role"),
               text_at(pin, "position"), when(text_at(pin, "expires_at"), now)});
  }
  if (!table.empty()) {
    context.terminal().out(table.text(context.terminal()));
  } else {
    context.terminal().note("no pins");
  }
  return 0;
}

int pin_remove_command(Context& context, const std::string& pattern_text,
                       const std::string& pin_text) {
  const PortPattern pattern = said([&] { return PortPattern::parse(pattern_text); });
  const std::string wanted =
      pin_text.empty() ? "" : said([&] { return Pin::parse(pin_text); }).text();
  const Json all = list_all(context, "/v1/pins", "pins", {});
  std::vector<Json> found;
  for (const Json& pin : array_at(all, "pins")) {
    const bool own = text_at(pin, "layer") == "own" || text_at(pin, "layer").empty();
    if (own && text_at(pin, "pattern") == pattern.pattern.text() &&
        number_at(pin, "port") == pattern.port &&
        (wanted.empty() || text_at(pin, "pin") == wanted)) {
      found.push_back(pin);
    }
  }
  if (found.empty()) {
    throw Error(Code::not_found,
                wanted.empty() ? "nothing is pinned for " + pattern.text()
                               : wanted + " is not pinned for " + pattern.text(),
                "trustctl pin list");
  }
  Parameters query;
  if (!context.globals().reason.empty()) query.emplace_back("reason", context.globals().reason);
  Json answer;
  for (const Json& pin : found) {
    answer = context.client().remove("/v1/pins/" + std::to_string(number_at(pin, "id")), query);
  }
  if (context.globals().json) {
    context.print_json(answer);
    return 0;
  }
  for (const Json& pin : found) context.terminal().say("removed " + pin_line(pin));
  context.terminal().say(generation_text(answer));
  return 0;
}

}  // namespace trust
