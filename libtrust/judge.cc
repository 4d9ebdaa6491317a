#include "libtrust/judge.h"

#include <openssl/x509v3.h>

#include <algorithm>
#include <utility>

#include "libtrust/error.h"
#include "libtrust/handles.h"
#include "libtrust/judge_extras.h"
#include "libtrust/path.h"
#include "libtrust/pinning.h"
#include "libtrust/validation.h"
#include "libtrust/verdict.h"

namespace trust {
namespace {

std::string called(const Certificate& certificate) {
  if (!certificate.subject().empty()) return '"' + shown(certificate.subject()) + '"';
  if (!certificate.dns_names().empty()) return '"' + shown(certificate.dns_names().front()) + '"';
  return "without a subject";
}

std::string called(const Entry& entry) {
  if (!entry.label.empty()) return entry.label;
  return '"' + shown(entry.certificate.subject) + '"';
}

std::string listed(const Certificate& certificate) {
  constexpr std::size_t kMost = 4;
  std::string text;
  std::size_t count = 0;
  const auto add = [&](const std::string& name) {
    if (++count <= kMost) text += (text.empty() ? "" : ", ") + shown(name);
  };
  for (const std::string& name : certificate.dns_names()) add(name);
  for (const Host& address : certificate.addresses()) add(address.text());
  if (count > kMost) text += " and " + std::to_string(count - kMost) + " more";
  return text;
}

bool same_pair(const Certificate& a, const Certificate& b) {
  const ByteView x = a.subject_der(), y = b.subject_der();
  return a.spki_hash() == b.spki_hash() && x.size() == y.size() &&
         std::equal(x.begin(), x.end(), y.begin());
}

// One question, while it is answered.
class Judging : private PathScreen {
 public:
  Judging(std::span<const Certificate> chain, const Host& host, Port port, const View& view,
          const JudgeOptions& options, UnixTime now, const JudgeExtras& extras)
      : chain_(chain),
        host_(host),
        port_(port),
        view_(view),
        options_(options),
        now_(now),
        later_(std::max(now, view.header().created_at)),
        extras_(extras) {
    answer_.generation = view.header().generation;
    answer_.path.assign(chain.begin(), chain.end());
  }

  Judgement answer() {
    if (!find()) finish_refusal();
    return std::move(answer_);
  }

 private:
  const Certificate& leaf() const { return chain_.front(); }
  std::string where() const { return port_ == 0 ? host_.text() : Endpoint{host_, port_}.text(); }
  bool is_self(const Certificate& certificate) const {
    return certificate.fingerprint() == leaf().fingerprint();
  }
  // "dev.test: its certificate "CN=dev.test""
  std::string naming(const Certificate& certificate) const {
    return host_.text() + (is_self(certificate) ? ": its certificate " : ": the CA certificate ") +
           called(certificate);
  }

  void refuse(Verdict verdict, std::string detail, std::string hint, const Entry* entry = nullptr) {
    if (weight_of(verdict) <= weight_of(answer_.verdict)) return;
    answer_.verdict = verdict;
    answer_.detail = std::move(detail);
    answer_.hint = std::move(hint);
    answer_.entry = entry == nullptr ? std::nullopt : std::optional(*entry);
  }
  std::string why_hint() const { return "trustctl why " + where(); }

  bool find() {
    if (!within_bounds()) return false;
    if (!admits(leaf(), false)) return false;
    if (by_leaf_entry()) return true;
    PathSearch search(chain_, view_, *this);
    const bool found = search.run();
    if (extras_.work != nullptr) {
      *extras_.work = search.work();
      extras_.work->name_comparisons = kMostNameComparisons - ledger_.comparisons_left;
    }
    if (found) return true;
    if (search.spent())
      refuse(Verdict::bad_chain,
             host_.text() + ": its chain offers more ways to a root than are tried", why_hint());
    return false;
  }

  bool within_bounds() {
    std::size_t bytes = 0;
    for (const Certificate& certificate : chain_) bytes += certificate.der().size();
    std::string fault;
    if (chain_.empty()) fault = "it presented no certificate";
    if (chain_.size() > extras_.most_certificates)
      fault = "it presented " + std::to_string(chain_.size()) + " certificates; " +
              std::to_string(extras_.most_certificates) + " is the most";
    else if (bytes > extras_.most_bytes)
      fault = "it presented " + std::to_string(bytes) + " bytes of certificates; " +
              std::to_string(extras_.most_bytes / 1024) + " KiB is the most";
    if (fault.empty()) return true;
    refuse(Verdict::bad_chain, host_.text() + ": " + fault, why_hint());
    return false;
  }

  // ---- a leaf entry -------------------------------------------------------

  bool by_leaf_entry() {
    for (const Entry& entry : view_.leaves(leaf().fingerprint())) {
      if (!in_force(entry)) continue;
      const Certificate* const path[] = {&leaf()};
      if (!in_time(leaf())) continue;
      if (!entry.hosts.empty()) {
        if (!in_scope(entry.hosts)) {
          out_of_scope(entry);
          continue;
        }
      } else if (!for_host()) {
        continue;
      }
      if (accept(path, TrustedBy::added_leaf, &entry, entry.expires_at)) return true;
    }
    return false;
  }

