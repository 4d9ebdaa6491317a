#include "cli/explain.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/terminal.h"
#include "libtrust/emit/anchors.h"
#include "libtrust/emit/constraints.h"
#include "libtrust/error.h"

namespace trust {
namespace {

// A host as it can stand in a command.
std::string host_word(const Endpoint& endpoint) { return shell_word(endpoint.host.text()); }

std::string server_word(const Asked& asked) {
  std::string word = shell_word(asked.endpoint.text());
  if (!asked.starttls.empty()) word += " --starttls " + asked.starttls;
  return word;
}

// What names an entry in a command: its label, which is ours.
std::optional<std::string> name_of_entry(const std::optional<Entry>& entry) {
  if (!entry || entry->label.empty()) return std::nullopt;
  return shell_word(entry->label);
}

// A program that has roots beside what it is told.
std::string own_roots(Tool tool) {
  return tool == Tool::curl ? "its built-in directory" : "what it is built with";
}

// Why a program goes on where `judge` refuses.
std::string why_laxer(Tool tool, Verdict verdict, const EmittedForm& form) {
  switch (verdict) {
    case Verdict::pin_mismatch:
    case Verdict::pin_missing: return "it knows no pins";
    case Verdict::out_of_scope:
      if (tool == Tool::java) return "it does not obey the limits of a CA";
      if (form.wider_by.empty()) return "files can say a limit in suffixes and ranges only";
      return "in files the limit is wider: " + shown(form.wider_by.front());
    case Verdict::distrusted:
      if (tool == Tool::curl || tool == Tool::node) return own_roots(tool) + " holds a root for it";
      return "the file it reads holds another root for it";
    case Verdict::name_mismatch: return "it takes the common name for a host";
    case Verdict::weak: return "it asks less of keys and signatures";
    case Verdict::expired:
    case Verdict::not_yet_valid:
      return "it asks no dates of a certificate that its truststore holds";
    case Verdict::ok:
    case Verdict::unknown_issuer:
    case Verdict::self_signed:
    case Verdict::bad_chain: break;
  }
  if (tool == Tool::curl || tool == Tool::node) return own_roots(tool) + " holds a root for it";
  return "it asks less of a chain";
}

std::string why_stricter(Tool tool, const Judgement& judgement, const ToolVerdict& verdict,
                         const EmittedForm& form) {
  if (judgement.entry && form.as == "nothing") return "no file holds the entry: " + form.why;
  if (form.as == "shadow" && !judgement.entry->hosts.empty()) {
    const auto outside = names_outside(judgement.entry->hosts, judgement.path.front());
    if (!outside.empty()) {
      return verdict.why + ": its name " + shown(outside.front()) +
             " is outside of what the entry is for, and in files every name has to be within";
    }
  }
  const bool lone_leaf = judgement.trusted_by == TrustedBy::added_leaf && judgement.entry &&
                         !judgement.entry->certificate.is_self_signed;
  if (lone_leaf) return verdict.why + ": it wants the CA that issued the certificate";
  if (tool == Tool::node && judgement.trusted_by == TrustedBy::system_root) {
    return "the root is not one that it is built with, and extra.pem holds what was added alone";
  }
  return verdict.why;
}

void remedies_of_pins(const Asked& asked, std::vector<Remedy>& out) {
  out.push_back({"see what is pinned", "trustctl pin list " + shell_word(asked.endpoint.text())});
  std::vector<std::string> patterns;
  for (const PinRow& pin : asked.judgement.pins) {
    const std::string pattern = pin.pattern.text();
    if (std::find(patterns.begin(), patterns.end(), pattern) == patterns.end()) {
      patterns.push_back(pattern);
    }
  }
  for (const std::string& pattern : patterns) {
    if (asked.dialled && asked.starttls.empty()) {
      out.push_back({"once you know that the new key is the server's own, pin it too",
                     "trustctl pin add " + shell_word(pattern) + " --from " +
                         shell_word(asked.endpoint.text())});
    }
    out.push_back({"or take the pins away", "trustctl pin rm " + shell_word(pattern)});
  }
}

void remedies_of_trusted(const Asked& asked, std::vector<Remedy>& out) {
  const Judgement& judgement = asked.judgement;
  if (const auto name = name_of_entry(judgement.entry);
      name && judgement.entry->layer == Layer::own) {
    out.push_back({"trust it no longer", "trustctl rm " + *name});
  } else if (judgement.entry && judgement.entry->layer == Layer::base) {
    out.push_back({"refuse that root, everywhere",
                   "trustctl distrust " + judgement.entry->certificate.fingerprint.text()});
  }
  if (judgement.trusted_by == TrustedBy::added_root && !judgement.entry->hosts.empty() &&
      !names_outside(judgement.entry->hosts, judgement.path.front()).empty()) {
    out.push_back({"have programs that read files accept it: let the entry be for all its names",
                   "trustctl show " + name_of_entry(judgement.entry).value_or("ID")});
  }
  if (judgement.pin_status == PinStatus::none && asked.dialled && asked.starttls.empty()) {
    const std::string server = shell_word(asked.endpoint.text());
    out.push_back({"accept this key alone", "trustctl pin add " + server + " --from " + server});
  }
  if (judgement.pin_status == PinStatus::lapsed || judgement.pin_status == PinStatus::reported) {
    out.push_back({"see what is pinned", "trustctl pin list " + shell_word(asked.endpoint.text())});
  }
}

} // namespace

EmittedForm emitted_form(const Snapshot& snapshot, const Entry& entry, bool system, UnixTime now) {
  EmittedForm form;
  const EmissionRules rules{now, system, snapshot.distrusts_key(entry.certificate.spki_hash)};
  snapshot.each_pair_of(entry.certificate.subject_hash, [&](const std::vector<StoredEntry>& pair) {
    for (std::size_t i = 0; i < pair.size(); ++i) {
      if (pair[i].entry.id != entry.id) continue;
      const Emission emission = emission_of(pair, rules, make_shadow);
      const Emitted& emitted = emission.entries.at(i);
      form.why = emitted.why;
      if (!emitted.anchor) continue;
      const EmittedAnchor& anchor = emission.anchors.at(*emitted.anchor);
      form.as = anchor.shadow ? "shadow" : "original";
      form.wider_by = anchor.wider_by;
    }
  });
  return form;
}

std::vector<FileFact> files_of(const Asked& asked, const EmittedForm& form, const ToolFiles& files,
                               UnixTime now) {
  const std::optional<Entry>& entry = asked.judgement.entry;
  const Host& host = asked.endpoint.host;
  const std::string holds = entry && entry->trust != Trust::distrusted ? form.as : "nothing";
  const bool own = entry && entry->layer != Layer::base;
  std::vector<FileFact> facts;
  const auto add = [&](const std::string& file, const std::string& holding, std::string_view reader,
                       ToolVerdict verdict) {
    facts.push_back(
        {file, files.store + "/current/" + file, holding, std::string(reader), std::move(verdict)});
  };
  const std::string_view requests = name_of(Tool::requests);
  const ToolVerdict bundle = verdict_by_file(asked.chain, host, files, "bundle.pem", now);
  add("bundle.pem", holds, requests, bundle);
  add("hashed", holds, requests, bundle);
  add("extra.pem", own ? holds : "nothing", requests,
      verdict_by_file(asked.chain, host, files, "extra.pem", now));
  add("truststore.p12", holds, name_of(Tool::java),
      verdict_of(Tool::java, asked.chain, host, files, now));
  if (own && holds != "nothing") {
    const std::string file = "certs/" + entry->certificate.fingerprint.text() + ".pem";
    add(file, holds, requests, verdict_by_file(asked.chain, host, files, file, now));
  }
  return facts;
}

std::vector<ToolFact> tools_of(const Asked& asked, const EmittedForm& form, const ToolFiles& files,
                               UnixTime now) {
  std::vector<ToolFact> facts;
  for (const Tool tool : kTools) {
    ToolFact fact{tool, verdict_of(tool, asked.chain, asked.endpoint.host, files, now), {}};
    const bool trusted = asked.judgement.trusted();
    if (fact.verdict.accepts && !trusted) {
      fact.why = why_laxer(tool, asked.judgement.verdict, form);
    } else if (!fact.verdict.accepts) {
      fact.why =
          trusted ? why_stricter(tool, asked.judgement, fact.verdict, form) : fact.verdict.why;
    }
    facts.push_back(std::move(fact));
  }
  return facts;
}

std::vector<Remedy> remedies_of(const Asked& asked) {
  const Judgement& judgement = asked.judgement;
  const auto entry = name_of_entry(judgement.entry);
  std::vector<Remedy> out;
  switch (judgement.verdict) {
    case Verdict::ok: remedies_of_trusted(asked, out); break;
    case Verdict::self_signed:
      out.push_back({"trust it, once you compared its fingerprint with the server's own",
                     "trustctl add " + server_word(asked)});
      break;
    case Verdict::unknown_issuer:
      out.push_back({"trust what it presents, once you compared the fingerprint",
                     "trustctl add " + server_word(asked)});
      out.push_back({"or trust the CA that issued it, for this host",
                     "trustctl add ca.pem --host " + host_word(asked.endpoint)});
      break;
    case Verdict::expired: out.push_back({"renew the certificate at the server", ""}); break;
    case Verdict::not_yet_valid: out.push_back({"compare this machine's clock", "date"}); break;
    case Verdict::name_mismatch:
      out.push_back({"ask for the server by one of its names", ""});
      out.push_back({"or trust this very certificate for this host all the same",
                     "trustctl add " + server_word(asked) + " --as leaf --host " +
                         host_word(asked.endpoint)});
      break;
    case Verdict::pin_mismatch:
    case Verdict::pin_missing: remedies_of_pins(asked, out); break;
    case Verdict::distrusted:
      if (entry && judgement.entry->layer == Layer::own) {
        out.push_back({"see why it was distrusted", "trustctl show " + *entry});
        out.push_back({"distrust it no longer", "trustctl rm " + *entry});
      } else if (judgement.entry && judgement.entry->layer == Layer::machine) {
        out.push_back({"it is the machine's decision: ask who administers it", ""});
      } else {
        out.push_back({"see what is distrusted", "trustctl list"});
      }
      break;
    case Verdict::bad_chain:
      out.push_back({"see what the server presents; it is the server that has to change",
                     "openssl s_client -showcerts -connect " + shell_word(asked.endpoint.text())});
      break;
    case Verdict::weak:
      out.push_back({"give the server a stronger key and certificate", ""});
      break;
    case Verdict::out_of_scope:
      if (entry) {
        out.push_back({"see what it is trusted for", "trustctl show " + *entry});
        std::string hosts;
        for (const Pattern& pattern : judgement.entry->hosts) {
          hosts += " --host " + shell_word(pattern.text());
        }
        out.push_back({"trust it for this host too", "trustctl add ca.pem --replace --label " +
                                                         *entry + hosts + " --host " +
                                                         host_word(asked.endpoint)});
      }
      break;
  }
  return out;
}

std::vector<Remedy> remedies_of(const Entry& entry) {
  std::vector<Remedy> out;
  const auto name = name_of_entry(entry);
  if (entry.layer == Layer::own && name) {
    out.push_back(
        {entry.trust == Trust::distrusted ? "distrust it no longer" : "trust it no longer",
         "trustctl rm " + *name});
  }
  if (entry.trust != Trust::distrusted) {
    out.push_back({"refuse it and everything with its key",
                   "trustctl distrust " + name.value_or(entry.certificate.fingerprint.text())});
  }
  if (entry.layer == Layer::machine) {
    out.push_back({"it is the machine's decision: ask who administers it", ""});
  }
  for (const Pattern& pattern : entry.hosts) {
    if (pattern.kind() != Pattern::Kind::host) continue;
    out.push_back({"see what becomes of the server itself",
                   "trustctl why " + shell_word(Endpoint{pattern.base(), 443}.text())});
    break;
  }
  return out;
}

std::optional<std::size_t> position_of(const Pin& pin, std::span<const Certificate> path) {
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (Pin::of(path[i]).text() == pin.text()) return i;
  }
  return std::nullopt;
}

Json json_of(const EmittedForm& form) {
  return {{"as", form.as}, {"why", form.why}, {"wider_by", form.wider_by}};
}

Json json_of(const FileFact& fact) {
  return {{"file", fact.file},
          {"path", fact.path},
          {"holds", fact.holds},
          {"reader", fact.reader},
          {"accepts", fact.verdict.accepts},
          {"why", fact.verdict.why}};
}

Json json_of(const ToolFact& fact) {
  return {{"tool", name_of(fact.tool)},
          {"reads", reads_of(fact.tool)},
          {"accepts", fact.verdict.accepts},
          {"why", fact.why}};
}

Json json_of(const Remedy& remedy) { return {{"what", remedy.what}, {"command", remedy.command}}; }

} // namespace trust
