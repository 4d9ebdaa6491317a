#include "daemon/entry_json.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "libtrust/emit/anchors.h"

namespace trust {

Json entry_json(const Service& service, const Store& store, const Entry& entry) {
  Json json = json_of(entry);
  std::vector<StoredEntry> same_pair;
  std::size_t index = 0;
  bool found = false;
  const CertificateFacts& facts = entry.certificate;
  store.each_with_pair(facts.spki_hash, facts.subject_hash, [&](const Entry& other, ByteView der) {
    if (other.id == entry.id) {
      index = same_pair.size();
      found = true;
    }
    same_pair.push_back({other, Bytes(der.begin(), der.end())});
  });
  if (!found) return json;
  const EmissionRules rules{service.clock(), service.layout.system,
                            store.distrusts_key(facts.spki_hash)};
  const Emission emission = emission_of(same_pair, rules, make_shadow);
  const Emitted& emitted = emission.entries.at(index);
  Json wider_by = Json::array();
  std::string_view as = "nothing";
  if (emitted.anchor) {
    const EmittedAnchor& anchor = emission.anchors.at(*emitted.anchor);
    as = anchor.shadow ? "shadow" : "original";
    wider_by = anchor.wider_by;
  }
  json["emitted"] = Json{{"as", as}, {"why", emitted.why}, {"wider_by", std::move(wider_by)}};
  return json;
}

} // namespace trust
