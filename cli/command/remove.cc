#include "cli/command/remove.h"

#include <nlohmann/json.hpp>

#include "cli/command/entry.h"
#include "cli/command/input.h"
#include "libtrust/error.h"

namespace trust {
namespace {

std::string certificates_of(const Context& context, const std::string& path) {
  const Input input = read_input(context, path);
  if (!input.bad.empty()) throw Error(Code::invalid, shown(path) + ": " + input.bad.front());
  std::string pem;
  for (const Certificate& certificate : input.certificates) pem += certificate.pem();
  return pem;
}

}  // namespace

int remove_command(Context& context, const std::string& id) {
  const Json entry = find_entry(context, id, kDigitsToChange);
  const std::string fingerprint = text_at(entry, "fingerprint");
  if (text_at(entry, "layer") != "own") {
    throw Error(Code::forbidden,
                shown(id) + " is not an entry but one of the roots beneath them (" +
                    text_at(entry, "layer") + ")",
                "trustctl distrust " + fingerprint);
  }
  Parameters query;
  if (!context.globals().reason.empty()) query.emplace_back("reason", context.globals().reason);
  const Json answer = context.client().remove("/v1/certificates/" + fingerprint, query);
  if (context.globals().json) {
    context.print_json(answer);
  } else {
    context.terminal().say("removed " + entry_line(entry) + "; " + generation_text(answer));
  }
  return 0;
}

int distrust_command(Context& context, const DistrustArguments& arguments) {
  Json body = context.body();
  body["trust"] = "distrusted";
  if (arguments.only_this_certificate) body["only_this_certificate"] = true;
  const bool is_path = arguments.what.find('/') != std::string::npos;
  try {
    if (is_path) throw Error(Code::not_found, "a path is no ID");
    body["fingerprint"] =
        text_at(find_entry(context, arguments.what, kDigitsToChange), "fingerprint");
  } catch (const Error& error) {
    if (error.code() != Code::not_found) throw;
    try {
      body["pem"] = certificates_of(context, arguments.what);
    } catch (const Error& of_file) {
      if (of_file.code() == Code::not_found && !is_path) throw error;
      throw;
    }
    body["source"] = ascii_only(arguments.what);
  }
  const Json answer = context.client().post("/v1/certificates", body);
  if (context.globals().json) {
    context.print_json(answer);
    return 0;
  }
  for (const std::string& warning : texts_at(answer, "warnings")) {
    context.terminal().warn(printable(warning));
  }
  for (const Json& entry : array_at(answer, "certificates")) {
    const bool created = !entry.contains("created") || flag_at(entry, "created");
    context.terminal().say((created ? "distrusted " : "distrusted already: ") +
                           shown(text_at(entry, "subject")) + " (" +
                           short_fingerprint(text_at(entry, "fingerprint")) + "…)" +
                           (arguments.only_this_certificate ? "" : " and everything with its key") +
                           "; " + generation_text(answer));
  }
  return 0;
}

}  // namespace trust
