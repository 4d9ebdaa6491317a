#include "daemon/routes/reply.h"

#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

#include "daemon/http_text.h"
#include "daemon/routes/parameters.h"

namespace trust {
namespace {

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kProblemJson = "application/problem+json";

// Calls `visit` with each entity tag of a list.
template <typename Visit>
void each_tag(std::string_view list, const Visit& visit) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    visit(trimmed(list.substr(0, comma)));
    if (comma == list.npos) return;
    list.remove_prefix(comma + 1);
  }
}

} // namespace

Response json_response(int status, std::string text) {
  Response response;
  response.status = status;
  response.content_type = kJson;
  response.body = std::move(text);
  return response;
}

Response json_response(int status, const Json& json) {
  return json_response(status, text_of(json));
}

Response problem_response(const Json& problem) {
  Response response = json_response(problem.value("status", 500), text_of(problem));
  response.content_type = kProblemJson;
  return response;
}

Response response_to(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Error& error) {
    if (facts(error.code()).http_status >= 500) spdlog::warn("{}", shown(error.message()));
    return problem(error);
  } catch (const std::exception& error) {
    spdlog::error("a request met a bug: {}", shown(error.what()));
  } catch (...) {
    spdlog::error("a request met a bug: what was thrown is no exception");
  }
  return problem(Error(Code::internal, "an internal error; the daemon's log has more"));
}

std::string etag_of(GenerationNumber generation) {
  return "\"g" + std::to_string(generation) + '"';
}

bool is_known(const Request& request, GenerationNumber generation) {
  if (!request.if_none_match) return false;
  const std::string tag = etag_of(generation);
  bool known = false;
  each_tag(*request.if_none_match, [&](std::string_view one) {
    if (one.starts_with("W/")) one.remove_prefix(2);
    known = known || one == tag || one == "*";
  });
  return known;
}

Response not_modified(GenerationNumber generation) {
  Response response;
  response.status = 304;
  response.headers.emplace_back("ETag", etag_of(generation));
  return response;
}

std::optional<GenerationNumber> expected_generation(const Request& request) {
  if (!request.if_match || trimmed(*request.if_match) == "*") return std::nullopt;
  std::string_view tag = trimmed(*request.if_match);
  if (tag.size() > 3 && tag.starts_with("\"g") && tag.ends_with('"')) {
    tag.remove_prefix(2);
    tag.remove_suffix(1);
    if (const auto number = parse_number(tag)) return number;
  }
  throw Error(Code::precondition, "If-Match is not the tag of one generation, \"g42\"");
}

Response answer_read(const Call& call, const std::function<Json(Store&, GenerationNumber)>& read) {
  return call.service.readers.with([&](Store& store) {
    Response response;
    store.in_snapshot([&] {
      const GenerationNumber generation = store.generation();
      if (is_known(call.request, generation)) {
        response = not_modified(generation);
        return;
      }
      response = json_response(200, read(store, generation));
      response.headers.emplace_back("ETag", etag_of(generation));
    });
    return response;
  });
}

Store::Asked asked_by(const Call& call, std::string reason) {
  Store::Asked asked;
  const Caller& peer = *call.request.peer;
  asked.actor.uid = peer.unix_socket ? peer.uid : call.service.rights.own_uid;
  asked.actor.pid = peer.unix_socket ? peer.pid : 0;
  asked.actor.executable = peer.unix_socket ? peer.executable() : "tcp " + peer.address;
  asked.reason = std::move(reason);
  asked.expected = expected_generation(call.request);
  return asked;
}

Response not_published_response(const Change& change, const std::string& why) {
  Json json = problem_json(Error(Code::not_published,
                                 "generation " + std::to_string(change.generation) +
                                     " is stored, but not yet published: " + why,
                                 "trustctl status"));
  json.update(json_of(change));
  Response response = problem_response(json);
  response.headers.emplace_back("Retry-After", "1");
  return response;
}

} // namespace trust
