#include "daemon/routes/events.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "daemon/routes/parameters.h"

namespace trust {
namespace {

constexpr std::size_t kMostEventsAtOnce = 200;

std::string text_of_event(const Event& event) {
  std::string text = "id: " + std::to_string(event.number) + "\nevent: " + event.kind + "\ndata: ";
  text += text_of(json_of(event)); // one line, with LF
  text += '\n';
  return text;
}

Answer events(const Call& call) {
  Parameters query(call.request);
  auto after = query.number("after");
  query.finish();
  Service& service = call.service;
  if (call.request.last_event_id) {
    after = parse_number(*call.request.last_event_id);
    if (!after) throw Error(Code::usage, "Last-Event-ID is not the number of an event");
  }
  // Those who may only read are told of the generations alone.
  const bool all = !refused_access(service.rights, *call.request.peer, call.request.authorization,
                                   Access::insight);
  const std::uint64_t last = service.changes.last_event();
  EventStream stream;
  stream.after = std::min(after.value_or(last), last);
  stream.pull = [&service, all](std::uint64_t& seen, std::size_t max_bytes) {
    std::string text;
    while (text.size() < max_bytes && seen < service.changes.last_event()) {
      const auto found =
          service.readers.with([&](Store& store) { return store.events(seen, kMostEventsAtOnce); });
      if (found.empty()) break;
      for (const Event& event : found) {
        if (text.size() >= max_bytes) break;
        seen = event.number;
        if (all || event.kind == "generation") text += text_of_event(event);
      }
    }
    return text;
  };
  return stream;
}

} // namespace

std::vector<Route> events_routes() {
  return {{"GET", "/v1/events", Access::read, Route::Body::none, never, events}};
}

} // namespace trust
