#include "libtrust/propose.h"

#include <algorithm>
#include <utility>

#include "libtrust/emit/constraints.h"
#include "libtrust/emit/shadow.h"
#include "libtrust/error.h"
#include "libtrust/label.h"

namespace trust {
namespace {

std::string name_of(const Certificate& certificate) {
  if (!certificate.common_name().empty()) return '"' + shown(certificate.common_name()) + '"';
  if (certificate.has_names() && !certificate.dns_names().empty()) {
    return '"' + shown(certificate.dns_names().front()) + '"';
  }
  return "the certificate " + certificate.fingerprint().text().substr(0, 16);
}

bool has_expired(const Certificate& certificate, UnixTime now) {
  return now > certificate.not_after();
}

std::string expiry_of(const Certificate& certificate, UnixTime now) {
  return "expired on " + rfc3339(certificate.not_after()).substr(0, 10) + ", " +
         relative(certificate.not_after(), now);
}

bool may_sign(const Certificate& certificate) {
  return certificate.is_ca() && certificate.could_sign();
}

void refuse_unusable(const Certificate& certificate, UnixTime now) {
  if (has_expired(certificate, now)) {
    throw Error(Code::invalid,
                name_of(certificate) + ' ' + expiry_of(certificate, now) +
                    "; trusting it would change nothing",
                "renew it where it comes from, and add the new one");
  }
  if (certificate.weakness()) {
    throw Error(
        Code::invalid,
        name_of(certificate) + " is too weak to be trusted: it has " + *certificate.weakness(),
        "replace it by one with a key of P-256, or RSA of 2048 bits and more, and SHA-256");
  }
}

// What makes openssl-req leave out that a self-signed certificate is a CA.
constexpr std::string_view kNoCa = "-addext basicConstraints=critical,CA:FALSE";

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : ", ") + part;
  return out;
}

void check_root(Proposal& proposal, const Wish& wish) {
  const Certificate& certificate = proposal.certificate;
  if (!may_sign(certificate)) {
    const bool is_ca = certificate.is_ca();
    throw Error(Code::invalid,
                name_of(certificate) +
                    (is_ca ? " cannot be a root: its keyUsage lets it sign no certificates"
                           : " cannot be a root: it is no CA"),
                "leave out --as root, or say --as leaf");
  }
  if (proposal.hosts.empty()) return;
  const Shadow shadow = shadow_of(certificate, proposal.hosts, wish.expires_at);
  if (!shadow.der) {
    proposal.warnings.push_back(
        "programs that read files will not trust it, because its scope "
        "cannot be expressed in a certificate: " +
        shadow.why_not);
    return;
  }
  if (!shadow.wider_by.empty()) {
    proposal.warnings.push_back("programs that read files trust it for more than the scope: for " +
                                joined(shadow.wider_by));
  }
  proposal.warnings.push_back("Java does not obey a scope: with truststore.p12 it trusts " +
                              name_of(certificate) + " for every name");
}

void check_leaf(Proposal& proposal, const Wish& wish) {
  const Certificate& certificate = proposal.certificate;
  if (!certificate.has_names() && proposal.hosts.empty()) {
    throw Error(Code::invalid,
                name_of(certificate) +
                    " names no host in its subjectAltName, so nothing says whom it is for",
                "say which: --host HOST");
  }
  if (!certificate.could_sign()) return;
  const std::string what =
      name_of(certificate) +
      " could sign other certificates, and programs that read files would believe them for any "
      "name";
  if (wish.system_wide && !wish.emit_signing) {
    throw Error(
        Code::not_confirmed, what,
        "make one with CA:FALSE (openssl req … " + std::string(kNoCa) + "), or say --emit-signing");
  }
  proposal.warnings.push_back(
      what + "; a certificate with CA:FALSE is the way out: openssl req … " + std::string(kNoCa));
}

Proposal checked(Proposal proposal, const Wish& wish, UnixTime now) {
  if (proposal.trust == Trust::distrusted) {
    if (!wish.hosts.empty()) {
      throw Error(Code::invalid, "what is distrusted is distrusted for every host",
                  "leave --host out");
    }
    return proposal;
  }
  refuse_unusable(proposal.certificate, now);
  if (now < proposal.certificate.not_before()) {
    const UnixTime begin = proposal.certificate.not_before();
    proposal.warnings.push_back(name_of(proposal.certificate) + " is not valid before " +
                                rfc3339(begin) + " (" + relative(begin, now) +
                                "); until then everybody refuses it");
  }
  if (proposal.trust == Trust::root) check_root(proposal, wish);
  if (proposal.trust == Trust::leaf) check_leaf(proposal, wish);
  // A shadow carries the end in its dates; what is emitted as it is cannot.
  if (wish.expires_at && (proposal.trust == Trust::leaf || proposal.hosts.empty())) {
    proposal.warnings.push_back("the published files do not end by themselves: the daemon takes " +
                                name_of(proposal.certificate) + " out of them at " +
                                rfc3339(*wish.expires_at) + ", so it must be running then");
  }
  return proposal;
}

// The topmost of a path, its first left out, that may be trusted; null if there is none.
const Certificate* topmost_ca(const std::vector<Certificate>& path, UnixTime now) {
  const auto usable = [&](const Certificate& certificate) {
    return may_sign(certificate) && !has_expired(certificate, now) &&
           now >= certificate.not_before() && !certificate.weakness();
  };
  const auto found = std::find_if(path.rbegin(), path.rend() - 1, usable);
  return found == path.rend() - 1 ? nullptr : &*found;
}

