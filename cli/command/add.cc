#include "cli/command/add.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/command/advice.h"
#include "cli/command/entry.h"
#include "cli/command/input.h"
#include "cli/command/judged.h"
#include "cli/command/value.h"
#include "libtrust/decode.h"
#include "libtrust/error.h"
#include "libtrust/file.h"
#include "libtrust/label.h"

namespace trust {
namespace {

namespace fs = std::filesystem;

// More are counted rather than shown.
constexpr std::size_t kMostShown = 12;

void check_fingerprint(const AddArguments& arguments, const Input& input,
                       const std::string& source) {
  if (!arguments.fingerprint) return;
  const Fingerprint expected = said([&] { return Fingerprint::parse(*arguments.fingerprint); });
  for (const Certificate& certificate : input.certificates) {
    const Fingerprint& found = certificate.fingerprint();
    if (found == expected) continue;
    throw Error(Code::fingerprint, shown(source) + " holds a certificate with the fingerprint " +
                                       found.text() + ", not the expected " + expected.text());
  }
}

void add_bytes(Context& context, const AddArguments& arguments, const std::string& bytes,
               const std::string& source) {
  const Input input = unpack(context, bytes, source);
  // Of PEM the daemon names every line that is wrong; a container it never sees.
  if (input.is_container && !input.bad.empty()) {
    if (!arguments.skip_invalid) {
      throw Error(Code::invalid, shown(source) + ": " + input.bad.front(),
                  "trustctl add " + shell_word(source) + " --skip-invalid");
    }
    for (const std::string& bad : input.bad) {
      context.terminal().warn("skipped, of " + shown(source) + ": " + bad);
    }
  }
  check_fingerprint(arguments, input, source);
  Json body = add_request(context, arguments, system_clock_now());
  body["pem"] = input.pem;
  body["source"] = ascii_only(source);
  if (!arguments.as.empty()) body["trust"] = arguments.as;
  for (const std::string& host : arguments.hosts) {
    body["hosts"].push_back(said([&] { return Pattern::parse(host); }).text());
  }
  if (input.certificates.size() > kMostShown) {
    context.terminal().progress("adding " + std::to_string(input.certificates.size()) +
                                " certificates of " + shown(source) + " …");
  }
  Json answer;
  try {
    answer = context.client().post("/v1/certificates", body);
  } catch (const Error&) {
    context.terminal().progress("");
    throw;
  }
  context.terminal().progress("");
  print_addition(context, answer, {});
}

// Whether a file of a directory is merely none of ours, as a README beside certificates is.
bool is_passed_over(const Error& error) {
  return error.code() == Code::invalid || error.code() == Code::private_key;
}

void add_directory(Context& context, const AddArguments& arguments, const std::string& directory) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& item : fs::directory_iterator(directory, error)) {
    std::error_code ignored;
    if (item.is_regular_file(ignored)) files.push_back(item.path().string());
  }
  if (error) throw system_error("cannot read the directory " + shown(directory), error.value());
  std::sort(files.begin(), files.end());
  std::size_t added = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    context.terminal().progress(std::to_string(i + 1) + " of " + std::to_string(files.size()) +
                                " files");
    std::string bytes;
    try {
      bytes = read_file(files[i], kMaxImportBytes);
      unpack(context, bytes, files[i]);
    } catch (const Error& reason) {
      context.terminal().progress("");
      if (!is_passed_over(reason)) throw;
      context.terminal().note("skipped " + shown(files[i]) + ": " + reason.message());
      continue;
    }
    context.terminal().progress("");
    add_bytes(context, arguments, bytes, files[i]);
    ++added;
  }
  if (added == 0) {
    throw Error(Code::invalid, "no file in " + shown(directory) + " holds a certificate");
  }
}

Error not_a_server(const std::string& source) {
  return {Code::usage, "--tofu is for a server, and " + shown(source) + " is a file"};
}

