// `trustctl new`.

#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/command/entry.h"
#include "cli/command/identity.h"
#include "cli/command/identity_text.h"
#include "cli/command/value.h"
#include "libtrust/error.h"
#include "libtrust/issue.h"
#include "libtrust/key_files.h"
#include "libtrust/label.h"

namespace trust {
namespace {

constexpr std::size_t kMostPassphraseBytes = 1024;
// Apple's systems refuse certificates of more, whoever signed them.
constexpr std::int64_t kMostDaysForApple = 825;

// What was said, as values.
struct Wanted {
  std::vector<Pattern> names;
  KeyKind key;
  SigningDigest digest;
  KeyFormat format;
  std::int64_t days;
  std::string directory; // absolute, or ""
  bool renew;
};

Wanted wanted_of(const NewArguments& arguments) {
  Wanted wanted{said([&] { return parse_names(arguments.names); }),
                said([&] { return parse_key_kind(arguments.key); }),
                said([&] { return parse_signing_digest(arguments.digest); }),
                said([&] { return parse_key_format(arguments.key_format); }),
                arguments.days.value_or(kDefaultDays),
                "",
                arguments.renew || !arguments.after_renew.empty()};
  if (!arguments.out.empty()) {
    const auto path = std::filesystem::absolute(arguments.out).lexically_normal();
    wanted.directory = path.has_filename() ? path.string() : path.parent_path().string();
  }
  said([&] { check_key_form(wanted.key, wanted.format, arguments.passphrase_file.has_value()); });
  if (wanted.days < 1 || wanted.days > kMostDays) {
    throw Error(Code::usage, "--days is from 1 to " + std::to_string(kMostDays));
  }
  if (arguments.ca && arguments.from_ca) {
    throw Error(Code::usage, "the local CA signs servers, and no further CA",
                "leave out --ca, or --from-ca");
  }
  if (arguments.passphrase_file && (wanted.directory.empty() || wanted.renew)) {
    throw Error(Code::usage,
                "a key that the daemon makes or renews cannot be encrypted: nobody would be there "
                "to type the passphrase",
                "--out DIR without --renew, or no --passphrase-file");
  }
  if (arguments.force && wanted.directory.empty()) {
    throw Error(Code::usage, "--force replaces what is in a directory: it wants --out DIR");
  }
  return wanted;
}

Secret passphrase_of(const NewArguments& arguments) {
  if (!arguments.passphrase_file) return {};
  const Secret file = read_secret_file(*arguments.passphrase_file, kMostPassphraseBytes);
  const std::string_view line = file.view().substr(0, file.view().find_first_of("\r\n"));
  if (line.empty()) {
    throw Error(Code::invalid, "the first line of " + shown(*arguments.passphrase_file) +
                                   " is empty, and it is the passphrase");
  }
  return Secret(line);
}

Json request_of(const Context& context, const NewArguments& arguments, const Wanted& wanted) {
  Json body = context.body();
  body["names"] = Json::array();
  for (const Pattern& name : wanted.names) body["names"].push_back(name.text());
  body["key"] = name_of(wanted.key);
  body["digest"] = name_of(wanted.digest);
  body["key_format"] = name_of(wanted.format);
  body["days"] = wanted.days;
  if (arguments.label) body["label"] = said([&] { return parse_label(*arguments.label); });
  if (arguments.from_ca) body["from_ca"] = true;
  return body;
}

Json make_by_daemon(Context& context, const NewArguments& arguments, const Wanted& wanted) {
  Json body = request_of(context, arguments, wanted);
  if (arguments.ca) body["ca"] = true;
  if (arguments.trust) body["trust"] = true;
  if (wanted.renew) body["renew"] = true;
  if (arguments.emit_signing) body["emit_signing"] = true;
  if (arguments.force) body["replace"] = true;
  if (!arguments.after_renew.empty()) body["after_renew"] = arguments.after_renew;
  if (!wanted.directory.empty()) body["directory"] = wanted.directory;
  return context.client().post("/v1/identities", body);
}

Json trust_made(Context& context, const NewArguments& arguments, const Certificate& certificate,
                const std::string& label) {
  Json body = context.body();
  body["pem"] = certificate.pem();
  body["trust"] = "leaf";
  body["label"] = label;
  body["emit_signing"] = arguments.emit_signing;
  return context.client().post("/v1/certificates", body);
}

Json make_here(Context& context, const NewArguments& arguments, const Wanted& wanted) {
  // Nothing is made that the daemon could not be told of.
  if (arguments.trust || arguments.from_ca) static_cast<void>(context.client());
  const Secret passphrase = passphrase_of(arguments);
  const Fd directory = open_key_directory(wanted.directory);
  if (!arguments.force) refuse_existing_pair(directory.get(), wanted.directory);

  Identity identity;
  identity.names = wanted.names;
  identity.key = wanted.key;
  identity.digest = wanted.digest;
  identity.key_format = wanted.format;
  identity.days = wanted.days;
  identity.ca = arguments.ca;
  identity.from_ca = arguments.from_ca;
  identity.directory = wanted.directory;
  identity.owner = ::geteuid();
  identity.made_at = system_clock_now();
  identity.label = arguments.label ? said([&] { return parse_label(*arguments.label); })
                                   : fitted_label(wanted.names.front().text());

  const PrivateKey key = PrivateKey::generate(wanted.key);
  Json answer;
  std::optional<Certificate> certificate;
  if (arguments.from_ca) {
    Json body = request_of(context, arguments, wanted);
    body["public_key"] = base64(key.spki());
    answer = context.client().post("/v1/identities", body);
    certificate = certificate_of(text_at(answer, "certificate_pem"));
    identity.label = text_at(answer, "label");
  } else {
    certificate = issue_self_signed({wanted.names, wanted.digest, identity.made_at,
                                     identity.made_at + wanted.days * kSecondsPerDay, arguments.ca},
                                    key);
  }
  identity.certificate = CertificateFacts::of(*certificate);
  const auto take_back = [&]() noexcept {
    try {
      if (arguments.from_ca) {
        context.client().remove("/v1/identities/" + certificate->fingerprint().text());
      }
      if (!arguments.force) remove_pairs(directory.get());
    } catch (const std::exception&) {
      // What is said is what went wrong before.
    }
  };
  try {
    write_pair(directory.get(), wanted.directory, key.pem(wanted.format, passphrase),
               certificate->pem(), arguments.force);
  } catch (...) {
    if (arguments.from_ca) take_back();
    throw;
  }
  Json json = json_of(identity);
  json["trusted"] = flag_at(answer, "trusted");
  json["warnings"] = Json::array();
  if (arguments.trust && !arguments.from_ca) {
    try {
      answer = trust_made(context, arguments, *certificate, identity.label);
    } catch (...) {
      take_back();
      throw;
    }
    json["trusted"] = true;
    json["label"] = text_at(answer, "label");
  }
  json["certificate_pem"] = certificate->pem();
  for (const char* name : {"warnings", "generation", "audit_head"}) {
    if (answer.contains(name)) json[name] = answer[name];
  }
  return json;
}

} // namespace

int new_command(Context& context, const NewArguments& arguments) {
  const Wanted wanted = wanted_of(arguments);
  const bool by_daemon = wanted.directory.empty() || wanted.renew;
  const Json answer = by_daemon ? make_by_daemon(context, arguments, wanted)
                                : make_here(context, arguments, wanted);
  const Terminal& terminal = context.terminal();
  if (wanted.days > kMostDaysForApple && !arguments.ca) {
    terminal.warn("Apple's systems refuse a server's certificate of more than 825 days");
  }
  if (context.globals().json) {
    print_warnings(terminal, answer);
    context.print_json(answer);
    return 0;
  }
  print_identity(terminal, answer, "made");
  return 0;
}

} // namespace trust
