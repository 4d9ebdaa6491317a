// Taking the store back to an earlier state, and taking over a base.

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "libtrust/error.h"
#include "libtrust/store_impl.h"

namespace trust {
namespace {

std::string decision_key(const Entry& entry) {
  return entry.certificate.fingerprint.text() + '\n' + std::string(name_of(entry.trust)) + '\n' +
         (entry.expires_at ? std::to_string(*entry.expires_at) : "") + '\n' +
         (entry.only_this_certificate ? "1" : "0") + (entry.emit_signing ? "1" : "0") + '\n' +
         entry.label + '\n' + hosts_text(entry.hosts);
}

std::string pin_key(const PinRow& pin) {
  return pin.pattern.text() + '\n' + pin.pin.text() + '\n' + std::string(name_of(pin.mode)) + '\n' +
         std::string(name_of(pin.role)) + '\n' + std::string(name_of(pin.position)) + '\n' +
         (pin.expires_at ? std::to_string(*pin.expires_at) : "");
}

// Drops from both lists what they have in common: what went and came back the same.
template <typename Row, typename Key>
void cancel_out(std::vector<Row>& a, std::vector<Row>& b, Key key) {
  std::multiset<std::string> in_both, of_a;
  for (const Row& row : a) of_a.insert(key(row));
  for (const Row& row : b) {
    const std::string text = key(row);
    if (const auto found = of_a.find(text); found != of_a.end()) {
      of_a.erase(found);
      in_both.insert(text);
    }
  }
  const auto drop = [&](std::vector<Row>& rows) {
    std::multiset<std::string> left = in_both;
    std::erase_if(rows, [&](const Row& row) {
      const auto found = left.find(key(row));
      if (found == left.end()) return false;
      left.erase(found);
      return true;
    });
  };
  drop(a);
  drop(b);
}

} // namespace

RollbackPlan Store::plan_rollback(GenerationNumber target) {
  RollbackPlan plan;
  plan.target = target;
  const UnixTime now = impl_->clock();
  // From now to the target: `added` is what the target had and now has not.
  Difference& difference = plan.difference;
  difference = this->difference(generation(), target);
  difference.base_added = difference.base_removed = 0;
  const auto beneath = [](const auto& row) { return row.layer != Layer::own; };
  std::erase_if(difference.added, beneath);
  std::erase_if(difference.removed, beneath);
  std::erase_if(difference.pins_added, beneath);
  std::erase_if(difference.pins_removed, beneath);
  cancel_out(difference.added, difference.removed, decision_key);
  cancel_out(difference.pins_added, difference.pins_removed, pin_key);

  // What was distrusted since stays distrusted, and what has ended stays ended.
  std::erase_if(difference.removed,
                [](const Entry& entry) { return entry.trust == Trust::distrusted; });
  std::erase_if(difference.added, [&](const Entry& entry) {
    if (entry.expires_at && *entry.expires_at <= now) return true;
    if (entry.trust == Trust::distrusted) return false;
    return impl_->distrusting(entry.certificate).has_value();
  });
  std::erase_if(difference.pins_added,
                [&](const PinRow& pin) { return pin.expires_at && *pin.expires_at <= now; });

  for (const Entry& entry : difference.added)
    if (entry.trust != Trust::distrusted)
      plan.widens.push_back(entry.certificate.fingerprint.text());
  for (const PinRow& pin : difference.pins_removed)
    if (!pin.expires_at || *pin.expires_at > now)
      plan.widens.push_back("pin:" + std::to_string(pin.id));
  return plan;
}

Change Store::rollback(const Asked& asked, GenerationNumber target,
                       const std::vector<std::string>& accept) {
  const UnixTime now = impl_->clock();
  return impl_->change(asked, "rollback", [&](GenerationNumber generation) {
    const RollbackPlan plan = plan_rollback(target);
    const std::set<std::string> accepted(accept.begin(), accept.end());
    for (const std::string& id : plan.widens)
      if (!accepted.contains(id))
        throw Error(Code::not_confirmed,
                    "going back to generation " + std::to_string(target) +
                        " would trust again or unpin " + std::to_string(plan.widens.size()) +
                        (plan.widens.size() == 1 ? " thing" : " things") + ", among them " + id,
                    "trustctl rollback " + std::to_string(target));
    const Difference& difference = plan.difference;
    std::optional<Impl::Made> made;
    if (difference.added.empty() && difference.removed.empty() && difference.pins_added.empty() &&
        difference.pins_removed.empty())
      return made;
    for (const Entry& entry : difference.removed) impl_->end_entry(entry.id, generation);
    for (const PinRow& pin : difference.pins_removed) impl_->end_pin(pin.id, generation);
    for (Entry entry : difference.added) {
      // An entry that stays, for it was distrusted since, may hold the certificate.
      if (const auto own = impl_->own_entry(entry.certificate.fingerprint)) {
        if (own->trust == Trust::distrusted && entry.trust != Trust::distrusted) continue;
        impl_->end_entry(own->id, generation);
      }
      entry.label = impl_->free_label(entry.label);
      entry.added_at = now;
      entry.owner = asked.actor.uid;
      impl_->insert_entry(entry, impl_->certificate_id(entry.certificate.fingerprint), generation);
    }
    for (PinRow pin : difference.pins_added) {
      pin.added_at = now;
      pin.owner = asked.actor.uid;
      impl_->insert_pin(pin, generation);
    }
    nlohmann::json detail{{"target", target},
                          {"restored", nlohmann::json::array()},
                          {"ended", nlohmann::json::array()},
                          {"pins_restored", difference.pins_added.size()},
                          {"pins_ended", difference.pins_removed.size()}};
    constexpr std::size_t kNamed = 50;
    for (const Entry& entry : difference.added)
      if (detail["restored"].size() < kNamed)
        detail["restored"].push_back(entry.certificate.fingerprint.text());
    for (const Entry& entry : difference.removed)
      if (detail["ended"].size() < kNamed)
        detail["ended"].push_back(entry.certificate.fingerprint.text());
    made = Impl::Made{"went back to generation " + std::to_string(target), detail.dump()};
    return made;
  });
}

Change Store::set_base(const std::string& source, const std::vector<BaseEntry>& entries,
                       const std::vector<PinRow>& pins) {
  const UnixTime now = impl_->clock();
  const Asked asked{{::geteuid(), ::getpid(), "trustd"}, "", std::nullopt};
  return impl_->change(asked, "base", [&](GenerationNumber generation) {
    const auto key_of = [](const Entry& entry) {
      return std::string(name_of(entry.layer)) + '\n' + decision_key(entry);
    };
    std::map<std::string, std::int64_t> before;
    for (std::int64_t cursor = 0;;) {
      EntryFilter filter;
      filter.only_base = true;
      const auto page = this->entries(filter, 1000, cursor);
      if (page.empty()) break;
      cursor = page.back().id;
      for (const Entry& entry : page) before.emplace(key_of(entry), entry.id);
    }
    std::vector<std::pair<Entry, const Certificate*>> fresh;
    std::set<std::string> seen;
    for (const BaseEntry& each : entries) {
      Entry entry;
      entry.layer = each.layer;
      entry.trust = each.trust;
      entry.certificate = CertificateFacts::of(each.certificate);
      entry.label = each.label;
      entry.hosts = each.hosts;
      entry.expires_at = each.expires_at;
      entry.only_this_certificate = each.only_this_certificate;
      entry.emit_signing = each.emit_signing;
      entry.added_at = now;
      entry.owner = asked.actor.uid;
      const std::string key = key_of(entry);
      if (!seen.insert(key).second) continue;
      if (before.erase(key) == 0) fresh.emplace_back(std::move(entry), &each.certificate);
    }
    for (const auto& [key, id] : before) impl_->end_entry(id, generation);
    for (const auto& [entry, certificate] : fresh)
      impl_->insert_entry(entry, impl_->keep_certificate(*certificate, entry.certificate),
                          generation);

    std::map<std::string, std::int64_t> pins_before;
    {
      Query query(impl_->db, "SELECT " TRUST_PIN_COLUMNS
                             " FROM pin WHERE until IS NULL AND layer = 1 ORDER BY id");
      while (query.step()) {
        const PinRow pin = pin_of(query);
        pins_before.emplace(pin_key(pin), pin.id);
      }
    }
    std::size_t pins_fresh = 0;
    std::set<std::string> pins_seen;
    for (PinRow pin : pins) {
      pin.layer = Layer::machine;
      const std::string key = pin_key(pin);
      if (!pins_seen.insert(key).second || pins_before.erase(key) != 0) continue;
      impl_->insert_pin(pin, generation);
      ++pins_fresh;
    }
    for (const auto& [key, id] : pins_before) impl_->end_pin(id, generation);

    std::optional<Impl::Made> made;
    if (before.empty() && fresh.empty() && pins_before.empty() && pins_fresh == 0) return made;
    const nlohmann::json detail{{"source", source},
                                {"added", fresh.size()},
                                {"removed", before.size()},
                                {"pins_added", pins_fresh},
                                {"pins_removed", pins_before.size()}};
    made = Impl::Made{"base " + shown(source) + ": " + std::to_string(fresh.size()) + " added, " +
                          std::to_string(before.size()) + " removed",
                      detail.dump()};
    return made;
  });
}

} // namespace trust
