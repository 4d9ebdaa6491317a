#include "daemon/routes/pins.h"

#include <nlohmann/json.hpp>

#include "daemon/routes/parameters.h"
#include "libtrust/request.h"

namespace trust {
namespace {

Response with_etag(Response response, GenerationNumber generation) {
  response.headers.emplace_back("ETag", etag_of(generation));
  return response;
}

// The question that is asked most: answered from memory while nothing changes.
Answer in_force(const Call& call) {
  Service& service = call.service;
  std::string question;
  for (const auto& [name, value] : call.request.query) {
    question += name;
    question += '=';
    question += value;
    question += '\n'; // stands in no value
  }
  const GenerationNumber now = service.changes.generation();
  if (is_known(call.request, now)) return not_modified(now);
  if (auto kept = service.pin_answers.find(question, now)) {
    return with_etag(json_response(200, std::move(*kept)), now);
  }
  Parameters query(call.request);
  const Host host = Host::parse(query.text("host").value_or(""));
  const auto port_text = query.text("port");
  const Port port = port_text && *port_text != "0" ? parse_port(*port_text) : Port{0};
  query.finish();
  return service.readers.with([&](Store& store) {
    Response response;
    store.in_snapshot([&] {
      const GenerationNumber generation = store.generation();
      std::string text = pins_in_force_text(host, port, store.pins_for(host, port));
      service.pin_answers.keep(question, generation, text);
      response = with_etag(json_response(200, std::move(text)), generation);
    });
    return response;
  });
}

bool asks_for_a_host(const Request& request) { return request.query_value("host").has_value(); }

Answer list_pins(const Call& call) {
  if (asks_for_a_host(call.request)) return in_force(call);
  Parameters query(call.request);
  const std::size_t limit = query.limit();
  const std::uint64_t cursor = query.cursor(0);
  query.finish();
  return answer_read(call, [&](Store& store, GenerationNumber generation) {
    const auto pins = store.pins(limit, static_cast<std::int64_t>(cursor));
    Json array = Json::array();
    for (const PinRow& pin : pins) array.push_back(json_of(pin));
    return Json{{"pins", std::move(array)},
                {"next_cursor",
                 pins.size() == limit ? Json(std::to_string(pins.back().id)) : Json(nullptr)},
                {"generation", generation}};
  });
}

std::int64_t id_of(const Call& call) {
  const auto id = parse_number(call.path_values.at(0));
  if (!id) throw Error(Code::not_found, "no such pin");
  return static_cast<std::int64_t>(*id);
}

Answer one_pin(const Call& call) {
  Parameters(call.request).finish();
  const std::int64_t id = id_of(call);
  return answer_read(call, [&](Store& store, GenerationNumber) {
    const auto pin = store.pin(id);
    if (!pin) throw Error(Code::not_found, "no pin " + std::to_string(id) + " is in force");
    return json_of(*pin);
  });
}

Answer add_pin(const Call& call) {
  Parameters(call.request).finish();
  PinsRequest request = PinsRequest::parse(call.request.body);
  const Store::Asked asked = asked_by(call, request.reason);
  return answer_change<Store::PinsAdded>(
      call,
      [asked, rows = std::move(request.rows)](Store& store) { return store.add_pins(asked, rows); },
      [](const Store::PinsAdded& added) {
        Json json = json_of(added.change);
        Json array = Json::array();
        for (const PinRow& pin : added.rows) array.push_back(json_of(pin));
        json["pins"] = std::move(array);
        return with_etag(json_response(added.change.changed ? 201 : 200, json),
                         added.change.generation);
      });
}

Answer remove_pin(const Call& call) {
  Parameters query(call.request);
  const std::string reason = query.text("reason").value_or("");
  query.finish();
  if (reason.size() > kMostReasonBytes) {
    throw Error(Code::too_large, "the parameter \"reason\" is longer than 1000 bytes");
  }
  const std::int64_t id = id_of(call);
  const Store::Asked asked = asked_by(call, reason);
  return answer_change<Change>(
      call, [asked, id](Store& store) { return store.remove_pins(asked, {id}); },
      [](const Change& change) { return json_response(200, json_of(change)); });
}

bool list_blocks(const Request& request) { return !asks_for_a_host(request); }

} // namespace

std::vector<Route> pins_routes() {
  constexpr auto kNone = Route::Body::none;
  return {
      {"GET", "/v1/pins", Access::read, kNone, list_blocks, list_pins},
      {"POST", "/v1/pins", Access::change, Route::Body::small, always, add_pin},
      {"GET", "/v1/pins/{id}", Access::read, kNone, never, one_pin},
      {"DELETE", "/v1/pins/{id}", Access::change, kNone, always, remove_pin},
  };
}

} // namespace trust
