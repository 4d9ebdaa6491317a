#include "libtrust/emit/anchors.h"

#include <algorithm>
#include <map>
#include <set>

#include "libtrust/error.h"

namespace trust {
namespace {

std::string called(const Entry& entry) {
  const std::string name =
      entry.label.empty() ? entry.certificate.fingerprint.text().substr(0, 16) : entry.label;
  return name + " (" + shown(entry.certificate.subject) + ")";
}

// The entries with one (subject, SPKI), by index, and what is made of them.
class Pair {
 public:
  Pair(const std::vector<StoredEntry>& all, const EmissionRules& rules, const ShadowSource& shadow,
       Emission& emission)
      : all_(all), rules_(rules), shadow_(shadow), emission_(emission) {}

  void take(std::size_t index) {
    const Entry& entry = all_[index].entry;
    if (entry.trust == Trust::leaf) {
      leaves_.push_back(index);
    } else if (entry.layer == Layer::base) {
      base_.push_back(index);
    } else {
      granted_.push_back(index);
    }
  }

  void emit() {
    const std::vector<Pattern> scope = common_scope();
    const bool scoped = !granted_.empty() && !scope.empty();
    if (scoped) {
      shadow(scope);
      for (const std::size_t index : base_) nothing(index, "a narrower entry stands for it");
    } else {
      bool any = false;
      for (const std::size_t index : granted_)
        if (facts(index).is_self_signed) any = original(index, true);
      if (!granted_.empty() && !any) shadow({});
      for (const std::size_t index : granted_) {
        if (facts(index).is_self_signed || !any) continue;
        emission_.entries[index] = {first_original(),
                                    "the root with its name and key stands for it"};
      }
      for (const std::size_t index : base_) original(index, false);
    }
    for (const std::size_t index : leaves_) leaf(index, scoped);
  }

 private:
  const CertificateFacts& facts(std::size_t index) const { return all_[index].entry.certificate; }

  // Empty if there is an entry without a scope: all names, then.
  std::vector<Pattern> common_scope() const {
    std::map<std::string, Pattern> scope;
    for (const std::size_t index : granted_) {
      const std::vector<Pattern>& hosts = all_[index].entry.hosts;
      if (hosts.empty()) return {};
      for (const Pattern& host : hosts) scope.emplace(host.text(), host);
    }
    std::vector<Pattern> patterns;
    for (const auto& [text, pattern] : scope) patterns.push_back(pattern);
    return patterns;
  }

  // One shadow for all that is granted: of the certificate that lasts longest, until the first of
  // the entries ends. Whatever holds longer is published anew then.
  void shadow(const std::vector<Pattern>& scope) {
    const std::size_t best =
        *std::max_element(granted_.begin(), granted_.end(), [&](std::size_t a, std::size_t b) {
          return std::pair(facts(a).not_after, b) < std::pair(facts(b).not_after, a);
        });
    std::optional<UnixTime> end;
    for (const std::size_t index : granted_) {
      const std::optional<UnixTime>& own = all_[index].entry.expires_at;
      if (own && (!end || *own < *end)) end = own;
    }
    Shadow made = shadow_(all_[best], scope, end);
    if (!made.der) {
      for (const std::size_t index : granted_) nothing(index, made.why_not);
      warn(best, made.why_not);
      return;
    }
    const std::size_t at = emission_.anchors.size();
    emission_.anchors.push_back(
        {granted_.front(), std::move(made.der), true, std::move(made.wider_by)});
    const char* why = scope.empty() ? "it is no root: a self-issued shadow stands for it"
                                    : "a shadow with name constraints stands for it";
    for (const std::size_t index : granted_) emission_.entries[index] = {at, why};
  }

  // The certificate itself, once for every file. True.
  bool original(std::size_t index, bool in_extra) {
    const auto [found, is_new] =
        originals_.try_emplace(facts(index).fingerprint, emission_.anchors.size());
    emission_.entries[index] = {found->second, ""};
    if (is_new) {
      if (!first_original_) first_original_ = found->second;
      emission_.anchors.push_back({index, std::nullopt, in_extra, {}});
    } else if (in_extra) {
      emission_.anchors[found->second].in_extra = true;
    }
    return true;
  }

  void leaf(std::size_t index, bool scoped) {
    if (facts(index).could_sign && scoped) {
      const char* why = "it could sign, and the CA with its name and key is scoped";
      nothing(index, why);
      warn(index, why);
      return;
    }
    if (facts(index).could_sign && rules_.system && !may_sign(index)) {
      const char* why = "it could sign for any name, and was added without --emit-signing";
      nothing(index, why);
      warn(index, why);
      return;
    }
    original(index, true);
  }

  bool may_sign(std::size_t index) const {
    return std::any_of(leaves_.begin(), leaves_.end(), [&](std::size_t other) {
      return all_[other].entry.emit_signing && facts(other).fingerprint == facts(index).fingerprint;
    });
  }

  void nothing(std::size_t index, const std::string& why) {
    emission_.entries[index] = {std::nullopt, why};
  }

  void warn(std::size_t index, const std::string& why) {
    emission_.warnings.push_back(called(all_[index].entry) + " is in no file: " + why);
  }

  std::optional<std::size_t> first_original() const { return first_original_; }

  const std::vector<StoredEntry>& all_;
  const EmissionRules& rules_;
  const ShadowSource& shadow_;
  Emission& emission_;
  std::vector<std::size_t> granted_, base_, leaves_; // in order of id
  std::map<Fingerprint, std::size_t> originals_; // the anchor of each
  std::optional<std::size_t> first_original_;
};

} // namespace

Shadow make_shadow(const StoredEntry& ca, const std::vector<Pattern>& scope,
                   std::optional<UnixTime> end) {
  return shadow_of(Certificate::from_der(ca.der), scope, end);
}

Emission emission_of(const std::vector<StoredEntry>& same_pair, const EmissionRules& rules,
                     const ShadowSource& shadow) {
  Emission emission;
  emission.entries.resize(same_pair.size());
  std::set<Fingerprint> distrusted;
  bool all_are = rules.key_is_distrusted;
  for (const StoredEntry& stored : same_pair) {
    if (stored.entry.trust != Trust::distrusted) continue;
    distrusted.insert(stored.entry.certificate.fingerprint);
    all_are = all_are || !stored.entry.only_this_certificate;
  }
  Pair pair(same_pair, rules, shadow, emission);
  for (std::size_t i = 0; i < same_pair.size(); ++i) {
    const Entry& entry = same_pair[i].entry;
    if (all_are || distrusted.contains(entry.certificate.fingerprint)) {
      emission.entries[i].why = "it is distrusted";
    } else if (entry.expires_at && *entry.expires_at <= rules.now) {
      emission.entries[i].why = "it has ended";
    } else {
      pair.take(i);
    }
  }
  pair.emit();
  return emission;
}

} // namespace trust
