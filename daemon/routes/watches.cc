#include "daemon/routes/watches.h"

#include <nlohmann/json.hpp>

#include "daemon/routes/parameters.h"
#include "libtrust/request.h"

namespace trust {
namespace {

constexpr std::size_t kMostHistory = 20; // in a list; all of it of one watch

Json with_history(Store& store, const Watch& watch, std::size_t most) {
  Json json = json_of(watch);
  Json history = Json::array();
  for (const Sighting& sighting : store.sightings(watch.id, most)) {
    history.push_back(json_of(sighting));
  }
  json["history"] = std::move(history);
  return json;
}

// As alerts, watches change without a generation.
Answer list_watches(const Call& call) {
  Parameters query(call.request);
  const std::size_t limit = query.limit();
  const std::uint64_t cursor = query.cursor(0);
  query.finish();
  return call.service.readers.with([&](Store& store) {
    const auto watches = store.watches({}, limit, static_cast<std::int64_t>(cursor));
    Json array = Json::array();
    for (const Watch& watch : watches) array.push_back(with_history(store, watch, kMostHistory));
    return json_response(
        200, Json{{"watches", std::move(array)},
                  {"next_cursor", watches.size() == limit ? Json(std::to_string(watches.back().id))
                                                          : Json(nullptr)},
                  {"generation", store.generation()}});
  });
}

// The daemon opens what it is told to only for those who could open it themselves. A token says
// that somebody could read it, which is not the same.
void require_path_right(const Call& call) {
  const auto& peer = *call.request.peer;
  if (peer.unix_socket && (peer.uid == 0 || peer.uid == call.service.rights.own_uid)) return;
  throw Error(Code::forbidden,
              "files and directories are watched for root or the daemon's own user alone",
              "sudo trustctl watch add PATH");
}

Answer add_watch(const Call& call) {
  Parameters(call.request).finish();
  const WatchRequest request = WatchRequest::parse(call.request.body);
  if (request.kind != WatchKind::endpoint) require_path_right(call);
  const Store::Asked asked = asked_by(call, request.reason);
  return answer_stored<Store::WatchAdded>(
      call,
      [asked, request](Store& store) {
        return store.add_watch(asked, request.kind, request.target);
      },
      [](const Store::WatchAdded& added) {
        Json json = json_of(added.change);
        json["watch"] = json_of(added.watch);
        return json_response(added.change.changed ? 201 : 200, json);
      });
}

Answer remove_watch(const Call& call) {
  Parameters query(call.request);
  const std::string reason = query.text("reason").value_or("");
  query.finish();
  if (reason.size() > 1000) {
    throw Error(Code::too_large, "the parameter \"reason\" is longer than 1000 bytes");
  }
  const auto id = static_cast<std::int64_t>(parse_number(call.path_values.at(0)).value_or(0));
  const Store::Asked asked = asked_by(call, reason);
  return answer_stored<Change>(
      call, [asked, id](Store& store) { return store.remove_watch(asked, id); },
      [](const Change& change) { return json_response(200, json_of(change)); });
}

} // namespace

std::vector<Route> watches_routes() {
  return {
      {"GET", "/v1/watches", Access::insight, Route::Body::none, always, list_watches},
      {"POST", "/v1/watches", Access::change, Route::Body::small, always, add_watch},
      {"DELETE", "/v1/watches/{id}", Access::change, Route::Body::none, always, remove_watch},
  };
}

} // namespace trust