  bool in_time(const Certificate& certificate) {
    if (now_ > certificate.not_after())
      refuse(Verdict::expired,
             naming(certificate) + " ended on " + rfc3339(certificate.not_after()), why_hint());
    else if (now_ < certificate.not_before())
      refuse(Verdict::not_yet_valid,
             naming(certificate) + " is valid from " + rfc3339(certificate.not_before()) + " on",
             "date");
    else
      return true;
    return false;
  }

  // ---- PathScreen ---------------------------------------------------------

  bool admits(const Certificate& certificate, bool as_anchor) override {
    if (const auto entry = view_.distrusting(certificate.fingerprint(), certificate.spki_hash())) {
      const bool by_key = entry->certificate.fingerprint != certificate.fingerprint();
      refuse(Verdict::distrusted,
             naming(certificate) + (by_key ? " has a key that" : "") +
                 " is distrusted by this machine's store" +
                 (entry->reason.empty() ? "" : ": " + shown(entry->reason)),
             why_hint(), &*entry);
      return false;
    }
    // Of an anchor the signature is not looked at.
    const auto& weakness = as_anchor ? certificate.key_weakness() : certificate.weakness();
    if (weakness && extras_.security_level > 0) {
      refuse(Verdict::weak, naming(certificate) + " is too weak: it has " + *weakness, why_hint());
      return false;
    }
    return true;
  }

  bool in_force(const Entry& entry) override {
    return !entry.expires_at || *entry.expires_at > later_;
  }

  void bad_signature(const Certificate& of, const Certificate& by) override {
    refuse(Verdict::bad_chain,
           naming(of) + " has a signature that is not by the key of " + called(by), why_hint());
  }

  bool accepts(const CandidatePath& path) override {
    if (const auto fault =
            validate(path.certificates, path.anchor->entry.layer, now_, extras_, ledger_)) {
      const Certificate& certificate =
          *path.certificates[std::min(fault->index, path.certificates.size() - 1)];
      refuse(fault->verdict, naming(certificate) + " " + fault->why,
             fault->verdict == Verdict::not_yet_valid ? "date" : why_hint());
      return false;
    }
    return in_scope_of(path);
  }

  // ---- scope and names ----------------------------------------------------

  bool in_scope(const std::vector<Pattern>& hosts) const {
    return std::any_of(hosts.begin(), hosts.end(),
                       [&](const Pattern& pattern) { return pattern.matches(host_); });
  }

  void out_of_scope(const Entry& entry) {
    refuse(Verdict::out_of_scope,
           host_.text() + ": its certificate " + called(leaf()) + " is trusted through " +
               called(entry) + ", which is not for this host",
           why_hint(), &entry);
  }

  // Anchors are one by (subject, SPKI): the scopes of the entries that have it hold together, for
  // the base's copy too.
  bool in_scope_of(const CandidatePath& path) {
    const Entry* granting = nullptr;
    const Entry* denying = nullptr;
    for (const Anchor& other : *path.same_subject) {
      if (other.entry.layer == Layer::base || !in_force(other.entry)) continue;
      if (!same_pair(other.certificate, path.anchor->certificate)) continue;
      if (!other.entry.hosts.empty() && !in_scope(other.entry.hosts)) {
        denying = denying == nullptr ? &other.entry : denying;
      } else if (granting == nullptr || ends_later(other.entry, *granting)) {
        granting = &other.entry;
      }
    }
    if (granting == nullptr && denying != nullptr) {
      out_of_scope(*denying);
      return false;
    }
    if (!for_host()) return false;
    if (granting != nullptr)
      return accept(path.certificates, TrustedBy::added_root, granting, granting->expires_at);
    return accept(path.certificates, TrustedBy::system_root, &path.anchor->entry,
                  path.anchor->entry.expires_at);
  }

  static bool ends_later(const Entry& a, const Entry& b) {
    return b.expires_at && (!a.expires_at || *a.expires_at > *b.expires_at);
  }

  bool for_host() {
    if (!extras_.emails.empty() && !has_email())
      refuse(Verdict::name_mismatch, naming(leaf()) + " has none of the mailboxes", "");
    else if (extras_.ask_host && !leaf().covers(host_))
      refuse(Verdict::name_mismatch,
             naming(leaf()) + " is not for this host" +
                 (leaf().has_names() ? ", it is for " + listed(leaf()) : ": it names none"),
             why_hint());
    else
      return true;
    return false;
  }

