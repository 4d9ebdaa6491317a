#include "cli/command/why.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/command/advice.h"
#include "cli/command/entry.h"
#include "cli/explain.h"
#include "cli/table.h"
#include "libtrust/decode.h"
#include "libtrust/error.h"

namespace trust {
namespace {

constexpr int kRefused = 3;

bool is_machine_store(const Context& context, const std::string& store) {
  return context.globals().system || store == Layout::machine().store;
}

void heading(const Terminal& terminal, std::string_view text) {
  terminal.line("");
  terminal.line(terminal.styled(text, Style::strong));
}

// A fingerprint is cut: there is more beside it to be seen.
std::string short_name(const std::string& file) {
  constexpr std::size_t kMost = 24;
  std::string name = file.substr(0, kMost);
  if (file.size() > kMost) name += "….pem";
  return name;
}

void print_files(const Terminal& terminal, const std::vector<FileFact>& files) {
  heading(terminal, "In the published files");
  Table table({"FILE", "HOLDS", "WITH IT ALONE", "BECAUSE"});
  for (const FileFact& fact : files) {
    const bool accepts = fact.verdict.accepts;
    table.row({short_name(fact.file), fact.holds,
               Cell(fact.reader + (accepts ? " accepts" : " refuses"),
                    accepts ? Style::good : Style::bad),
               fact.verdict.why});
  }
  terminal.out(table.text(terminal));
}

void print_tools(const Terminal& terminal, const std::vector<ToolFact>& tools) {
  heading(terminal, "With the variables of trustctl env");
  Table table({"PROGRAM", "DOES", "BECAUSE"});
  for (const ToolFact& fact : tools) {
    const bool accepts = fact.verdict.accepts;
    table.row({std::string(name_of(fact.tool)),
               Cell(accepts ? "accepts" : "refuses", accepts ? Style::good : Style::bad),
               fact.why});
  }
  terminal.out(table.text(terminal));
}

void print_remedies(const Terminal& terminal, const std::vector<Remedy>& remedies) {
  if (remedies.empty()) return;
  heading(terminal, "What would change it");
  for (const Remedy& remedy : remedies) {
    terminal.line("  " + remedy.what + (remedy.command.empty() ? "" : ":"));
    if (!remedy.command.empty()) terminal.line("    " + remedy.command);
  }
}

template <typename Item>
Json array_of(const std::vector<Item>& items) {
  Json array = Json::array();
  for (const Item& item : items) array.push_back(json_of(item));
  return array;
}

// ---- of a server ------------------------------------------------------------

std::string step_text(const Judgement& judgement, std::size_t index) {
  const std::size_t last = judgement.path.size() - 1;
  std::string text = index == 0 ? "the server's own" : "issued " + std::to_string(index);
  if (!judgement.trusted()) return index == 0 ? text : "as presented";
  if (index == last) text += "; here trust begins: " + decider_text(judgement);
  return text;
}

void print_presented(const Terminal& terminal, const Decided& judged) {
  const std::string where = judged.endpoint.text();
  if (judged.dialled) {
    terminal.line(where + " presents, over " + judged.dialled->tls_version + " at " +
                  judged.dialled->address + ":");
  } else {
    terminal.line("the file presents, for " + where + ":");
  }
  std::size_t number = 0;
  for (const Certificate& certificate : judged.presented) {
    terminal.line("  " + std::to_string(++number) + ". " + shown(certificate.subject()) +
                  ", until " + when(rfc3339(certificate.not_after()), judged.now) + ", " +
                  certificate.key_kind());
  }
}

void print_decision(const Terminal& terminal, const Decided& judged, const EmittedForm& form) {
  const Judgement& judgement = judged.judgement;
  heading(terminal, "Decision");
  terminal.line(judgement.trusted()
                    ? "  " + terminal.styled("trusted", Style::good) + ", " +
                          std::string(name_of(judgement.trusted_by))
                    : "  " + terminal.styled("refused", Style::bad) + ", " +
                          std::string(facts(judgement.verdict).name) + ": " + judgement.detail);
  if (judgement.trusted()) {
    for (std::size_t i = 0; i < judgement.path.size(); ++i) {
      terminal.line("  " + std::to_string(i + 1) + ". " + shown(judgement.path[i].subject()) +
                    " - " + step_text(judgement, i));
    }
    terminal.line("  holds until " + when(rfc3339(judgement.path_not_after), judged.now));
  } else if (judgement.entry) {
    terminal.line("  by " + decider_text(judgement));
  }
  if (judgement.entry) {
    const Json entry = json_of(*judgement.entry);
    if (judgement.entry->layer != Layer::base) {
      terminal.line("  the entry is for " + scope_text(entry) + ", added " +
                    when(rfc3339(judgement.entry->added_at), judged.now) + " by uid " +
                    std::to_string(judgement.entry->owner) +
                    (judgement.entry->reason.empty() ? "" : ": " + shown(judgement.entry->reason)));
    }
    for (const std::string& wider : form.wider_by) {
      terminal.line("  in files it is wider than that: " + shown(wider));
    }
  }
  terminal.line("  generation " + std::to_string(judgement.generation) + " of " +
                judged.store.directory + " (" + judged.store.why + ")");
}

void print_pins(const Terminal& terminal, const Decided& judged) {
  const Judgement& judgement = judged.judgement;
  heading(terminal, "Pins");
  if (judgement.pins.empty()) {
    terminal.line("  none for " + judged.endpoint.text());
    return;
  }
  for (const PinRow& pin : judgement.pins) {
    const auto position = position_of(pin.pin, judgement.path);
    std::string text = pin_line(json_of(pin));
    if (pin.expires_at && *pin.expires_at <= judged.now) {
      text += ": ended " + when(rfc3339(*pin.expires_at), judged.now);
    } else if (position) {
      text += ": is the key of certificate " + std::to_string(*position + 1);
    } else {
      text += ": no key of the path";
    }
    terminal.line("  " + text);
  }
}

Json pins_json(const Judgement& judgement) {
  Json array = Json::array();
  for (const PinRow& pin : judgement.pins) {
    array.push_back(json_of(pin));
    const auto position = position_of(pin.pin, judgement.path);
    array.back()["matches"] = position ? Json(*position) : Json(nullptr);
  }
  return array;
}

int why_server(Context& context, const WhyArguments& arguments) {
  VerifyArguments verify;
  verify.host = arguments.what;
  verify.starttls = arguments.starttls;
  const Decided judged = judge_as_asked(context, verify);
  const Judgement& judgement = judged.judgement;
  const Asked asked{judged.endpoint, arguments.starttls, judged.dialled.has_value(),
                    judged.presented, judgement};
  ToolFiles files;
  files.store = judged.store.directory;
  EmittedForm form;
  if (judgement.entry) {
    form = emitted_form(Snapshot::open(judged.store.directory), *judgement.entry,
                        is_machine_store(context, judged.store.directory), judged.now);
  }
  const std::vector<FileFact> file_facts = files_of(asked, form, files, judged.now);
  const std::vector<ToolFact> tools = tools_of(asked, form, files, judged.now);
  const std::vector<Remedy> remedies = remedies_of(asked);
  const int status = judgement.trusted() ? 0 : kRefused;
  if (context.globals().json) {
    Json entry;
    if (judgement.entry) {
      entry = json_of(*judgement.entry);
      entry["emitted"] = json_of(form);
    }
    Json presented = Json::array();
    for (const Certificate& certificate : judged.presented) {
      presented.push_back(json_of(certificate));
    }
    context.print_json(
        {{"host", judged.endpoint.host.text()},
         {"port", judged.endpoint.port},
         {"address", judged.dialled->address},
         {"tls_version", judged.dialled->tls_version},
         {"presented", std::move(presented)},
         {"judgement", json_of(judgement, judged.endpoint.host, judged.endpoint.port)},
         {"decided_by", std::move(entry)},
         {"pins", pins_json(judgement)},
         {"files", array_of(file_facts)},
         {"tools", array_of(tools)},
         {"remedies", array_of(remedies)},
         {"store", judged.store.directory},
         {"generation", judgement.generation}});
    return status;
  }
  const Terminal& terminal = context.terminal();
  print_presented(terminal, judged);
  print_decision(terminal, judged, form);
  print_pins(terminal, judged);
  print_files(terminal, file_facts);
  print_tools(terminal, tools);
  print_remedies(terminal, remedies);
  return status;
}

// ---- of an entry ------------------------------------------------------------

int why_entry(Context& context, const StoreChoice& store, const Snapshot& snapshot,
              const Entry& entry) {
  const UnixTime now = system_clock_now();
  const EmittedForm form =
      emitted_form(snapshot, entry, is_machine_store(context, store.directory), now);
  Json json = json_of(entry);
  json["emitted"] = json_of(form);
  const std::vector<Remedy> remedies = remedies_of(entry);
  const std::vector<std::string> what_follows = consequences(json, {});
  std::string file;
  if (entry.layer != Layer::base && form.as != "nothing") {
    file = store.directory + "/current/certs/" + entry.certificate.fingerprint.text() + ".pem";
  }
  const int status = entry.trust == Trust::distrusted ? kRefused : 0;
  if (context.globals().json) {
    context.print_json({{"entry", std::move(json)},
                        {"file", file.empty() ? Json(nullptr) : Json(file)},
                        {"consequences", what_follows},
                        {"remedies", array_of(remedies)},
                        {"store", store.directory},
                        {"generation", snapshot.header().generation}});
    return status;
  }
  const Terminal& terminal = context.terminal();
  terminal.out(entry_text(json, terminal, now));
  heading(terminal, "Decision");
  terminal.line("  in force since generation " + std::to_string(entry.since) + "; now generation " +
                std::to_string(snapshot.header().generation) + " of " + store.directory);
  if (entry.trust == Trust::distrusted) {
    terminal.line(entry.only_this_certificate
                      ? "  that certificate is refused, wherever it stands in a path"
                      : "  everything with its key is refused, wherever it stands in a path");
    terminal.line("  no published file holds any of it");
  } else if (entry.expires_at && *entry.expires_at <= now) {
    terminal.line("  it has ended, so it is as if it were not there");
  }
  if (!what_follows.empty()) heading(terminal, "What follows");
  for (const std::string& line : what_follows) terminal.line("  " + line);
  if (!file.empty()) terminal.line("  its own file: " + file);
  print_remedies(terminal, remedies);
  return status;
}

} // namespace

int why_command(Context& context, const WhyArguments& arguments) {
  const bool is_url = arguments.what.starts_with("https://");
  // A fingerprint with colons is an ID all the same.
  const bool has_port =
      arguments.what.find(':') != std::string::npos && arguments.what.size() < 2 * sizeof(Digest);
  if (is_url || has_port || !arguments.starttls.empty()) return why_server(context, arguments);
  const StoreChoice store = context.published_store();
  const Snapshot snapshot = Snapshot::open(store.directory);
  std::optional<Entry> entry;
  try {
    entry = snapshot.find(arguments.what, kDigitsToRead);
  } catch (const Error& error) {
    const bool may_be_host = Host::try_parse(arguments.what).has_value();
    if (!may_be_host || error.code() == Code::conflict) throw;
    if (error.code() != Code::not_found && error.code() != Code::invalid &&
        error.code() != Code::usage) {
      throw;
    }
  }
  if (entry) return why_entry(context, store, snapshot, *entry);
  return why_server(context, arguments);
}

} // namespace trust
