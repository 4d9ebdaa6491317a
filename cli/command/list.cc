#include "cli/command/list.h"

#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "cli/command/entry.h"
#include "cli/command/input.h"
#include "cli/command/value.h"
#include "libtrust/error.h"
#include "libtrust/host.h"
#include "libtrust/json.h"

namespace trust {
namespace {

bool is_file(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

int show_file(Context& context, const std::string& path) {
  const Input input = read_input(context, path);
  Json items = Json::array();
  for (const Certificate& certificate : input.certificates) {
    Json item;
    try {
      item = find_entry(context, certificate.fingerprint().text(), kDigitsToRead);
    } catch (const Error& error) {
      if (error.code() != Code::not_found && error.code() != Code::no_daemon) throw;
      Entry entry;
      entry.certificate = CertificateFacts::of(certificate);
      item = json_of(entry);
      // Not stored: only what the certificate says of itself.
      for (const char* name :
           {"trust", "layer", "base", "label", "hosts", "reason", "owner", "added_at", "expires_at",
            "only_this_certificate", "emit_signing", "since"}) {
        item.erase(name);
      }
    }
    items.push_back(std::move(item));
  }
  if (context.globals().json) {
    context.print_json({{"certificates", items}});
    return 0;
  }
  const UnixTime now = system_clock_now();
  bool first = true;
  for (const Json& item : items) {
    if (!first) context.terminal().line("");
    first = false;
    if (!item.contains("trust")) context.terminal().line("not stored");
    context.terminal().out(entry_text(item, context.terminal(), now));
  }
  return 0;
}

int show_host(Context& context, const Endpoint& endpoint) {
  const std::string& host = endpoint.host.text();
  Json answer = list_all(context, "/v1/certificates", "certificates", {{"host", host}});
  Parameters query{{"host", host}};
  if (endpoint.port != 0) query.emplace_back("port", std::to_string(endpoint.port));
  const Json pins = context.client().get("/v1/pins", query);
  const Json& entries = array_at(answer, "certificates");
  if (entries.empty() && array_at(pins, "pins").empty()) {
    throw Error(Code::not_found, "nothing is stored for " + host,
                "trustctl add " + endpoint.text());
  }
  if (context.globals().json) {
    answer["pins"] = array_at(pins, "pins");
    context.print_json(answer);
    return 0;
  }
  const UnixTime now = system_clock_now();
  Table table = entry_table();
  for (const Json& entry : entries) add_entry_row(table, entry, now);
  if (!table.empty()) context.terminal().out(table.text(context.terminal()));
  for (const Json& pin : array_at(pins, "pins")) context.terminal().line(pin_line(pin));
  return 0;
}

}  // namespace

int list_command(Context& context, const ListArguments& arguments) {
  const UnixTime now = system_clock_now();
  Parameters query;
  if (arguments.all) query.emplace_back("base", "true");
  if (!arguments.host.empty())
    query.emplace_back("host", said([&] { return Host::parse(arguments.host); }).text());
  if (!arguments.label.empty()) query.emplace_back("label", arguments.label);
  if (!arguments.expires_within.empty()) {
    query.emplace_back(
        "expires_before",
        rfc3339(now + said([&] { return parse_duration_s(arguments.expires_within); })));
  }
  const Json answer = list_all(context, "/v1/certificates", "certificates", query);
  if (context.globals().json) {
    context.print_json(answer);
    return 0;
  }
  Table table = entry_table();
  for (const Json& entry : array_at(answer, "certificates")) add_entry_row(table, entry, now);
  if (!table.empty()) {
    context.terminal().out(table.text(context.terminal()));
  } else if (query.empty()) {
    context.terminal().note("nothing is added yet:  trustctl add HOST:PORT");
  } else {
    context.terminal().note("nothing matches");
  }
  return 0;
}

int show_command(Context& context, const std::string& what) {
  if (what.find('/') != std::string::npos) return show_file(context, what);
  try {
    const Json entry = find_entry(context, what, kDigitsToRead);
    if (context.globals().json) {
      context.print_json(entry);
    } else {
      context.terminal().out(entry_text(entry, context.terminal(), system_clock_now()));
    }
    return 0;
  } catch (const Error& error) {
    const bool may_be_elsewhere = error.code() == Code::not_found ||
                                  error.code() == Code::invalid || error.code() == Code::usage;
    if (is_file(what) && (may_be_elsewhere || error.code() == Code::no_daemon)) {
      return show_file(context, what);
    }
    if (!may_be_elsewhere) throw;
    try {
      return show_host(context, Endpoint::parse(what, 443));
    } catch (const Error& of_host) {
      if (of_host.code() == Code::invalid) throw error;
      throw;
    }
  }
}

}  // namespace trust
