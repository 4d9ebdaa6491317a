#include "daemon/routes/sinks.h"

#include <nlohmann/json.hpp>

#include "daemon/routes/parameters.h"
#include "daemon/sinks/sinks.h"

namespace trust {
namespace {

Json json_of(const SinkState& state) {
  return {
      {"name", state.name},
      {"type", state.type},
      {"failing", state.failures_in_a_row > 0},
      {"waiting", state.waiting},
      {"deliveries", state.deliveries},
      {"failures", state.failures},
      {"failures_in_a_row", state.failures_in_a_row},
      {"last_success_at", trust::json_of(state.last_success_at)},
      {"last_failure_at", trust::json_of(state.last_failure_at)},
      {"last_error", state.last_error},
      {"next_attempt_at", trust::json_of(state.next_attempt_at)},
  };
}

Answer list_sinks(const Call& call) {
  Parameters(call.request).finish();
  Json array = Json::array();
  if (call.service.sinks != nullptr) {
    for (const SinkState& state : call.service.sinks->states()) array.push_back(json_of(state));
  }
  return json_response(200, Json{{"sinks", std::move(array)}});
}

Answer test(const Call& call) {
  Parameters(call.request).finish();
  if (!call.request.body.empty() && call.request.body != "{}") {
    throw Error(Code::usage, "a test takes no members: its body is {} or nothing");
  }
  const std::string name = call.path_values.at(0);
  Sinks* sinks = call.service.sinks;
  if (sinks == nullptr) throw Error(Code::not_found, "there are no sinks");
  return Later{[sinks, name](const std::function<void(Response)>& complete) {
    try {
      sinks->test(name, [name, complete](const std::string& id, const std::exception_ptr& failure) {
        complete(failure ? response_to(failure)
                         : json_response(200, Json{{"sink", name}, {"id", id}}));
      });
    } catch (...) {
      complete(response_to(std::current_exception()));
    }
  }};
}

} // namespace

std::vector<Route> sinks_routes() {
  constexpr auto kNone = Route::Body::none;
  return {
      {"GET", "/v1/sinks", Access::insight, kNone, never, list_sinks},
      {"POST", "/v1/sinks/{name}/test", Access::change, Route::Body::small, always, test},
  };
}

} // namespace trust
