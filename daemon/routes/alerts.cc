#include "daemon/routes/alerts.h"

#include <nlohmann/json.hpp>

#include "daemon/routes/parameters.h"
#include "libtrust/request.h"

namespace trust {
namespace {

// Alerts come and go without a generation, so that none is their tag.
Answer list_alerts(const Call& call) {
  Parameters query(call.request);
  const std::size_t limit = query.limit();
  const std::uint64_t before = query.cursor(0);
  AlertFilter filter;
  filter.resolved = query.flag("all");
  if (const auto kind = query.text("kind")) {
    filter.kind = alert_kind_named(*kind);
    if (!filter.kind) throw Error(Code::invalid, '"' + shown(*kind) + "\" is no kind of alert");
  }
  query.finish();
  return call.service.readers.with([&](Store& store) {
    const auto alerts = store.alerts(filter, limit, static_cast<std::int64_t>(before));
    Json array = Json::array();
    for (const Alert& alert : alerts) array.push_back(json_of(alert));
    return json_response(
        200, Json{{"alerts", std::move(array)},
                  {"next_cursor",
                   alerts.size() == limit ? Json(std::to_string(alerts.back().id)) : Json(nullptr)},
                  {"generation", store.generation()}});
  });
}

Answer acknowledge(const Call& call) {
  Parameters(call.request).finish();
  const auto id = static_cast<std::int64_t>(parse_number(call.path_values.at(0)).value_or(0));
  const AcknowledgeRequest request = AcknowledgeRequest::parse(call.request.body);
  std::optional<UnixTime> until = request.until;
  if (request.for_s) until = call.service.clock() + *request.for_s;
  const Store::Asked asked = asked_by(call, request.reason);
  return answer_stored<Store::Acknowledged>(
      call, [asked, id, until](Store& store) { return store.acknowledge(asked, id, until); },
      [](const Store::Acknowledged& done) {
        Json json = json_of(done.change);
        json["alert"] = json_of(done.alert);
        return json_response(200, json);
      });
}

} // namespace

std::vector<Route> alerts_routes() {
  return {
      {"GET", "/v1/alerts", Access::insight, Route::Body::none, always, list_alerts},
      {"POST", "/v1/alerts/{id}/ack", Access::change, Route::Body::small, always, acknowledge},
  };
}

} // namespace trust
