#include "cli/command/verify.h"

#include <nlohmann/json.hpp>

#include "cli/command/entry.h"
#include "libtrust/error.h"

namespace trust {
namespace {

std::string pins_text(const Judgement& judgement) {
  switch (judgement.pin_status) {
    case PinStatus::none: return "none for this host";
    case PinStatus::match: return "one matches";
    case PinStatus::mismatch: return "none matches";
    case PinStatus::lapsed: return "all have ended, so none counts";
    case PinStatus::reported: return "one that only reports does not match";
  }
  return "";
}

std::string path_text(const Judgement& judgement) {
  std::string text;
  for (const Certificate& certificate : judgement.path) {
    text += (text.empty() ? "" : " <- ") + shown(certificate.subject());
  }
  return text;
}

} // namespace

int verify_command(Context& context, const VerifyArguments& arguments) {
  const Decided judged = judge_as_asked(context, arguments);
  const Judgement& judgement = judged.judgement;
  const Terminal& terminal = context.terminal();
  if (context.globals().json) {
    context.print_json(json_of(judgement, judged.endpoint.host, judged.endpoint.port));
    return judgement.trusted() ? 0 : facts(Code::not_trusted).exit_status;
  }
  if (!judgement.trusted()) throw refusal_of(judgement);
  terminal.say(terminal.styled("trusted", Style::good) + "  " + judged.endpoint.text());
  if (terminal.quiet()) return 0;
  terminal.out(fields_text(
      {{"by", decider_text(judgement)},
       {"path", path_text(judgement)},
       {"pins", pins_text(judgement)},
       {"until", when(rfc3339(judgement.path_not_after), judged.now)},
       {"store", judged.store.directory + ", generation " + std::to_string(judgement.generation)}},
      terminal));
  return 0;
}

} // namespace trust
