#include "daemon/routes/audit.h"

#include <nlohmann/json.hpp>

#include "daemon/routes/parameters.h"

namespace trust {
namespace {

Answer audit(const Call& call) {
  Parameters query(call.request);
  const std::size_t limit = query.limit();
  auto before = query.number("before");
  if (!before) before = query.cursor(0);
  const bool verify = query.flag("verify");
  query.finish();
  return answer_read(call, [&](Store& store, GenerationNumber generation) {
    const auto records = store.audit(limit, *before);
    Json array = Json::array();
    for (const AuditRecord& record : records) array.push_back(json_of(record));
    Json json = {
        {"audit", std::move(array)},
        {"next_cursor",
         records.size() == limit ? Json(std::to_string(records.back().number)) : Json(nullptr)},
        {"generation", generation},
        {"audit_head", store.audit_head()},
    };
    if (verify) {
      const auto bad = store.verify_audit();
      json["verified"] = !bad.has_value();
      json["first_bad"] = bad ? Json(*bad) : Json(nullptr);
    }
    return json;
  });
}

} // namespace

std::vector<Route> audit_routes() {
  return {{"GET", "/v1/audit", Access::insight, Route::Body::none, always, audit}};
}

} // namespace trust
