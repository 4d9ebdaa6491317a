#pragma once
// What every route answers in the same way: JSON, generations as ETags, conditions, and changes
// that wait for their publication.

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/message.h"
#include "daemon/service.h"
#include "libtrust/json.h"
#include "libtrust/store.h"

namespace trust {

// One request on its way through a route. `path_values` are what stood for the {…} of its path.
struct Call {
  Service& service;
  const Request& request;
  std::vector<std::string> path_values;
};

Response json_response(int status, const Json& json);
Response json_response(int status, std::string text);
// application/problem+json of a JSON that already has all members.
Response problem_response(const Json& problem);
// Of whatever was thrown. What is no Error is logged, and answered without its text.
Response response_to(const std::exception_ptr& thrown);

inline constexpr std::size_t kMostReasonBytes = 1000; // of a change, as a query says it

// "g42", with its quotes.
std::string etag_of(GenerationNumber generation);
// Whether If-None-Match names that generation: then 304 is the answer.
bool is_known(const Request& request, GenerationNumber generation);
Response not_modified(GenerationNumber generation);
// The generation that If-Match names; none if it is absent or "*". Error{precondition} if it
// names something that no generation is called.
std::optional<GenerationNumber> expected_generation(const Request& request);

// Reads in one snapshot, with the generation as ETag, or answers 304 without reading.
Response answer_read(const Call& call,
                     const std::function<Json(Store& store, GenerationNumber generation)>& read);

// Who asks, and why, for the store. On TCP it is the daemon's own user who holds the token.
Store::Asked asked_by(const Call& call, std::string reason);

inline const Change& change_of(const Change& change) { return change; }
inline const Change& change_of(const Added& added) { return added.change; }
inline const Change& change_of(const Store::PinsAdded& added) { return added.change; }
inline const Change& change_of(const Store::IdentityAdded& added) { return added.change; }

// 503 not_published, with the generation that is stored.
Response not_published_response(const Change& change, const std::string& why);

// Makes a change, waits until it is published, and answers with `respond(result)`. `refuse`, if
// given, may answer an Error in a way of its own.
template <typename Result>
Later answer_change(const Call& call, std::function<Result(Store&)> make,
                    std::function<Response(const Result&)> respond,
                    std::function<std::optional<Response>(const Error&)> refuse = nullptr) {
  return Later{[&changes = call.service.changes, make = std::move(make),
                respond = std::move(respond),
                refuse = std::move(refuse)](const std::function<void(Response)>& complete) {
    struct Made {
      std::optional<Result> result;
      std::optional<Response> response; // if it was made while publishing
    };
    const auto made = std::make_shared<Made>();
    const auto stored = [made, respond] {
      try {
        made->response = respond(*made->result);
      } catch (...) {
        // `finish` meets it again, and answers it.
      }
    };
    const auto finish = [made, respond, refuse](const Changes::Outcome& outcome) -> Response {
      try {
        if (outcome.failure) std::rethrow_exception(outcome.failure);
        if (outcome.unpublished) {
          return not_published_response(change_of(*made->result), *outcome.unpublished);
        }
        if (made->response) return *std::move(made->response);
        return respond(*made->result);
      } catch (const Error& error) {
        if (refuse) {
          if (auto response = refuse(error)) return std::move(*response);
        }
        return response_to(std::current_exception());
      } catch (...) {
        return response_to(std::current_exception());
      }
    };
    try {
      changes.submit(
          [made, make](Store& store) { made->result = make(store); },
          [complete, finish](const Changes::Outcome& outcome) { complete(finish(outcome)); },
          stored);
    } catch (...) {
      complete(response_to(std::current_exception()));
    }
  }};
}

// The same for what makes no generation, which waits for no publication.
template <typename Result>
Later answer_stored(const Call& call, std::function<Result(Store&)> make,
                    std::function<Response(const Result&)> respond) {
  return Later{[&changes = call.service.changes, make = std::move(make),
                respond = std::move(respond)](const std::function<void(Response)>& complete) {
    const auto result = std::make_shared<std::optional<Result>>();
    try {
      changes.submit([result, make](Store& store) { *result = make(store); },
                     [complete, result, respond](const Changes::Outcome& outcome) {
                       try {
                         if (outcome.failure) std::rethrow_exception(outcome.failure);
                         complete(respond(result->value()));
                       } catch (...) {
                         complete(response_to(std::current_exception()));
                       }
                     });
    } catch (...) {
      complete(response_to(std::current_exception()));
    }
  }};
}

} // namespace trust
