#include "daemon/routes/certificates.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "daemon/entry_json.h"
#include "daemon/routes/parameters.h"
#include "libtrust/request.h"

namespace trust {
namespace {

constexpr std::uint64_t kLeastDigits = 6;      // of a fingerprint, to read

Fingerprint fingerprint_of(const Call& call) { return Fingerprint::parse(call.path_values.at(0)); }

Error unknown(const Fingerprint& fingerprint) {
  return Error(Code::not_found, "no certificate " + fingerprint.text() + " is stored");
}

// An ID that a person typed: interfaces' rule, answered as a list of one.
Answer find(const Call& call, Parameters& query, const std::string& id) {
  const auto digits = query.number("digits").value_or(kLeastDigits);
  query.finish();
  return answer_read(call, [&](Store& store, GenerationNumber generation) {
    const Entry entry = store.find(id, static_cast<std::size_t>(std::max(digits, kLeastDigits)));
    return Json{{"certificates", Json::array({entry_json(call.service, store, entry)})},
                {"next_cursor", nullptr},
                {"generation", generation}};
  });
}

Answer list_certificates(const Call& call) {
  Parameters query(call.request);
  if (const auto id = query.text("id")) return find(call, query, *id);
  EntryFilter filter;
  filter.text = query.text("q");
  if (const auto host = query.text("host")) filter.host = Host::parse(*host);
  filter.label = query.text("label");
  if (const auto trust = query.text("trust")) filter.trust = parse_trust(*trust);
  filter.expires_before = query.time("expires_before");
  const std::string base = query.text("base").value_or("false");
  if (base != "true" && base != "false" && base != "only") {
    throw Error(Code::usage, "the parameter \"base\" is not true, false or only");
  }
  filter.include_base = base != "false";
  filter.only_base = base == "only";
  const std::size_t limit = query.limit();
  const std::uint64_t cursor = query.cursor(0);
  query.finish();
  return answer_read(call, [&](Store& store, GenerationNumber generation) {
    const auto entries = store.entries(filter, limit, static_cast<std::int64_t>(cursor));
    Json array = Json::array();
    for (const Entry& entry : entries) array.push_back(entry_json(call.service, store, entry));
    return Json{{"certificates", std::move(array)},
                {"next_cursor",
                 entries.size() == limit ? Json(std::to_string(entries.back().id)) : Json(nullptr)},
                {"generation", generation}};
  });
}

Answer one_certificate(const Call& call) {
  Parameters(call.request).finish();
  const Fingerprint fingerprint = fingerprint_of(call);
  return answer_read(call, [&](Store& store, GenerationNumber) {
    const auto entry = store.entry(fingerprint);
    if (!entry) throw unknown(fingerprint);
    return entry_json(call.service, store, *entry);
  });
}

Answer pem(const Call& call) {
  Parameters(call.request).finish();
  const Fingerprint fingerprint = fingerprint_of(call);
  return call.service.readers.with([&](Store& store) -> Response {
    const auto der = store.der(fingerprint);
    if (!der) throw unknown(fingerprint);
    Response response;
    response.content_type = "application/x-pem-file";
    response.body = pem_of(*der);
    response.headers.emplace_back("ETag", etag_of(store.generation()));
    return response;
  });
}

Answer patch(const Call& call) {
  Parameters(call.request).finish();
  const Fingerprint fingerprint = fingerprint_of(call);
  EntryPatch changes = parse_patch(call.request.body);
  const Store::Asked asked = asked_by(call, changes.reason.value_or(""));
  const auto made = std::make_shared<Entry>();
  return answer_change<Change>(
      call,
      [asked, fingerprint, changes, made](Store& store) {
        const Change change = store.patch(asked, fingerprint, changes);
        if (const auto entry = store.entry(fingerprint)) *made = *entry;
        return change;
      },
      [made, &service = call.service](const Change& change) {
        Json json =
            service.readers.with([&](Store& store) { return entry_json(service, store, *made); });
        json.update(json_of(change));
        Response response = json_response(200, json);
        response.headers.emplace_back("ETag", etag_of(change.generation));
        return response;
      });
}

Answer remove_certificate(const Call& call) {
  Parameters query(call.request);
  const std::string reason = query.text("reason").value_or("");
  query.finish();
  if (reason.size() > kMostReasonBytes) {
    throw Error(Code::too_large, "the parameter \"reason\" is longer than 1000 bytes");
  }
  const Fingerprint fingerprint = fingerprint_of(call);
  const Store::Asked asked = asked_by(call, reason);
  return answer_change<Change>(
      call, [asked, fingerprint](Store& store) { return store.remove(asked, fingerprint); },
      [](const Change& change) { return json_response(200, json_of(change)); });
}

} // namespace

std::vector<Route> certificates_routes() {
  constexpr auto kNone = Route::Body::none;
  return {
      {"GET", "/v1/certificates", Access::read, kNone, always, list_certificates},
      {"GET", "/v1/certificates/{fingerprint}", Access::read, kNone, never, one_certificate},
      {"PATCH", "/v1/certificates/{fingerprint}", Access::change, Route::Body::small, always,
       patch},
      {"DELETE", "/v1/certificates/{fingerprint}", Access::change, kNone, always,
       remove_certificate},
      {"GET", "/v1/certificates/{fingerprint}/pem", Access::read, kNone, never, pem},
  };
}

} // namespace trust
