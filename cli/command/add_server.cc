// `trustctl add HOST:PORT`.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/command/add.h"
#include "cli/command/entry.h"
#include "cli/command/judged.h"
#include "cli/command/value.h"
#include "libtrust/dial.h"
#include "libtrust/error.h"
#include "libtrust/label.h"
#include "libtrust/pin.h"
#include "libtrust/propose.h"

namespace trust {
namespace {

constexpr int kMostLabelTries = 100;

std::string scope_of(const Proposal& proposal) {
  if (proposal.hosts.empty()) {
    return proposal.trust == Trust::leaf ? "the names it was issued for" : "every name";
  }
  std::string text;
  for (const Pattern& pattern : proposal.hosts) {
    text += (text.empty() ? "" : ", ") + pattern.text();
  }
  return text;
}

std::string_view meaning_of(Trust trust) {
  switch (trust) {
    case Trust::root: return "root: a CA, trusted for what it signed";
    case Trust::leaf: return "leaf: this very certificate, nothing it signs";
    case Trust::distrusted: return "distrusted";
  }
  return "";
}

std::string proposal_text(const Presented& presented, const Proposal& proposal,
                          const std::optional<UnixTime>& end, UnixTime now,
                          const Terminal& terminal) {
  std::string text = presented.endpoint.text() + " presents, over " + presented.tls_version + ":\n";
  int number = 0;
  for (const Certificate& certificate : presented.chain) {
    text += "  " + std::to_string(++number) + ". " + shown(certificate.subject());
    text += certificate.fingerprint() == proposal.certificate.fingerprint() ? "   <- to be stored\n"
                                                                            : "\n";
  }
  const Certificate& stored = proposal.certificate;
  std::string names;
  for (const std::string& name : stored.dns_names()) {
    names += (names.empty() ? "" : ", ") + shown(name);
  }
  for (const Host& address : stored.addresses()) {
    names += (names.empty() ? "" : ", ") + address.text();
  }
  constexpr std::size_t kMostNamesBytes = 400;
  if (names.size() > kMostNamesBytes) {
    names.resize(kMostNamesBytes);
    names += "…";
  }
  text += fields_text({{"subject", shown(stored.subject())},
                       {"issuer", shown(stored.issuer())},
                       {"names", names},
                       {"valid from", when(rfc3339(stored.not_before()), now)},
                       {"valid to", when(rfc3339(stored.not_after()), now)},
                       {"key", shown(stored.key_kind())},
                       {"as", std::string(meaning_of(proposal.trust))},
                       {"for", scope_of(proposal)},
                       {"ends", end ? when(rfc3339(*end), now) : ""},
                       {"label", proposal.label},
                       {"fingerprint", stored.fingerprint().text()}},
                      terminal);
  for (const std::string& warning : proposal.warnings) text += "warning: " + warning + "\n";
  return text;
}

// The label that a person would get had they not said one: free, or this certificate's already.
std::string free_label(Context& context, const std::string& wanted,
                       const Fingerprint& fingerprint) {
  for (int i = 1; i <= kMostLabelTries; ++i) {
    std::string label = wanted;
    if (i > 1) {
      const std::string suffix = "-" + std::to_string(i);
      label = label.substr(0, kMaxLabelBytes - suffix.size()) + suffix;
    }
    const Json answer = context.client().get("/v1/certificates", {{"label", label}});
    const Json& entries = array_at(answer, "certificates");
    if (entries.empty() || text_at(entries.front(), "fingerprint") == fingerprint.text()) {
      return label;
    }
  }
  throw Error(Code::conflict, "the label " + wanted + " is taken, and so are those like it",
              "trustctl list");
}

Error wrong_fingerprint(const Presented& presented, const Proposal& proposal,
                        const Fingerprint& expected) {
  const std::string where = presented.endpoint.text();
  for (const Certificate& certificate : presented.chain) {
    if (certificate.fingerprint() != expected) continue;
    const bool is_own = certificate.fingerprint() == presented.chain.front().fingerprint();
    return {Code::fingerprint,
            where + " presents a certificate with the fingerprint " + expected.text() +
                ", but what would be stored is another of its chain, with the fingerprint " +
                proposal.certificate.fingerprint().text(),
            is_own && proposal.trust == Trust::root ? "trustctl add " + where + " --as leaf" : ""};
  }
  return {Code::fingerprint, "the certificate of " + where + " has the fingerprint " +
                                 proposal.certificate.fingerprint().text() + ", not the expected " +
                                 expected.text()};
}

// Somebody vouches for the certificate, or it is not stored.
void confirm(const Context& context, const AddArguments& arguments, const Presented& presented,
             const Proposal& proposal, const std::string& text) {
  if (arguments.tofu) { // the person vouches for the first contact, whatever it shows
    context.terminal().note(text);
    return;
  }
  if (arguments.fingerprint) {
    const Fingerprint expected = said([&] { return Fingerprint::parse(*arguments.fingerprint); });
    if (expected != proposal.certificate.fingerprint()) {
      throw wrong_fingerprint(presented, proposal, expected);
    }
    for (const std::string& warning : proposal.warnings) context.terminal().warn(warning);
    return;
  }
  if (!context.terminal().can_ask()) {
    // Not the fingerprint that was presented: pasting it back would compare it with itself.
    context.terminal().note(text);
    throw Error(Code::not_confirmed,
                "nobody is here to compare the fingerprint of " + presented.endpoint.text() +
                    "; nothing was changed",
                "trustctl add " + presented.endpoint.text() +
                    (arguments.starttls.empty() ? "" : " --starttls " + arguments.starttls) +
                    " --fingerprint HEX, as `openssl x509 -noout -fingerprint -sha256 -in FILE` "
                    "prints it where the certificate comes from");
  }
  if (!context.terminal().ask(text, "compare the fingerprint with the server's; trust it?")) {
    throw Error(Code::not_confirmed, "not confirmed; nothing was changed");
  }
}

// What was seen at the first contact, for the record.
std::string evidence(const Presented& presented, UnixTime now, const std::string& reason) {
  constexpr std::size_t kMostNamed = 8;
  std::string text = "first contact with " + presented.endpoint.text() + " at " +
                     presented.address + " on " + rfc3339(now) + ", which presented";
  for (std::size_t i = 0; i < presented.chain.size() && i < kMostNamed; ++i) {
    text += " " + presented.chain[i].fingerprint().text();
  }
  if (presented.chain.size() > kMostNamed) {
    text += " and " + std::to_string(presented.chain.size() - kMostNamed) + " more";
  }
  return reason.empty() ? text : reason + " (" + text + ")";
}

// A server that was met before is what it was then, or is refused: a person decides about a change.
void refuse_another_contact(Context& context, const Presented& presented,
                            const Proposal& proposal) {
  const std::string where = presented.endpoint.text();
  const Json answer =
      context.client().get("/v1/pins", {{"host", presented.endpoint.host.text()},
                                        {"port", std::to_string(presented.endpoint.port)}});
  const Json& pins = array_at(answer, "pins");
  if (pins.empty()) return;
  const std::string own = Pin::of(presented.chain.front()).text();
  const bool has_key = std::any_of(pins.begin(), pins.end(),
                                   [&](const Json& pin) { return text_at(pin, "pin") == own; });
  const Json stored =
      context.client().get("/v1/certificates", {{"host", presented.endpoint.host.text()}});
  const Json& entries = array_at(stored, "certificates");
  const std::string fingerprint = proposal.certificate.fingerprint().text();
  const bool is_stored = std::any_of(entries.begin(), entries.end(), [&](const Json& entry) {
    return text_at(entry, "fingerprint") == fingerprint && text_at(entry, "trust") != "distrusted";
  });
  if (has_key && is_stored) return;
  throw Error(Code::fingerprint,
              where +
                  (has_key ? " presents another certificate, with the same key, than it did"
                           : " presents another key than it did") +
                  " when it was met first; nothing was changed",
              "compare it with the server's; if it is right: trustctl pin rm " + where +
                  " && trustctl add " + where + " --replace --pin");
}

// So that a later change is an alert, and not only a refusal.
void watch(Context& context, const Endpoint& endpoint) {
  try {
    context.client().post("/v1/watches",
                          Json{{"endpoint", endpoint.text()}, {"reason", "its first contact"}});
  } catch (const Error& error) {
    context.terminal().note("it is not watched for changes: " + printable(error.message()));
  }
}

} // namespace

void add_server(Context& context, const AddArguments& arguments, const Endpoint& endpoint) {
  if (arguments.fingerprint) said([&] { return Fingerprint::parse(*arguments.fingerprint); });
  const UnixTime now = system_clock_now();
  Wish wish;
  if (!arguments.as.empty()) wish.trust = parse_trust(arguments.as);
  for (const std::string& host : arguments.hosts) {
    wish.hosts.push_back(said([&] { return Pattern::parse(host); }));
  }
  if (arguments.label) wish.label = said([&] { return parse_label(*arguments.label); });
  wish.expires_at = end_from(arguments.duration, arguments.until, now);
  wish.emit_signing = arguments.emit_signing;
  wish.system_wide = context.globals().system;

  // Nobody is asked about what could not be stored for want of a daemon.
  const Client& client = context.client();
  DialOptions options;
  options.starttls = starttls_of(arguments.starttls);
  const Presented presented = dial(endpoint, options);
  const Proposal proposal = propose(endpoint, presented.chain, wish, now);
  if (arguments.tofu) refuse_another_contact(context, presented, proposal);
  confirm(context, arguments, presented, proposal,
          proposal_text(presented, proposal, wish.expires_at, now, context.terminal()));

  Json body = add_request(context, arguments, now);
  body["pem"] = proposal.certificate.pem();
  body["trust"] = name_of(proposal.trust);
  body["source"] = endpoint.text();
  body["hosts"] = Json::array();
  for (const Pattern& pattern : proposal.hosts) body["hosts"].push_back(pattern.text());
  if (arguments.tofu) {
    body["reason"] = evidence(presented, now, context.globals().reason);
    body["pins"] = Json::array({Pin::of(presented.chain.front()).text()});
    body["pin_for"] = endpoint.text();
  }
  if (!arguments.label) {
    body["label"] = arguments.replace
                        ? proposal.label
                        : free_label(context, proposal.label, proposal.certificate.fingerprint());
  }
  print_addition(context, client.post("/v1/certificates", body), proposal.warnings);
  if (arguments.tofu) watch(context, endpoint);
}

} // namespace trust
