#include "daemon/application.h"

#include <utility>

#include "daemon/origin.h"
#include "daemon/routes/alerts.h"
#include "daemon/routes/audit.h"
#include "daemon/routes/bundles.h"
#include "daemon/routes/certificates.h"
#include "daemon/routes/events.h"
#include "daemon/routes/generations.h"
#include "daemon/routes/health.h"
#include "daemon/routes/identities.h"
#include "daemon/routes/import.h"
#include "daemon/routes/metrics.h"
#include "daemon/routes/openapi.h"
#include "daemon/routes/pins.h"
#include "daemon/routes/sinks.h"
#include "daemon/routes/status.h"
#include "daemon/routes/verify.h"
#include "daemon/routes/watches.h"

namespace trust {
namespace {

Response refusal(const Error& error) {
  Response response = problem(error);
  if (error.code() == Code::unauthorized) {
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
  }
  return response;
}

} // namespace

std::vector<Route> all_routes() {
  std::vector<Route> all;
  for (const auto routes : {health_routes, status_routes, certificates_routes, import_routes,
                            pins_routes, verify_routes, identities_routes, bundles_routes,
                            generations_routes, audit_routes, events_routes, alerts_routes,
                            watches_routes, sinks_routes, metrics_routes, openapi_routes}) {
    for (const Route& route : routes()) all.push_back(route);
  }
  return all;
}

RestApplication::RestApplication(Service& service) : service_(service), table_(all_routes()) {}

std::size_t RestApplication::max_body(const Request& head) const {
  const Route* route = table_.find(head);
  if (route == nullptr) return 0;
  switch (route->body) {
    case Route::Body::none: return 0;
    case Route::Body::small: return service_.config.limits.body_bytes;
    // In JSON every line of a PEM file ends in two characters instead of one.
    case Route::Body::certificates:
      return service_.config.limits.import_bytes + service_.config.limits.import_bytes / 16;
  }
  return 0;
}

bool RestApplication::may_block(const Request& head) const {
  const Route* route = table_.find(head);
  return route != nullptr && route->blocks(head);
}

std::optional<Response> RestApplication::admit(const Request& head) {
  if (const auto error = refused_origin(head)) return refusal(*error);
  const Route* route = table_.find(head);
  const Access access = route != nullptr ? route->access : Access::read;
  if (const auto error = refused_access(service_.rights, *head.peer, head.authorization, access)) {
    return refusal(*error);
  }
  if (route != nullptr) return std::nullopt;
  const std::string allowed = table_.allowed(head);
  if (allowed.empty()) {
    return problem(Error(Code::not_found, "there is nothing at " + shown(head.path)));
  }
  Response response = problem(405, "method_not_allowed",
                              shown(head.path) + " takes " + allowed + ", not " + head.method);
  response.headers.emplace_back("Allow", allowed);
  return response;
}

Answer RestApplication::answer(const Request& request) {
  try {
    const Route* route = table_.find(request);
    if (route == nullptr)
      throw Error(Code::not_found, "there is nothing at " + shown(request.path));
    return route->answer(Call{service_, request, Table::path_values(*route, request)});
  } catch (...) {
    return response_to(std::current_exception());
  }
}

} // namespace trust
