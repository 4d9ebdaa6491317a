#include "daemon/routes/identities.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "daemon/identities.h"
#include "daemon/renewals.h"
#include "daemon/routes/parameters.h"
#include "libtrust/request.h"

namespace trust {
namespace {

constexpr std::uint64_t kLeastDigits = 6;      // of a fingerprint, to read

Fingerprint fingerprint_of(const Call& call) { return Fingerprint::parse(call.path_values.at(0)); }

Error unknown(const Fingerprint& fingerprint) {
  return {Code::not_found, "no identity has the fingerprint " + fingerprint.text(),
          "trustctl identity list"};
}

// With whether its certificate is trusted: by itself, or through the CA that signed it.
Json identity_json(Store& store, const Identity& identity) {
  Json json = json_of(identity);
  auto anchor = std::optional(identity.certificate.fingerprint);
  if (identity.from_ca) {
    const auto ca = store.local_ca();
    anchor = ca ? std::optional(ca->certificate.fingerprint) : std::nullopt;
  }
  const auto entry = anchor ? store.entry(*anchor) : std::nullopt;
  json["trusted"] = entry && entry->trust != Trust::distrusted;
  return json;
}

Identities& identities_of(const Call& call) {
  if (call.service.identities == nullptr) throw Error(Code::internal, "no identities are made");
  return *call.service.identities;
}

// A path in a request is opened as the daemon, so only those may name one who could open it
// themselves. By TCP nobody vouches for the caller.
void refuse_others_paths(const Call& call, const IdentityRequest& request) {
  if (request.directory.empty()) return;
  const Caller& peer = *call.request.peer;
  const bool may = peer.unix_socket && (peer.uid == 0 || peer.uid == call.service.rights.own_uid);
  if (may) return;
  throw Error(Code::forbidden,
              "only root and the daemon's own user may name a directory for the daemon",
              "without --out the daemon keeps the key; without --renew trustctl makes it");
}

void check(const Call& call, const IdentityRequest& request) {
  refuse_others_paths(call, request);
  const auto& hooks = call.service.config.hooks;
  const bool has_hook = request.after_renew.empty() ||
                        std::any_of(hooks.begin(), hooks.end(), [&](const HookConfig& hook) {
                          return hook.name == request.after_renew;
                        });
  if (!has_hook) {
    throw Error(Code::not_found,
                "trustd.toml has no hook called \"" + shown(request.after_renew) + "\"",
                "[[hook]] with name and command in " + call.service.layout.config);
  }
  if (!request.after_renew.empty() && !request.renew) {
    throw Error(Code::usage, "a hook runs after a renewal: \"after_renew\" wants \"renew\"");
  }
  if (request.ca && request.from_ca) {
    throw Error(Code::usage, "the local CA signs servers, and no further CA",
                "leave out --ca, or --from-ca");
  }
  if (!request.public_key) return;
  if (!request.from_ca || request.renew || !request.directory.empty()) {
    throw Error(Code::usage,
                "a \"public_key\" is signed by the local CA (\"from_ca\"), once: who has the key "
                "renews it");
  }
}

Answer list_identities(const Call& call) {
  Parameters query(call.request);
  const auto id = query.text("id");
  const auto digits = query.number("digits").value_or(kLeastDigits);
  const std::size_t limit = query.limit();
  const std::uint64_t cursor = query.cursor(0);
  query.finish();
  return call.service.readers.with([&](Store& store) {
    Json array = Json::array();
    Json next = nullptr;
    store.in_snapshot([&] {
      if (id) {
        array.push_back(identity_json(
            store,
            store.find_identity(*id, static_cast<std::size_t>(std::max(digits, kLeastDigits)))));
        return;
      }
      const auto identities = store.identities(limit, static_cast<std::int64_t>(cursor));
      for (const Identity& identity : identities) array.push_back(identity_json(store, identity));
      if (identities.size() == limit) next = std::to_string(identities.back().id);
    });
    return json_response(200, Json{{"identities", std::move(array)},
                                   {"next_cursor", std::move(next)},
                                   {"generation", store.generation()}});
  });
}

Answer one_identity(const Call& call) {
  Parameters(call.request).finish();
  const Fingerprint fingerprint = fingerprint_of(call);
  return call.service.readers.with([&](Store& store) -> Response {
    const auto identity = store.identity(fingerprint);
    if (!identity) throw unknown(fingerprint);
    return json_response(200, identity_json(store, *identity));
  });
}

// Stores what was made, with its files in place already; takes those away if it cannot be.
Answer store(const Call& call, Identities::Prepared prepared, std::string reason) {
  Identities& identities = identities_of(call);
  const auto made = std::make_shared<const Identities::Prepared>(std::move(prepared));
  const Store::Asked asked = asked_by(call, std::move(reason));
  return answer_change<Store::IdentityAdded>(
      call,
      [asked, made](Store& store) {
        return store.add_identity(asked, made->identity, made->certificate, made->trusted,
                                  made->emit_signing);
      },
      [made, &service = call.service](const Store::IdentityAdded& added) {
        if (service.renewals != nullptr) service.renewals->look_again();
        Json json = service.readers.with(
            [&](Store& store) { return identity_json(store, added.identity); });
        json["certificate_pem"] = made->certificate.pem();
        json["warnings"] = made->warnings;
        json.update(json_of(added.change));
        Response response = json_response(201, json);
        response.headers.emplace_back("ETag", etag_of(added.change.generation));
        response.headers.emplace_back("Location",
                                      "/v1/identities/" + made->certificate.fingerprint().text());
        return response;
      },
      [made, &identities](const Error&) -> std::optional<Response> {
        identities.discard(*made);
        return std::nullopt;
      });
}

Answer make(const Call& call) {
  Parameters(call.request).finish();
  const IdentityRequest request = IdentityRequest::parse(call.request.body);
  check(call, request);
  return store(call, identities_of(call).prepare(request), request.reason);
}

Answer make_ca(const Call& call) {
  Parameters(call.request).finish();
  const CaRequest request = CaRequest::parse(call.request.body);
  return store(call, identities_of(call).prepare_ca(request), request.reason);
}

Answer show_ca(const Call& call) {
  Parameters(call.request).finish();
  return call.service.readers.with([&](Store& store) {
    const auto ca = store.local_ca();
    Json json = {{"ca", nullptr}};
    if (ca) {
      json["ca"] = identity_json(store, *ca);
      if (const auto der = store.der(ca->certificate.fingerprint)) {
        json["ca"]["certificate_pem"] = pem_of(*der);
      }
    }
    return json_response(200, json);
  });
}

Answer renew(const Call& call) {
  Parameters(call.request).finish();
  const Fingerprint fingerprint = fingerprint_of(call);
  const Store::Asked asked = asked_by(call, parse_reason(call.request.body));
  if (call.service.renewals == nullptr) throw Error(Code::internal, "nothing is renewed");
  return Later{
      [asked, fingerprint, &service = call.service](const std::function<void(Response)>& complete) {
        try {
          service.renewals->renew(asked, fingerprint,
                                  [complete, &service](const std::exception_ptr& failure,
                                                       const Renewals::Renewed& renewed) {
                                    try {
                                      if (failure) std::rethrow_exception(failure);
                                      Json json = service.readers.with([&](Store& store) {
                                        return identity_json(store, renewed.identity);
                                      });
                                      json["certificate_pem"] = renewed.certificate_pem;
                                      json["warnings"] = renewed.warnings;
                                      json.update(json_of(renewed.change));
                                      complete(json_response(200, json));
                                    } catch (...) {
                                      complete(response_to(std::current_exception()));
                                    }
                                  });
        } catch (...) {
          complete(response_to(std::current_exception()));
        }
      }};
}

Answer forget(const Call& call) {
  Parameters query(call.request);
  const std::string reason = query.text("reason").value_or("");
  query.finish();
  if (reason.size() > kMostReasonBytes) {
    throw Error(Code::too_large, "the parameter \"reason\" is longer than 1000 bytes");
  }
  const Fingerprint fingerprint = fingerprint_of(call);
  const auto identity =
      call.service.readers.with([&](Store& store) { return store.identity(fingerprint); });
  if (!identity) throw unknown(fingerprint);
  const Store::Asked asked = asked_by(call, reason);
  return answer_change<Change>(
      call,
      [asked, fingerprint](Store& store) { return store.remove_identity(asked, fingerprint); },
      [identity, &identities = identities_of(call)](const Change& change) {
        Json json = json_of(change);
        json["warnings"] = Json::array();
        try {
          identities.forget_files(*identity);
        } catch (const Error& error) {
          json["warnings"].push_back("its files could not be removed: " + error.message());
        }
        return json_response(200, json);
      });
}

} // namespace

std::vector<Route> identities_routes() {
  constexpr auto kNone = Route::Body::none;
  constexpr auto kSmall = Route::Body::small;
  return {
      {"GET", "/v1/identities", Access::insight, kNone, always, list_identities},
      {"POST", "/v1/identities", Access::change, kSmall, always, make},
      {"GET", "/v1/identities/{fingerprint}", Access::insight, kNone, always, one_identity},
      {"POST", "/v1/identities/{fingerprint}/renew", Access::change, kSmall, always, renew},
      {"DELETE", "/v1/identities/{fingerprint}", Access::change, kNone, always, forget},
      {"GET", "/v1/ca", Access::insight, kNone, always, show_ca},
      {"POST", "/v1/ca", Access::change, kSmall, always, make_ca},
  };
}

} // namespace trust
