#include "daemon/identities.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "libtrust/error.h"
#include "libtrust/key_files.h"
#include "libtrust/label.h"
#include "libtrust/propose.h"

namespace trust {
namespace {

constexpr int kMostLabelTries = 1000;
constexpr std::size_t kAllDigits = 64; // of a fingerprint: no prefix will do
constexpr std::string_view kCaLabel = "local-ca";

std::string ca_name(const PrivateKey& key) {
  return "trustd local CA " + hex(sha256(key.spki())).substr(0, 8);
}

std::string label_of(const std::vector<Pattern>& names) {
  const std::string label = fitted_label(names.front().text());
  return label.empty() ? "certificate" : label;
}

ServerCertificate wish_of(const Identity& identity, UnixTime now) {
  return {identity.names, identity.digest, now, now + identity.days * kSecondsPerDay, identity.ca};
}

} // namespace

Certificate Identities::sign_by_ca(const ServerCertificate& wish, ByteView spki) {
  const auto [ca, der] = readers_.with([](Store& store) {
    const auto found = store.local_ca();
    return std::pair(found, found ? store.der(found->certificate.fingerprint) : std::nullopt);
  });
  if (!ca || !der) {
    throw Error(Code::not_found, "there is no local CA yet", "trustctl ca init --permit '**.test'");
  }
  const Fd directory = open_key_directory(ca->directory);
  const PrivateKey key = PrivateKey::from_pem(read_key(directory.get(), ca->directory),
                                              ca->directory + "/" + kKeyFile);
  const Certificate certificate = Certificate::from_der(*der);
  if (sha256(key.spki()) != certificate.spki_hash()) {
    // Between the switch of its files and now, or somebody exchanged them.
    throw Error(Code::busy, "the local CA's key is not that of its certificate",
                "try again in a moment; trustctl ca show");
  }
  return issue_for(wish, spki, {certificate, key, ca->names});
}

Identities::Minted Identities::mint(const Identity& identity) {
  const UnixTime now = clock_();
  PrivateKey key = PrivateKey::generate(identity.key);
  if (identity.kind == Identity::Kind::ca) {
    IssuedCa ca = issue_ca(
        {ca_name(key), identity.names, identity.digest, now, now + identity.days * kSecondsPerDay},
        key);
    return {std::move(key), std::move(ca.certificate)};
  }
  Certificate certificate = identity.from_ca ? sign_by_ca(wish_of(identity, now), key.spki())
                                             : issue_self_signed(wish_of(identity, now), key);
  return {std::move(key), std::move(certificate)};
}

std::string Identities::label_for(const std::string& said, const std::string& wanted) {
  return readers_.with([&](Store& store) {
    const auto is_taken = [&](const std::string& label) {
      EntryFilter filter;
      filter.label = label;
      if (said.empty() && !store.entries(filter, 1, 0).empty()) return true;
      try {
        store.find_identity(label, kAllDigits);
        return true;
      } catch (const Error& error) {
        if (error.code() != Code::not_found) throw;
        return false;
      }
    };
    if (!said.empty()) {
      // Before anything is written, for its directory is called like it.
      if (is_taken(said)) {
        throw Error(Code::conflict, "the label \"" + said + "\" is that of another identity",
                    "another --label, or trustctl identity rm " + said);
      }
      return said;
    }
    for (int i = 1; i <= kMostLabelTries; ++i) {
      const std::string suffix = i == 1 ? "" : "-" + std::to_string(i);
      std::string label = wanted.substr(0, kMaxLabelBytes - suffix.size()) + suffix;
      if (!is_taken(label)) return label;
    }
    throw Error(Code::conflict, "the label " + wanted + " is taken, and so are those like it",
                "trustctl identity list");
  });
}

void Identities::write_files(Identity& identity, const Minted& minted, bool replace) {
  const bool ours = identity.directory.empty();
  if (ours) {
    open_own_directory(layout_.keys, 0700);
    identity.directory = layout_.keys + "/" + identity.label;
  }
  const Fd directory = open_key_directory(identity.directory);
  if (ours) {
    remove_pairs(directory.get()); // of one that was not stored
  } else if (!replace) {
    refuse_existing_pair(directory.get(), identity.directory);
  }
  const std::string name = pair_name(minted.certificate.fingerprint());
  prepare_pair(directory.get(), name, minted.key.pem(identity.key_format),
               minted.certificate.pem());
  show_pair(directory.get(), name);
}

Identities::Prepared Identities::prepare(const IdentityRequest& request) {
  const std::lock_guard lock(making_);
  Identity identity;
  identity.names = request.names;
  identity.key = request.key;
  identity.digest = request.digest;
  identity.key_format = request.key_format;
  identity.days = request.days;
  identity.ca = request.ca;
  identity.from_ca = request.from_ca;
  identity.directory = request.directory;
  identity.renews = request.renew;
  identity.after_renew = request.after_renew;
  identity.label = label_for(request.label, label_of(request.names));

  std::optional<Certificate> certificate;
  if (request.public_key) {
    certificate = sign_by_ca(wish_of(identity, clock_()), *request.public_key);
  } else {
    const Minted minted = mint(identity);
    write_files(identity, minted, request.replace);
    certificate = minted.certificate;
  }
  Prepared prepared{identity, *certificate, std::nullopt, request.emit_signing, {}};
  prepared.identity.certificate = CertificateFacts::of(*certificate);
  prepared.identity.next_at = next_renewal_of(prepared.identity);
  if (certificate->not_after() < clock_() + request.days * kSecondsPerDay) {
    prepared.warnings.push_back("it ends with the local CA, on " +
                                rfc3339(certificate->not_after()));
  }
  // What the local CA signed is trusted because the CA is.
  if (!request.trust || request.from_ca) return prepared;
  Wish wish;
  wish.trust = Trust::leaf;
  wish.label = identity.label;
  wish.emit_signing = request.emit_signing;
  wish.system_wide = layout_.system;
  Proposal proposal = propose(*certificate, "", wish, clock_());
  prepared.trusted = Addition::Item{std::move(proposal.certificate), proposal.trust,
                                    std::move(proposal.hosts), std::move(proposal.label), false};
  for (std::string& warning : proposal.warnings) prepared.warnings.push_back(std::move(warning));
  return prepared;
}

Identities::Prepared Identities::prepare_ca(const CaRequest& request) {
  const std::lock_guard lock(making_);
  // Before a key is made, and again when it is stored.
  if (const auto there = readers_.with([](Store& store) { return store.local_ca(); })) {
    throw Error(Code::conflict, "there is a local CA already, \"" + there->label + "\"",
                "trustctl ca show");
  }
  Identity identity;
  identity.kind = Identity::Kind::ca;
  identity.names = request.permit;
  identity.key = request.key;
  identity.digest = request.digest;
  identity.days = request.days;
  identity.renews = true;
  identity.label = label_for(request.label, std::string(kCaLabel));
  const UnixTime now = clock_();
  PrivateKey key = PrivateKey::generate(identity.key);
  IssuedCa ca = issue_ca({request.name.empty() ? ca_name(key) : request.name, identity.names,
                          identity.digest, now, now + identity.days * kSecondsPerDay},
                         key);
  const Minted minted{std::move(key), std::move(ca.certificate)};
  write_files(identity, minted, false);
  Prepared prepared{identity, minted.certificate, std::nullopt, false, {}};
  prepared.identity.certificate = CertificateFacts::of(minted.certificate);
  prepared.identity.next_at = next_renewal_of(prepared.identity);
  prepared.trusted =
      Addition::Item{minted.certificate, Trust::root, identity.names, identity.label, false};
  for (const std::string& wider : ca.wider_by) {
    prepared.warnings.push_back(
        "programs that know name constraints alone accept more of what it "
        "signs than it will sign here: " +
        wider);
  }
  prepared.warnings.emplace_back("Java does not obey name constraints of a CA that it trusts");
  return prepared;
}

void Identities::discard(const Prepared& prepared) noexcept {
  if (prepared.identity.directory.empty()) return;
  try {
    const Fd directory = open_key_directory(prepared.identity.directory);
    if (shown_pair(directory.get()) == pair_name(prepared.certificate.fingerprint())) {
      remove_pairs(directory.get());
    }
    forget_files(prepared.identity);
  } catch (const std::exception& error) {
    spdlog::warn("files of what was not stored could not be removed: {}", shown(error.what()));
  }
}

void Identities::forget_files(const Identity& identity) {
  const std::string own = layout_.keys + "/";
  if (!identity.directory.starts_with(own)) return;
  const Fd keys = open_key_directory(layout_.keys);
  const Fd directory = open_key_directory(identity.directory);
  if (remove_pairs(directory.get())) {
    ::unlinkat(keys.get(), identity.directory.substr(own.size()).c_str(), AT_REMOVEDIR);
  }
}

std::optional<UnixTime> next_renewal_of(const Identity& identity) {
  if (!identity.renews) return std::nullopt;
  return renewal_time(identity.certificate.not_before, identity.certificate.not_after);
}

} // namespace trust