void add_source(Context& context, const AddArguments& arguments, const std::string& source) {
  if (arguments.tofu && source == "-") throw not_a_server("standard input");
  if (source == "-") return add_bytes(context, arguments, read_stdin(), "standard input");
  if (source.starts_with("https://") || !arguments.starttls.empty()) {
    return add_server(context, arguments, endpoint_of(source, starttls_of(arguments.starttls)));
  }
  struct stat status {};
  if (::stat(source.c_str(), &status) == 0) {
    if (arguments.tofu) throw not_a_server(source);
    if (S_ISDIR(status.st_mode)) return add_directory(context, arguments, source);
    return add_bytes(context, arguments, read_file(source, kMaxImportBytes), source);
  }
  const int error_number = errno;
  const bool has_port = arguments.tofu || source.find(':') != std::string::npos;
  if (has_port && source.find('/') == std::string::npos) {
    return add_server(context, arguments, said([&] { return Endpoint::parse(source, 443); }));
  }
  if (error_number != ENOENT && error_number != ENOTDIR) {
    throw system_error("cannot read " + shown(source), error_number);
  }
  const auto host = Host::try_parse(source);
  throw Error(Code::not_found, "there is no file " + shown(source),
              host ? "trustctl add " + host->text() + ":443" : "");
}

void print_certificates(const Context& context, const Json& answer,
                        const std::vector<std::string>& warnings) {
  const Terminal& terminal = context.terminal();
  const Json& entries = array_at(answer, "certificates");
  std::size_t fresh = 0;
  for (const Json& entry : entries) fresh += flag_at(entry, "created") ? 1 : 0;
  if (entries.size() > kMostShown) {
    terminal.say(std::to_string(fresh) + " certificates added, " +
                 std::to_string(entries.size() - fresh) + " were there already; " +
                 generation_text(answer));
    return;
  }
  for (const Json& entry : entries) {
    const std::string label = shown(text_at(entry, "label"));
    terminal.say((flag_at(entry, "created") ? "added " : "stored already: ") +
                 terminal.styled(label, Style::strong) + " as " + text_at(entry, "trust") +
                 ", for " + scope_text(entry));
    for (const std::string& line : consequences(entry, warnings)) terminal.say("  " + line);
  }
  terminal.say(generation_text(answer));
  if (entries.size() == 1) terminal.say(usage_text(text_at(entries.front(), "label")));
}

}  // namespace

Json add_request(const Context& context, const AddArguments& arguments, UnixTime now) {
  Json body = context.body();
  if (arguments.label) body["label"] = said([&] { return parse_label(*arguments.label); });
  if (const auto end = end_from(arguments.duration, arguments.until, now)) {
    body["expires_at"] = rfc3339(*end);
  }
  if (arguments.pin) body["pin"] = true;
  if (arguments.replace) body["replace"] = true;
  if (arguments.skip_invalid) body["skip_invalid"] = true;
  if (arguments.emit_signing) body["emit_signing"] = true;
  return body;
}

void print_addition(const Context& context, const Json& answer,
                    const std::vector<std::string>& shown_before) {
  const Terminal& terminal = context.terminal();
  for (const Json& skipped : array_at(answer, "skipped")) {
    terminal.warn("skipped, line " + std::to_string(number_at(skipped, "line")) + ": " +
                  printable(text_at(skipped, "reason")));
  }
  for (const std::string& warning : texts_at(answer, "warnings")) {
    const bool seen =
        std::find(shown_before.begin(), shown_before.end(), warning) != shown_before.end();
    if (!seen) terminal.warn(printable(warning));
  }
  if (context.globals().json) {
    context.print_json(answer);
  } else if (terminal.quiet()) {
    for (const Json& entry : array_at(answer, "certificates")) {
      terminal.line(shown(text_at(entry, "label")));
    }
  } else {
    std::vector<std::string> warnings = texts_at(answer, "warnings");
    warnings.insert(warnings.end(), shown_before.begin(), shown_before.end());
    print_certificates(context, answer, warnings);
  }
}

int add_command(Context& context, const AddArguments& arguments) {
  for (const std::string& source : arguments.sources) add_source(context, arguments, source);
  return 0;
}

}  // namespace trust
