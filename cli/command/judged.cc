#include "cli/command/judged.h"

#include "cli/command/input.h"
#include "cli/command/value.h"
#include "libtrust/decode.h"
#include "libtrust/error.h"

namespace trust {
namespace {

Input chain_in(const Context& context, const std::string& file) {
  Input input =
      file == "-" ? unpack(context, read_stdin(), "standard input") : read_input(context, file);
  if (!input.bad.empty()) {
    throw Error(Code::invalid, shown(file) + ": " + input.bad.front());
  }
  return input;
}

} // namespace

std::optional<StartTls> starttls_of(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return said([&] { return parse_starttls(text); });
}

Endpoint endpoint_of(const std::string& host, const std::optional<StartTls>& starttls) {
  return said(
      [&] { return Endpoint::parse(host, starttls ? default_port(*starttls) : Port{443}); });
}

Decided judge_as_asked(const Context& context, const VerifyArguments& arguments) {
  DialOptions options;
  options.starttls = starttls_of(arguments.starttls);
  Decided judged{endpoint_of(arguments.host, options.starttls), {}, {}, {}, {}, 0, {}};
  if (!arguments.chain.empty() && options.starttls) {
    throw Error(Code::usage, "--chain reads a file and --starttls dials; only one can be meant");
  }
  judged.store = context.published_store();
  // Read before anything is dialled: without a store there is nothing to be said.
  judged.view = std::make_shared<const View>(Snapshot::open(judged.store.directory));
  if (!arguments.chain.empty()) {
    judged.presented = chain_in(context, arguments.chain).certificates;
  } else {
    judged.dialled = dial(judged.endpoint, options);
    judged.presented = judged.dialled->chain;
  }
  judged.now = system_clock_now();
  judged.judgement = judge(judged.presented, judged.endpoint.host, judged.endpoint.port,
                           *judged.view, {}, judged.now);
  return judged;
}

std::string decider_text(const Judgement& judgement) {
  if (!judgement.entry) return {};
  const Entry& entry = *judgement.entry;
  if (entry.layer == Layer::base) {
    return "the root " + shown(entry.certificate.subject) + " that the system ships";
  }
  std::string text = entry.layer == Layer::machine ? "the machine's entry " : "the entry ";
  text += entry.label.empty() ? entry.certificate.fingerprint.text().substr(0, 16) : entry.label;
  text += " (" + std::string(name_of(entry.trust)) + ")";
  return text + ", since generation " + std::to_string(entry.since);
}

Error refusal_of(const Judgement& judgement) {
  return {Code::not_trusted, judgement.detail, judgement.hint};
}

} // namespace trust
