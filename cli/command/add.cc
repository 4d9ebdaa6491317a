#include "cli/command/add.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/command/advice.h"
#include "cli/command/entry.h"
#include "cli/command/value.h"
#include "cli/containers.h"
#include "libtrust/decode.h"
#include "libtrust/error.h"
#include "libtrust/file.h"
#include "libtrust/label.h"

namespace trust {
namespace {

namespace fs = std::filesystem;

// More are counted rather than shown.
constexpr std::size_t kMostShown = 12;

std::string read_stdin() {
  std::string bytes;
  std::array<char, 64 * 1024> buffer{};
  while (true) {
    const ssize_t count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw system_error("cannot read standard input", errno);
    if (count == 0) return bytes;
    bytes.append(buffer.data(), static_cast<std::size_t>(count));
    if (bytes.size() > kMaxImportBytes) {
      throw Error(Code::too_large, "standard input has more than " +
                                       std::to_string(kMaxImportBytes / (1024 * 1024)) + " MiB");
    }
  }
}

struct Input {
  std::string pem;
  std::vector<Fingerprint> fingerprints;
};

// What the daemon is to get of these bytes. Error{private_key} before any of them is sent.
Input unpack(const Context& context, const AddArguments& arguments, const std::string& bytes,
             const std::string& source) {
  Input input;
  const auto contained = read_container(bytes, source, [&] {
    return context.terminal().ask_secret("the password of " + shown(source));
  });
  if (contained) {
    if (contained->has_private_key) {
      context.terminal().warn(shown(source) +
                              " holds a private key; it was not read, is not sent "
                              "and not stored");
    }
    if (!contained->bad.empty() && !arguments.skip_invalid) {
      throw Error(Code::invalid, shown(source) + ": " + contained->bad.front(),
                  "trustctl add " + shell_word(source) + " --skip-invalid");
    }
    for (const std::string& bad : contained->bad) {
      context.terminal().warn(shown(source) + ": skipped: " + bad);
    }
    for (const Certificate& certificate : contained->certificates) {
      input.pem += certificate.pem();
      input.fingerprints.push_back(certificate.fingerprint());
    }
    return input;
  }
  const Decoded decoded = decode(bytes, source);
  const bool is_der = decoded.certificates.size() == 1 && decoded.certificates[0].line == 0;
  input.pem = is_der ? decoded.certificates[0].certificate.pem() : ascii_only(bytes);
  for (const DecodedCertificate& found : decoded.certificates) {
    input.fingerprints.push_back(found.certificate.fingerprint());
  }
  return input;
}

void check_fingerprint(const AddArguments& arguments, const Input& input,
                       const std::string& source) {
  if (!arguments.fingerprint) return;
  const Fingerprint expected = said([&] { return Fingerprint::parse(*arguments.fingerprint); });
  for (const Fingerprint& found : input.fingerprints) {
    if (found == expected) continue;
    throw Error(Code::fingerprint, shown(source) + " holds a certificate with the fingerprint " +
                                       found.text() + ", not the expected " + expected.text());
  }
}

void add_bytes(Context& context, const AddArguments& arguments, const std::string& bytes,
               const std::string& source) {
  const Input input = unpack(context, arguments, bytes, source);
  check_fingerprint(arguments, input, source);
  Json body = add_request(context, arguments, system_clock_now());
  body["pem"] = input.pem;
  body["source"] = ascii_only(source);
  if (!arguments.as.empty()) body["trust"] = arguments.as;
  for (const std::string& host : arguments.hosts) {
    body["hosts"].push_back(said([&] { return Pattern::parse(host); }).text());
  }
  if (input.fingerprints.size() > kMostShown) {
    context.terminal().progress("adding " + std::to_string(input.fingerprints.size()) +
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
      unpack(context, arguments, bytes, files[i]);
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

void add_source(Context& context, const AddArguments& arguments, const std::string& source) {
  if (source == "-") return add_bytes(context, arguments, read_stdin(), "standard input");
  if (source.starts_with("https://")) {
    return add_server(context, arguments, said([&] { return Endpoint::parse(source, 443); }));
  }
  struct stat status {};
  if (::stat(source.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) return add_directory(context, arguments, source);
    return add_bytes(context, arguments, read_file(source, kMaxImportBytes), source);
  }
  const int error_number = errno;
  const bool has_port = source.find(':') != std::string::npos;
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

std::string ascii_only(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (static_cast<unsigned char>(c) >= 0x80 || c == '\0') c = '?';
  }
  return result;
}

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
