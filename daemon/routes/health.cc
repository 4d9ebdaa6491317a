#include "daemon/routes/health.h"

#include <nlohmann/json.hpp>

namespace trust {
namespace {

Answer healthz(const Call&) { return json_response(200, std::string("{\"status\":\"ok\"}\n")); }

Answer readyz(const Call& call) {
  const Changes& changes = call.service.changes;
  const GenerationNumber published = changes.published();
  const GenerationNumber generation = changes.generation();
  if (published >= generation) {
    return json_response(200, Json{{"status", "ready"}, {"generation", generation}});
  }
  Json json =
      problem_json(Error(Code::not_published,
                         "generation " + std::to_string(generation) + " is stored, generation " +
                             std::to_string(published) + " is published",
                         "trustctl status"));
  json["generation"] = generation;
  json["published"] = published;
  return problem_response(json);
}

} // namespace

std::vector<Route> health_routes() {
  return {
      {"GET", "/healthz", Access::open, Route::Body::none, never, healthz},
      {"GET", "/readyz", Access::read, Route::Body::none, never, readyz},
  };
}

} // namespace trust
