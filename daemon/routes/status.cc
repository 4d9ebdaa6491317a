#include "daemon/routes/status.h"

#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "daemon/routes/parameters.h"

namespace trust {
namespace {

template <typename Text>
Json text_or_null(const std::optional<Text>& text) {
  return text ? Json(*text) : Json(nullptr);
}

Answer status(const Call& call) {
  Parameters(call.request).finish();
  Service& service = call.service;
  const Changes::Status now = service.changes.status();
  std::string store_id;
  std::optional<UnixTime> next_expiry;
  Counts counts;
  service.readers.with([&](Store& store) {
    store_id = store.store_id();
    next_expiry = store.next_expiry(service.clock());
    counts = counts_of(service, store);
  });
  const auto uptime = std::chrono::steady_clock::now() - service.started;
  Response response = json_response(
      200, Json{
               {"version", TRUST_VERSION},
               {"store_id", store_id},
               {"generation", now.generation},
               {"published", now.published},
               {"problem", text_or_null(now.problem)},
               {"counts", json_of(counts)},
               {"next_expiry", json_of(next_expiry)},
               {"next_end", json_of(now.next_end)},
               {"audit_head", now.audit_head},
               {"uptime_s", std::chrono::duration_cast<std::chrono::seconds>(uptime).count()},
               {"pid", ::getpid()},
               {"uid", service.rights.own_uid},
               {"system", service.layout.system},
               {"state", service.layout.state},
               {"store", service.layout.store},
               {"base", Json{{"source", now.base_source},
                             {"certificates", counts.base},
                             {"problem", text_or_null(now.base_problem)}}},
               {"warnings", now.warnings},
           });
  response.headers.emplace_back("ETag", etag_of(now.generation));
  return response;
}

} // namespace

Counts counts_of(Service& service, Store& store) {
  const GenerationNumber generation = store.generation();
  auto kept = service.counted.with([&](const auto& counted) -> std::optional<Counts> {
    if (counted.first != generation) return std::nullopt;
    return counted.second;
  });
  if (kept) return *kept;
  Counts counts;
  store.in_snapshot([&] {
    const GenerationNumber counting = store.generation();
    counts = store.counts();
    service.counted.with([&](auto& counted) { counted = {counting, counts}; });
  });
  return counts;
}

std::vector<Route> status_routes() {
  return {{"GET", "/v1/status", Access::read, Route::Body::none, always, status}};
}

} // namespace trust
