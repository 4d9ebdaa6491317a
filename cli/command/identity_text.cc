#include "cli/command/identity_text.h"

#include <nlohmann/json.hpp>

#include "cli/command/entry.h"
#include "cli/table.h"
#include "libtrust/decode.h"
#include "libtrust/error.h"

namespace trust {
namespace {

std::string joined(const std::vector<std::string>& texts) {
  std::string text;
  for (const std::string& one : texts) text += (text.empty() ? "" : ", ") + shown(one);
  return text;
}

std::string renewal_text(const Json& identity, UnixTime now) {
  if (flag_at(identity, "pending")) {
    return "its files or its hook are still to come: " + printable(text_at(identity, "problem"));
  }
  const std::string at = text_at(identity, "next_at");
  if (!flag_at(identity, "renews") || at.empty()) return "";
  const std::string hook = text_at(identity, "after_renew");
  return when(at, now) + (hook.empty() ? "" : ", then the hook " + shown(hook));
}

std::string use_text(const Json& identity) {
  const std::string key = text_at(identity, "key_path");
  const std::string certificate = text_at(identity, "certificate_path");
  if (key.empty() || certificate.empty()) return "";
  const auto quoted = [](const std::string& path) {
    return Json(path).dump(-1, ' ', false, Json::error_handler_t::replace);
  };
  return "use it:  Flask  app.run(ssl_context=(" + quoted(certificate) + ", " + quoted(key) +
         "))\n"
         "         nginx  ssl_certificate " +
         shell_word(certificate) + "; ssl_certificate_key " + shell_word(key) + ";";
}

std::string trust_text(const Json& identity) {
  if (flag_at(identity, "trusted")) {
    return flag_at(identity, "from_ca") ? "yes, through the local CA" : "yes";
  }
  const std::string path = text_at(identity, "certificate_path");
  return path.empty() ? "not yet" : "not yet:  trustctl add " + shell_word(path);
}

} // namespace

Certificate certificate_of(const std::string& pem) {
  Decoded decoded = decode(pem, "the daemon's answer");
  if (decoded.certificates.size() != 1) {
    throw Error(Code::internal, "the daemon's answer holds no certificate");
  }
  return std::move(decoded.certificates.front().certificate);
}

void print_warnings(const Terminal& terminal, const Json& answer) {
  for (const std::string& warning : texts_at(answer, "warnings")) terminal.warn(printable(warning));
}

void print_identity(const Terminal& terminal, const Json& identity, const std::string& done) {
  print_warnings(terminal, identity);
  if (terminal.quiet()) {
    for (const char* name : {"key_path", "certificate_path"}) {
      const std::string path = text_at(identity, name);
      if (!path.empty()) terminal.line(path);
    }
    return;
  }
  const UnixTime now = system_clock_now();
  terminal.say(done + " " + terminal.styled(shown(text_at(identity, "label")), Style::strong) +
               ", for " + joined(texts_at(identity, "names")));
  terminal.out(fields_text({{"  key", text_at(identity, "key_path")},
                            {"  certificate", text_at(identity, "certificate_path")},
                            {"  valid to", when(text_at(identity, "not_after"), now)},
                            {"  renews", renewal_text(identity, now)},
                            {"  trusted", trust_text(identity)},
                            {"  pin", shown(text_at(identity, "pin"))},
                            {"  fingerprint", shown(text_at(identity, "fingerprint"))}},
                           terminal));
  if (identity.contains("generation")) terminal.say(generation_text(identity));
  const std::string use = use_text(identity);
  if (!use.empty()) terminal.say(use);
}

void print_ca(const Terminal& terminal, const Json& ca, const std::string& done) {
  print_warnings(terminal, ca);
  const std::string label = text_at(ca, "label");
  if (terminal.quiet()) {
    terminal.line(text_at(ca, "certificate_path"));
    return;
  }
  const UnixTime now = system_clock_now();
  const std::vector<std::string> names = texts_at(ca, "names");
  terminal.say(done + terminal.styled(shown(label), Style::strong) + ", " +
               shown(text_at(ca, "subject")));
  terminal.out(fields_text({{"  may sign", joined(names)},
                            {"  certificate", text_at(ca, "certificate_path")},
                            {"  key", text_at(ca, "key_path")},
                            {"  valid to", when(text_at(ca, "not_after"), now)},
                            {"  renews", renewal_text(ca, now)},
                            {"  trusted", flag_at(ca, "trusted") ? "yes" : "no"},
                            {"  fingerprint", shown(text_at(ca, "fingerprint"))}},
                           terminal));
  if (ca.contains("generation")) terminal.say(generation_text(ca));
  terminal.say("use it:  trustctl new NAME --from-ca --out DIR");
}

} // namespace trust
