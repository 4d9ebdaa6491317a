#include "libtrust/path.h"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <new>

#include "libtrust/handles.h"

namespace trust {
namespace {

bool same_bytes(ByteView a, ByteView b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin());
}

bool same_identity(const Certificate& a, const Certificate& b) {
  return a.spki_hash() == b.spki_hash() && same_bytes(a.subject_der(), b.subject_der());
}

// How many times as long as with 65537: the exponent is as long as the peer likes, up to 32 bits.
std::size_t effort_of_exponent(const EVP_PKEY* key) {
  std::array<unsigned char, sizeof(std::uint64_t)> bytes{}; // of a number as the machine has it
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_E, bytes.data(), bytes.size()),
      OSSL_PARAM_construct_end()};
  const bool read = EVP_PKEY_get_params(key, parameters) == 1;
  const auto length = static_cast<int>(read ? std::bit_width(std::bit_cast<std::uint64_t>(bytes))
                                            : std::uint64_t{32});
  return 1 + static_cast<std::size_t>(std::max(length - 17, 0)) / 5;
}

// What a check of a signature by this key costs, in 50 microseconds.
std::size_t effort_of(const Certificate& by) {
  const EVP_PKEY* key = X509_get0_pubkey(by.x509());
  if (key == nullptr) return 1;
  const auto bits = static_cast<std::size_t>(std::max(EVP_PKEY_get_bits(key), 1));
  if (EVP_PKEY_is_a(key, "RSA") == 1 || EVP_PKEY_is_a(key, "RSA-PSS") == 1)
    return 1 + bits * bits / (4096 * 2048) * effort_of_exponent(key);
  if (EVP_PKEY_is_a(key, "EC") != 1) return 4;
  if (bits <= 256) return by.key_kind() == "EC P-256" ? 2 : 16;
  return by.key_kind() == "EC P-521" ? 12 : bits <= 384 ? 24 : 48;
}

bool may_issue(const Certificate& issuer, const Certificate& certificate) {
  const ErrorQueueGuard queue;
  return X509_check_issued(issuer.x509(), certificate.x509()) == X509_V_OK;
}

// How well an issuer's key identifier fits what the certificate says: the less the better.
int key_identifier_rank(const Certificate& issuer, const Certificate& certificate) {
  if (issuer.key_weakness()) return 3; // no such key is decoded before it is admitted
  const ASN1_OCTET_STRING* wanted = X509_get0_authority_key_id(certificate.x509());
  const ASN1_OCTET_STRING* has = X509_get0_subject_key_id(issuer.x509());
  if (wanted == nullptr || has == nullptr) return 1;
  return ASN1_OCTET_STRING_cmp(wanted, has) == 0 ? 0 : 2;
}

} // namespace

PathSearch::PathSearch(std::span<const Certificate> presented, const View& view, PathScreen& screen)
    : view_(view), screen_(screen) {
  for (const Certificate& certificate : presented) {
    const bool seen = std::any_of(presented_.begin(), presented_.end(), [&](const auto* other) {
      return other->fingerprint() == certificate.fingerprint();
    });
    if (!seen) presented_.push_back(&certificate);
  }
}

bool PathSearch::run() {
  const Certificate& leaf = *presented_.front();
  if (!screen_.admits(leaf, false)) return false;
  // The very certificate may be a root.
  const auto same = view_.anchors(leaf.subject_hash());
  for (const Anchor& anchor : *same) {
    if (anchor.certificate.fingerprint() != leaf.fingerprint()) continue;
    if (!screen_.in_force(anchor.entry)) continue;
    path_ = {{&leaf}, &anchor, same};
    ++work_.paths;
    if (screen_.accepts(path_)) return true;
  }
  path_ = {{&leaf}, nullptr, nullptr};
  return extend();
}

bool PathSearch::in_path(const Certificate& certificate) const {
  return std::any_of(path_.certificates.begin(), path_.certificates.end(),
                     [&](const Certificate* other) { return same_identity(*other, certificate); });
}

std::vector<PathSearch::Issuer> PathSearch::issuers_of(const Certificate& certificate) {
  std::vector<Issuer> found;
  const auto anchors = view_.anchors(certificate.issuer_hash());
  kept_.push_back(anchors);
  const auto is_named = [&](const Certificate& other) {
    return other.subject_hash() == certificate.issuer_hash() &&
           (other.key_weakness() || may_issue(other, certificate));
  };
  const auto best_first = [&](std::size_t from) {
    std::stable_sort(found.begin() + static_cast<std::ptrdiff_t>(from), found.end(),
                     [&](const Issuer& a, const Issuer& b) {
                       return key_identifier_rank(*a.certificate, certificate) <
                              key_identifier_rank(*b.certificate, certificate);
                     });
  };
  for (const Anchor& anchor : *anchors)
    if (screen_.in_force(anchor.entry) && is_named(anchor.certificate))
      found.push_back({&anchor.certificate, &anchor});
  const std::size_t of_anchors = found.size();
  if (of_anchors > 1) best_first(0);
  for (const Certificate* other : presented_)
    if (is_named(*other)) found.push_back({other, nullptr});
  if (found.size() > of_anchors + 1) best_first(of_anchors);
  return found;
}

bool PathSearch::signed_by(const Certificate& of, const Certificate& by) {
  const auto [known, is_new] = signatures_.try_emplace({&of, &by}, false);
  if (!is_new) return known->second;
  work_.effort += effort_of(by);
  if (++work_.signature_checks > kMostSignatureChecks || work_.effort > kMostEffort) {
    spent_ = true;
    return false;
  }
  known->second = of.is_signed_by(by);
  if (!known->second) screen_.bad_signature(of, by);
  return known->second;
}

bool PathSearch::complete(const Issuer& issuer) {
  if (++work_.paths > kMostCandidatePaths) {
    spent_ = true;
    return false;
  }
  path_.certificates.push_back(issuer.certificate);
  path_.anchor = issuer.anchor;
  for (const auto& anchors : kept_)
    if (issuer.anchor >= anchors->data() && issuer.anchor < anchors->data() + anchors->size())
      path_.same_subject = anchors;
  const bool accepted = screen_.accepts(path_);
  path_.certificates.pop_back();
  return accepted;
}

bool PathSearch::extend() {
  const Certificate& last = *path_.certificates.back();
  for (const Issuer& issuer : issuers_of(last)) {
    if (++work_.steps > kMostPathSteps) spent_ = true;
    if (spent_) return false;
    if (issuer.anchor == nullptr && in_path(*issuer.certificate)) continue;
    if (!screen_.admits(*issuer.certificate, issuer.anchor != nullptr)) continue;
    if (issuer.certificate->key_weakness() && !may_issue(*issuer.certificate, last)) continue;
    if (!signed_by(last, *issuer.certificate)) continue;
    if (issuer.anchor != nullptr) {
      if (complete(issuer)) return true;
    } else {
      path_.certificates.push_back(issuer.certificate);
      const bool accepted = extend();
      path_.certificates.pop_back();
      if (accepted) return true;
    }
  }
  return false;
}

} // namespace trust
