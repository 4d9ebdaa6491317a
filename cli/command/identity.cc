#include "cli/command/identity.h"

#include <nlohmann/json.hpp>

#include "cli/command/entry.h"
#include "cli/command/identity_text.h"
#include "cli/command/value.h"
#include "cli/table.h"
#include "libtrust/error.h"
#include "libtrust/identity.h"
#include "libtrust/label.h"

namespace trust {
namespace {

// The one identity that an ID names.
Json find_identity(Context& context, const std::string& id) {
  const Json answer = context.client().get(
      "/v1/identities", {{"id", id}, {"digits", std::to_string(kDigitsToChange)}});
  const Json& found = array_at(answer, "identities");
  if (found.size() != 1) throw Error(Code::internal, "the daemon's answer names no identity");
  return found.front();
}

std::string path_of(const Json& identity) {
  return "/v1/identities/" + Fingerprint::parse(text_at(identity, "fingerprint")).text();
}

} // namespace

int ca_init_command(Context& context, const CaArguments& arguments) {
  Json body = context.body();
  body["permit"] = Json::array();
  for (const std::string& pattern : arguments.permit) {
    body["permit"].push_back(said([&] { return Pattern::parse(pattern); }).text());
  }
  body["key"] = name_of(said([&] { return parse_key_kind(arguments.key); }));
  body["digest"] = name_of(said([&] { return parse_signing_digest(arguments.digest); }));
  body["days"] = arguments.days.value_or(kDefaultCaDays);
  if (!arguments.name.empty()) body["name"] = arguments.name;
  if (arguments.label) body["label"] = said([&] { return parse_label(*arguments.label); });
  const Json answer = context.client().post("/v1/ca", body);
  if (context.globals().json) {
    print_warnings(context.terminal(), answer);
    context.print_json(answer);
  } else {
    print_ca(context.terminal(), answer, "made the local CA ");
  }
  return 0;
}

int ca_show_command(Context& context) {
  const Json answer = context.client().get("/v1/ca");
  if (!answer.contains("ca") || !answer["ca"].is_object()) {
    throw Error(Code::not_found, "there is no local CA yet", "trustctl ca init --permit '**.test'");
  }
  if (context.globals().json) {
    context.print_json(answer);
  } else {
    print_ca(context.terminal(), answer["ca"], "");
  }
  return 0;
}

int renew_command(Context& context, const std::string& id) {
  const Json identity = find_identity(context, id);
  const Json answer = context.client().post(path_of(identity) + "/renew", context.body());
  if (context.globals().json) {
    print_warnings(context.terminal(), answer);
    context.print_json(answer);
  } else {
    print_identity(context.terminal(), answer, "renewed");
  }
  // The certificate is renewed; what follows it is not.
  return flag_at(answer, "pending") ? facts(Code::io).exit_status : 0;
}

int identity_list_command(Context& context) {
  const Json answer = list_all(context, "/v1/identities", "identities", {});
  if (context.globals().json) {
    context.print_json(answer);
    return 0;
  }
  const UnixTime now = system_clock_now();
  Table table({"LABEL", "NAMES", "KEY", "ENDS", "RENEWS", "FILES"});
  for (const Json& identity : array_at(answer, "identities")) {
    std::string names;
    for (const std::string& name : texts_at(identity, "names")) {
      names += (names.empty() ? "" : " ") + shown(name);
    }
    const std::string next = text_at(identity, "next_at");
    const bool failed = !text_at(identity, "problem").empty();
    table.row(
        {shown(text_at(identity, "label")), names, text_at(identity, "key"),
         how_long_to(text_at(identity, "not_after"), now),
         failed ? Cell("failed", Style::warning) : Cell(next.empty() ? "" : how_long_to(next, now)),
         shown(text_at(identity, "directory"))});
  }
  if (!table.empty()) {
    context.terminal().out(table.text(context.terminal()));
  } else {
    context.terminal().note("no identities");
  }
  return 0;
}

int identity_remove_command(Context& context, const std::string& id) {
  const Json identity = find_identity(context, id);
  Parameters query;
  if (!context.globals().reason.empty()) query.emplace_back("reason", context.globals().reason);
  const Json answer = context.client().remove(path_of(identity), query);
  print_warnings(context.terminal(), answer);
  if (context.globals().json) {
    context.print_json(answer);
    return 0;
  }
  const std::string label = shown(text_at(identity, "label"));
  context.terminal().say("forgot " + label + "; it is renewed no more");
  if (flag_at(identity, "trusted") && !flag_at(identity, "from_ca")) {
    context.terminal().say("its certificate is still trusted:  trustctl rm " + shell_word(label));
  }
  context.terminal().say(generation_text(answer));
  return 0;
}

} // namespace trust
