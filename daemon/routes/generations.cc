#include "daemon/routes/generations.h"

#include <nlohmann/json.hpp>

#include "daemon/routes/parameters.h"
#include "libtrust/request.h"

namespace trust {
namespace {

GenerationNumber number_of(const Call& call) {
  const auto number = parse_number(call.path_values.at(0));
  if (!number) throw Error(Code::not_found, "no such generation");
  return *number;
}

void must_exist(Store& store, GenerationNumber number) {
  if (number > store.generation()) {
    throw Error(Code::not_found, "there is no generation " + std::to_string(number) + " yet");
  }
}

Answer list_generations(const Call& call) {
  Parameters query(call.request);
  const std::size_t limit = query.limit();
  const std::uint64_t cursor = query.cursor(0);
  query.finish();
  return answer_read(call, [&](Store& store, GenerationNumber generation) {
    const auto rows = store.generations(limit, cursor);
    Json array = Json::array();
    for (const GenerationRow& row : rows) array.push_back(json_of(row));
    return Json{{"generations", std::move(array)},
                {"next_cursor",
                 rows.size() == limit ? Json(std::to_string(rows.back().number)) : Json(nullptr)},
                {"generation", generation}};
  });
}

Answer one_generation(const Call& call) {
  Parameters(call.request).finish();
  const GenerationNumber number = number_of(call);
  return answer_read(call, [&](Store& store, GenerationNumber) {
    const auto row = store.generation_row(number);
    if (!row) {
      throw Error(Code::not_found, "there is no generation " + std::to_string(number));
    }
    return json_of(*row);
  });
}

Answer diff(const Call& call) {
  Parameters query(call.request);
  const auto with = query.number("with");
  query.finish();
  const GenerationNumber from = number_of(call);
  return answer_read(call, [&](Store& store, GenerationNumber generation) {
    const GenerationNumber to = with.value_or(generation);
    must_exist(store, from);
    must_exist(store, to);
    return json_of(store.difference(from, to), from, to);
  });
}

Answer rollback(const Call& call) {
  Parameters(call.request).finish();
  const GenerationNumber target = number_of(call);
  RollbackRequest request = RollbackRequest::parse(call.request.body);
  if (request.plan) {
    return answer_read(call, [&](Store& store, GenerationNumber) {
      must_exist(store, target);
      return json_of(store.plan_rollback(target));
    });
  }
  const Store::Asked asked = asked_by(call, request.reason);
  const auto plan = std::make_shared<RollbackPlan>();
  return answer_change<Change>(
      call,
      [asked, target, plan, accept = std::move(request.accept)](Store& store) {
        must_exist(store, target);
        try {
          return store.rollback(asked, target, accept);
        } catch (const Error& error) {
          if (error.code() == Code::not_confirmed) *plan = store.plan_rollback(target);
          throw;
        }
      },
      [](const Change& change) { return json_response(200, json_of(change)); },
      [plan](const Error& error) -> std::optional<Response> {
        if (error.code() != Code::not_confirmed) return std::nullopt;
        Json json = problem_json(error);
        json.update(json_of(*plan));
        return problem_response(json);
      });
}

} // namespace

std::vector<Route> generations_routes() {
  constexpr auto kNone = Route::Body::none;
  return {
      {"GET", "/v1/generations", Access::read, kNone, always, list_generations},
      {"GET", "/v1/generations/{n}", Access::read, kNone, never, one_generation},
      {"GET", "/v1/generations/{n}/diff", Access::read, kNone, always, diff},
      {"POST", "/v1/generations/{n}/rollback", Access::change, Route::Body::small, always,
       rollback},
  };
}

} // namespace trust
