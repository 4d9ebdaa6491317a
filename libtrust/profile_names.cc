// Name constraints.

#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <string_view>

#include "libtrust/handles.h"
#include "libtrust/profile.h"

namespace trust {
namespace {

using Path = std::span<const Certificate* const>;

std::string_view text_of(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<std::size_t>(ASN1_STRING_length(string))};
}

bool same_letters(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; };
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [&](char x, char y) { return lower(x) == lower(y); });
}

using Counts = PathLedger::Counts; // the subject is a directory name

bool is_type(int type) { return type >= 0 && type < 16; }

Counts count_names(const Certificate& certificate) {
  Counts counts{};
  const GeneralNamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate.x509(), NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const int type = sk_GENERAL_NAME_value(names.get(), i)->type;
    if (is_type(type)) ++counts[static_cast<std::size_t>(type)];
  }
  const X509_NAME* subject = X509_get_subject_name(certificate.x509());
  ++counts[GEN_DIRNAME];
  // OpenSSL takes each address in the subject for a mailbox, too.
  counts[GEN_EMAIL] += static_cast<std::size_t>(std::max(X509_NAME_entry_count(subject), 0));
  return counts;
}

const Counts& names_of(const Certificate& certificate, PathLedger& ledger) {
  const auto known = ledger.names.find(&certificate);
  if (known != ledger.names.end()) return known->second;
  return ledger.names.emplace(&certificate, count_names(certificate)).first->second;
}

std::size_t sum(const Counts& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::size_t{0});
}

// A mask is ones and then zeros.
bool is_prefix_mask(std::span<const std::uint8_t> mask) {
  bool ended = false;
  for (const std::uint8_t byte : mask) {
    for (int bit = 7; bit >= 0; --bit) {
      const bool one = ((byte >> bit) & 1) != 0;
      if (one && ended) return false;
      ended = ended || !one;
    }
  }
  return true;
}

// Why a constraint is none that everybody reads alike.
const char* fault_of(const GENERAL_NAME* base) {
  switch (base->type) {
    case GEN_DNS: {
      const std::string_view name = text_of(base->d.dNSName);
      if (name.starts_with('.')) return "has a name constraint that begins with a period";
      if (name.find('*') != std::string_view::npos) return "has a name constraint with a wildcard";
      return nullptr;
    }
    case GEN_IPADD: {
      const std::span<const std::uint8_t> bytes(
          ASN1_STRING_get0_data(base->d.iPAddress),
          static_cast<std::size_t>(ASN1_STRING_length(base->d.iPAddress)));
      if (bytes.size() != 8 && bytes.size() != 32)
        return "has a name constraint that is no network";
      if (!is_prefix_mask(bytes.subspan(bytes.size() / 2)))
        return "has a name constraint whose mask is no prefix";
      return nullptr;
    }
    case GEN_EMAIL: {
      const std::string_view name = text_of(base->d.rfc822Name);
      if (std::count(name.begin(), name.end(), '@') > 1)
        return "has a name constraint that is no mailbox";
      return nullptr;
    }
    default: return nullptr;
  }
}

// Whether a wildcard name covers, among others, a name that an excluded subtree holds; subtrees
// that hold every name it covers are for OpenSSL.
bool reaches_into(std::string_view wildcard, std::string_view excluded) {
  if (!wildcard.starts_with("*.")) return false;
  const std::size_t dot = excluded.find('.');
  return dot != std::string_view::npos &&
         same_letters(excluded.substr(dot + 1), wildcard.substr(2));
}

bool is_critical(const Certificate& certificate) {
  const int at = X509_get_ext_by_NID(certificate.x509(), NID_name_constraints, -1);
  return X509_EXTENSION_get_critical(X509_get_ext(certificate.x509(), at)) == 1;
}

bool asks_of(Path path, std::size_t index) { return index == 0 || !path[index]->is_self_issued(); }

std::optional<PathFault> check_one(Path path, std::size_t issuer, const NAME_CONSTRAINTS& limits,
                                   PathLedger& ledger) {
  Counts subtrees{};
  for (const auto* list : {limits.permittedSubtrees, limits.excludedSubtrees}) {
    for (int i = 0; i < sk_GENERAL_SUBTREE_num(list); ++i) {
      const GENERAL_SUBTREE* subtree = sk_GENERAL_SUBTREE_value(list, i);
      if (const char* fault = fault_of(subtree->base))
        return PathFault{Verdict::bad_chain, issuer, fault};
      if (is_type(subtree->base->type)) ++subtrees[static_cast<std::size_t>(subtree->base->type)];
    }
  }
  if (sk_GENERAL_SUBTREE_num(limits.permittedSubtrees) < 1 &&
      sk_GENERAL_SUBTREE_num(limits.excludedSubtrees) < 1)
    return PathFault{Verdict::bad_chain, issuer, "has name constraints that say nothing"};
  for (std::size_t i = 0; i < issuer; ++i) {
    if (!asks_of(path, i)) continue;
    const Counts& names = names_of(*path[i], ledger);
    std::size_t compared = 0;
    for (std::size_t type = 0; type < names.size(); ++type)
      compared += names[type] * subtrees[type];
    const std::size_t passed_over = sum(names) * sum(subtrees);
    if (compared > ledger.comparisons_left || passed_over > ledger.steps_left)
      return PathFault{Verdict::bad_chain, issuer,
                       "has more name constraints for the names beneath it than are compared (" +
                           std::to_string(ledger.comparisons_left) + ")"};
    ledger.comparisons_left -= compared;
    ledger.steps_left -= passed_over;
    for (int at = 0; at < sk_GENERAL_SUBTREE_num(limits.excludedSubtrees); ++at) {
      const GENERAL_NAME* base = sk_GENERAL_SUBTREE_value(limits.excludedSubtrees, at)->base;
      if (base->type != GEN_DNS) continue;
      for (const std::string& name : path[i]->dns_names())
        if (reaches_into(name, text_of(base->d.dNSName)))
          return PathFault{Verdict::bad_chain, i,
                           "has a wildcard that covers a name which a CA above it may not name"};
    }
  }
  return std::nullopt;
}

} // namespace

std::optional<PathFault> check_constraints(Path path, PathLedger& ledger) {
  for (std::size_t i = 1; i < path.size(); ++i) {
    if (X509_get_ext_by_NID(path[i]->x509(), NID_name_constraints, -1) < 0) continue;
    const auto [known, is_new] = ledger.constraints.try_emplace(path[i]);
    if (is_new)
      known->second.reset(static_cast<NAME_CONSTRAINTS*>(
          X509_get_ext_d2i(path[i]->x509(), NID_name_constraints, nullptr, nullptr)));
    const NameConstraintsPtr& limits = known->second;
    if (!limits)
      return PathFault{Verdict::bad_chain, i, "has name constraints that cannot be read"};
    // RFC 5280 section 4.2.1.10. Whoever does not know the extension would pass over it.
    if (!is_critical(*path[i]))
      return PathFault{Verdict::bad_chain, i, "has name constraints that are not critical"};
    if (auto fault = check_one(path, i, *limits, ledger)) return fault;
  }
  return std::nullopt;
}

} // namespace trust