  bool has_email() const {
    const GeneralNamesPtr names(static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(leaf().x509(), NID_subject_alt_name, nullptr, nullptr)));
    for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
      const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
      if (name->type != GEN_EMAIL) continue;
      const std::string text(
          reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.rfc822Name)),
          static_cast<std::size_t>(ASN1_STRING_length(name->d.rfc822Name)));
      if (std::find(extras_.emails.begin(), extras_.emails.end(), text) != extras_.emails.end())
        return true;
    }
    return false;
  }

  // ---- pins, and the end --------------------------------------------------

  bool accept(std::span<const Certificate* const> path, TrustedBy by, const Entry* entry,
              std::optional<UnixTime> entry_end) {
    std::vector<Certificate> certificates;
    for (const Certificate* certificate : path) certificates.push_back(*certificate);
    PinDecision pins = decide_pins(*view_.pins_for(host_, port_), certificates, options_, later_);
    if (pins.status == PinStatus::mismatch) {
      if (answer_.verdict != Verdict::pin_mismatch) {
        refuse(Verdict::pin_mismatch,
               host_.text() + ": its certificate " + called(leaf()) + " is trusted, but " +
                   (pins.own_mismatch
                        ? std::string("none of the keys that this program demands is in its path")
                        : "none of the keys pinned for " + pins.counted.front().pattern.text() +
                              " is in its path"),
               pins.own_mismatch ? why_hint() : "trustctl pin list " + host_.text(), entry);
        if (answer_.verdict == Verdict::pin_mismatch) answer_.pins = std::move(pins.counted);
      }
      return false;
    }
    if (pins.required_and_missing) {
      refuse(Verdict::pin_missing,
             host_.text() + ": a pin is required, and the store has none in force for it",
             "trustctl pin add " + where(), entry);
      if (answer_.verdict == Verdict::pin_missing) answer_.pins = std::move(pins.counted);
      return false;
    }
    answer_.verdict = Verdict::ok;
    answer_.detail.clear();
    answer_.hint.clear();
    answer_.trusted_by = by;
    answer_.pin_status = pins.status;
    answer_.pins = std::move(pins.counted);
    if (entry != nullptr) answer_.entry = *entry;
    answer_.path = std::move(certificates);
    answer_.path_not_after = first_end(answer_.path);
    if (entry_end) answer_.path_not_after = std::min(answer_.path_not_after, *entry_end);
    return true;
  }

  static UnixTime first_end(const std::vector<Certificate>& path) {
    UnixTime end = path.empty() ? 0 : path.front().not_after();
    for (const Certificate& certificate : path) end = std::min(end, certificate.not_after());
    return end;
  }

  void finish_refusal() {
    if (!refused()) no_path();
    answer_.path_not_after = first_end(answer_.path);
    if (answer_.verdict == Verdict::pin_mismatch) {
      answer_.pin_status = PinStatus::mismatch;
      return;
    }
    // So that one who explains it can show what would have been asked next.
    if (answer_.verdict != Verdict::pin_missing)
      answer_.pins = decide_pins(*view_.pins_for(host_, port_), {}, {}, later_).counted;
    const bool enforced =
        std::any_of(answer_.pins.begin(), answer_.pins.end(),
                    [](const PinRow& pin) { return pin.mode == PinRow::Mode::enforce; });
    const bool in_force =
        std::any_of(answer_.pins.begin(), answer_.pins.end(),
                    [&](const PinRow& pin) { return !pin.expires_at || *pin.expires_at > later_; });
    if (enforced && !in_force) answer_.pin_status = PinStatus::lapsed;
  }

  bool refused() const { return !answer_.detail.empty(); }

  void no_path() {
    // So that any may be put in its place.
    const std::string hint = "trustctl add " + (port_ == 0 ? host_.text() : where());
    if (leaf().verifies_itself()) {
      answer_.verdict = Verdict::self_signed;
      answer_.detail = naming(leaf()) + " is signed by itself and is not in this machine's store";
    } else {
      answer_.verdict = Verdict::unknown_issuer;
      const Certificate& last = topmost();
      answer_.detail = naming(leaf()) + (is_self(last) ? " was issued by \"" : " leads to \"") +
                       shown(last.issuer()) +
                       "\", which nothing in this machine's store vouches for";
    }
    answer_.hint = hint;
  }

  // The last certificate that the presented ones lead to by their names.
  const Certificate& topmost() const {
    const Certificate* last = &leaf();
    for (std::size_t i = 0; i < chain_.size() && !last->is_self_issued(); ++i) {
      const auto next = std::find_if(chain_.begin(), chain_.end(), [&](const Certificate& other) {
        return other.subject() == last->issuer();
      });
      if (next == chain_.end()) break;
      last = &*next;
    }
    return *last;
  }

  std::span<const Certificate> chain_;
  const Host& host_;
  Port port_;
  const View& view_;
  const JudgeOptions& options_;
  UnixTime now_;
  UnixTime later_; // an end that has passed once has passed
  const JudgeExtras& extras_;
  PathLedger ledger_;
  Judgement answer_;
};

} // namespace

Judgement judge(std::span<const Certificate> chain, const Host& host, Port port, const View& view,
                const JudgeOptions& options, UnixTime now) {
  return judge(chain, host, port, view, options, now, JudgeExtras{});
}

Judgement judge(std::span<const Certificate> chain, const Host& host, Port port, const View& view,
                const JudgeOptions& options, UnixTime now, const JudgeExtras& extras) {
  const ErrorQueueGuard queue;
  return Judging(chain, host, port, view, options, now, extras).answer();
}

} // namespace trust