// Constraints are asked for every name of a certificate, not only for the one that is dialled.
void warn_of_names_outside(Proposal& proposal, const Certificate& server) {
  const std::vector<std::string> outside = names_outside(proposal.hosts, server);
  if (outside.empty()) return;
  std::vector<std::string> names;
  std::string options;
  for (const Pattern& pattern : proposal.hosts) options += " --host '" + pattern.text() + "'";
  for (const std::string& name : outside) {
    names.push_back(shown(name));
    if (name.starts_with("*.") ? Host::try_parse(name.substr(2)) : Host::try_parse(name)) {
      options += " --host '" + Pattern::parse(name).text() + "'";
    }
  }
  proposal.warnings.push_back(
      "programs that read files (requests, curl, Node) refuse the server's certificate still, "
      "because it is for " +
      joined(names) + " as well, which is outside the scope; to take it as it is:" + options);
}

Proposal server_root(const Endpoint& endpoint, const Certificate& ca, const Certificate& server,
                     const Wish& wish, UnixTime now) {
  Proposal proposal{ca, Trust::root, wish.hosts, {}, {}};
  if (proposal.hosts.empty()) proposal.hosts.push_back(Pattern::parse(endpoint.host.text()));
  if (has_expired(server, now)) {
    proposal.warnings.push_back("the server's own certificate " + expiry_of(server, now) +
                                ": it is refused until it is renewed");
  } else if (!server.covers(endpoint.host)) {
    proposal.warnings.push_back("the server's own certificate does not name " +
                                endpoint.host.text() + ": it is refused still");
  } else {
    warn_of_names_outside(proposal, server);
  }
  return proposal;
}

Proposal server_leaf(const Endpoint& endpoint, const Certificate& server, const Wish& wish) {
  Proposal proposal{server, Trust::leaf, wish.hosts, {}, {}};
  const std::string& host = endpoint.host.text();
  if (!server.covers(endpoint.host)) {
    if (proposal.hosts.empty()) proposal.hosts.push_back(Pattern::parse(host));
    proposal.warnings.push_back("the certificate does not name " + host +
                                ": programs that check names themselves (requests, curl, Node, "
                                "Java) refuse it still");
  }
  if (!server.is_self_signed()) {
    proposal.warnings.push_back(
        "its issuer is not trusted by this: curl and Java take the certificate itself, but "
        "requests "
        "and Node refuse it still, and want the CA: trustctl add ca.pem --host " +
        host);
  }
  return proposal;
}

} // namespace

std::vector<Certificate> path_of(const std::vector<Certificate>& chain) {
  constexpr int kMaxSignatures = 64;
  const ErrorQueueGuard queue;
  std::vector<Certificate> path{chain.front()};
  std::vector<bool> used(chain.size());
  used[0] = true;
  int signatures = 0;
  while (!path.back().verifies_itself()) {
    bool found = false;
    for (std::size_t i = 1; i < chain.size() && !found && signatures < kMaxSignatures; ++i) {
      // What is weak may also be costly to compute with, and is never proposed.
      if (used[i] || chain[i].subject() != path.back().issuer() || chain[i].weakness()) continue;
      ++signatures;
      EVP_PKEY* const key = X509_get0_pubkey(chain[i].x509());
      if (key == nullptr || X509_verify(path.back().x509(), key) != 1) continue;
      used[i] = found = true;
      path.push_back(chain[i]);
    }
    if (!found) break;
  }
  return path;
}

Proposal propose(const Certificate& certificate, std::string_view file, const Wish& wish,
                 UnixTime now) {
  const bool suggests_root = may_sign(certificate) && !certificate.has_names();
  const Trust trust = wish.trust.value_or(suggests_root ? Trust::root : Trust::leaf);
  return checked({certificate,
                  trust,
                  wish.hosts,
                  wish.label.empty() ? label_for(certificate, file) : wish.label,
                  {}},
                 wish, now);
}

Proposal propose(const Endpoint& endpoint, const std::vector<Certificate>& chain, const Wish& wish,
                 UnixTime now) {
  if (chain.empty()) throw Error(Code::invalid, endpoint.text() + " presented no certificate");
  const Certificate& server = chain.front();
  const std::vector<Certificate> path = path_of(chain);
  const Certificate* const ca = topmost_ca(path, now);

  Trust trust = ca != nullptr ? Trust::root : Trust::leaf;
  if (wish.trust) trust = *wish.trust;
  Proposal proposal{server, trust, wish.hosts, {}, {}};
  if (trust == Trust::root && ca != nullptr) {
    proposal = server_root(endpoint, *ca, server, wish, now);
  } else if (trust == Trust::root && !may_sign(server)) {
    throw Error(Code::invalid, endpoint.text() + " presents no CA that could be a root",
                "add the CA from a file: trustctl add ca.pem --host " + endpoint.host.text());
  } else if (trust == Trust::root) {
    proposal = server_root(endpoint, server, server, wish, now);
  } else if (trust == Trust::leaf) {
    proposal = server_leaf(endpoint, server, wish);
    if (path.size() > 1 && !wish.trust) {
      proposal.warnings.push_back(
          "the CA that the server presents is expired, weak or allowed to "
          "sign nothing, and is not proposed");
    }
  }
  proposal.label = wish.label.empty() ? label_for(endpoint) : wish.label;
  return checked(std::move(proposal), wish, now);
}

} // namespace trust
