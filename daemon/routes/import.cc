#include "daemon/routes/import.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "daemon/entry_json.h"
#include "daemon/routes/parameters.h"
#include "libtrust/decode.h"
#include "libtrust/label.h"
#include "libtrust/propose.h"
#include "libtrust/request.h"

namespace trust {
namespace {

constexpr std::size_t kMostExplained = 1000; // entries whose emission is told with the answer
constexpr std::size_t kMostBadNamed = 10; // lines that a sentence names; the list names all

struct BadLine {
  std::size_t line;
  std::string reason;
  Error error;
};

struct Import {
  Addition addition;
  std::vector<BadLine> bad; // left out, as asked
  std::vector<std::string> warnings;
};

std::string sentence_of(const std::vector<BadLine>& bad, std::size_t all, std::string_view source) {
  std::string text = std::to_string(bad.size()) + " of " + std::to_string(all) + " in " +
                     shown(source) + " cannot be taken, so none was: ";
  for (std::size_t i = 0; i < bad.size() && i < kMostBadNamed; ++i) {
    if (i > 0) text += "; ";
    text += "line " + std::to_string(bad[i].line) + ": " + bad[i].reason;
  }
  if (bad.size() > kMostBadNamed) text += "; …";
  return text;
}

Json lines_of(const std::vector<BadLine>& bad) {
  Json lines = Json::array();
  for (const BadLine& line : bad) {
    lines.push_back(Json{{"line", line.line}, {"reason", line.reason}});
  }
  return lines;
}

// The key of each leaf, for its scope or else for its names.
void pin_leaf(const Addition::Item& item, std::optional<UnixTime> expires_at, Import& import) {
  if (item.trust != Trust::leaf) return;
  PinRow row;
  row.pin = Pin::of(item.certificate);
  row.expires_at = expires_at;
  row.note = item.label;
  std::vector<std::string> patterns;
  for (const Pattern& host : item.hosts) patterns.push_back(host.text());
  if (patterns.empty()) {
    patterns = item.certificate.dns_names();
    for (const Host& address : item.certificate.addresses()) patterns.push_back(address.text());
  }
  for (const std::string& pattern : patterns) {
    try {
      row.pattern.pattern = Pattern::parse(pattern);
      import.addition.pins.push_back(row);
    } catch (const Error& error) {
      import.warnings.push_back("not pinned: " + error.message());
    }
  }
}

Decoded certificates_of(const Call& call, const AddRequest& request) {
  if (!request.fingerprint) {
    return decode(request.pem, request.source.empty() ? "the request" : request.source);
  }
  const auto der =
      call.service.readers.with([&](Store& store) { return store.der(*request.fingerprint); });
  if (!der) {
    throw Error(Code::not_found, "no certificate " + request.fingerprint->text() + " is stored");
  }
  Decoded decoded;
  decoded.certificates.push_back({Certificate::from_der(*der), 0});
  return decoded;
}

// What the request makes, or what it is refused for: all of it, unless bad ones may be left out.
std::variant<Import, Response> prepare(const Call& call, const AddRequest& request) {
  Decoded decoded = certificates_of(call, request);
  const std::size_t all = decoded.certificates.size() + decoded.bad.size();
  if (!request.label.empty()) {
    parse_label(request.label);
    if (decoded.certificates.size() > 1) {
      throw Error(Code::usage, "one label cannot name " +
                                   std::to_string(decoded.certificates.size()) + " certificates");
    }
  }
  const Wish wish{request.trust,      request.hosts,        request.label,
                  request.expires_at, request.emit_signing, call.service.layout.system};
  const UnixTime now = call.service.clock();
  Import import;
  import.addition.expires_at = request.expires_at;
  import.addition.replace = request.replace;
  import.addition.only_this_certificate = request.only_this_certificate;
  import.addition.emit_signing = request.emit_signing;
  for (PinRow row : request.pins) {
    row.expires_at = request.expires_at;
    import.addition.pins.push_back(std::move(row));
  }
  for (const BadBlock& block : decoded.bad) {
    import.bad.push_back({block.line, block.reason, Error(Code::invalid, block.reason)});
  }
  std::map<Fingerprint, std::size_t> seen;
  for (const DecodedCertificate& one : decoded.certificates) {
    const auto [first, fresh] = seen.emplace(one.certificate.fingerprint(), one.line);
    if (!fresh) {
      import.warnings.push_back("line " + std::to_string(one.line) +
                                ": the same certificate as on line " +
                                std::to_string(first->second));
      continue;
    }
    try {
      Proposal proposal = propose(one.certificate, request.source, wish, now);
      import.addition.items.push_back({std::move(proposal.certificate), proposal.trust,
                                       std::move(proposal.hosts), std::move(proposal.label),
                                       !request.label.empty()});
      std::move(proposal.warnings.begin(), proposal.warnings.end(),
                std::back_inserter(import.warnings));
      if (request.pin) pin_leaf(import.addition.items.back(), request.expires_at, import);
    } catch (const Error& error) {
      if (all == 1) throw;
      import.bad.push_back({one.line, error.message(), error});
    }
  }
  std::sort(import.bad.begin(), import.bad.end(),
            [](const BadLine& a, const BadLine& b) { return a.line < b.line; });
  if (import.addition.items.empty() && import.bad.size() == 1) throw import.bad[0].error;
  if (!import.bad.empty() && (!request.skip_invalid || import.addition.items.empty())) {
    const std::string source = request.source.empty() ? "the request" : request.source;
    Json json = problem_json(Error(Code::invalid, sentence_of(import.bad, all, source),
                                   "with --skip-invalid the others are added"));
    json["lines"] = lines_of(import.bad);
    return problem_response(json);
  }
  return import;
}

Response added_response(Service& service, const Added& added, const Import& import) {
  const bool created = std::any_of(added.items.begin(), added.items.end(),
                                   [](const Added::Item& item) { return item.created; });
  Json json = json_of(added.change);
  Json array = Json::array();
  const bool explained = added.items.size() <= kMostExplained;
  service.readers.with([&](Store& store) {
    for (const Added::Item& item : added.items) {
      Json entry = explained ? entry_json(service, store, item.entry) : json_of(item.entry);
      entry["created"] = item.created;
      array.push_back(std::move(entry));
    }
  });
  if (array.size() == 1) json.update(array[0]);
  json["certificates"] = std::move(array);
  json["skipped"] = lines_of(import.bad);
  json["warnings"] = import.warnings;
  Response response = json_response(created ? 201 : 200, json);
  response.headers.emplace_back("ETag", etag_of(added.change.generation));
  if (added.items.size() == 1) {
    response.headers.emplace_back(
        "Location", "/v1/certificates/" + added.items[0].entry.certificate.fingerprint.text());
  }
  return response;
}

bool is_json(const Request& request) {
  return request.content_type && request.content_type->starts_with("application/json");
}

Answer add_certificates(const Call& call) {
  AddRequest request;
  if (is_json(call.request)) {
    Parameters(call.request).finish();
    request = AddRequest::parse(call.request.body);
  } else {
    request = AddRequest::parse_raw(call.request.body, call.request.query);
  }
  auto prepared = prepare(call, request);
  if (auto* refused = std::get_if<Response>(&prepared)) return std::move(*refused);
  const auto import = std::make_shared<const Import>(std::move(std::get<Import>(prepared)));
  const Store::Asked asked = asked_by(call, request.reason);
  return answer_change<Added>(
      call, [asked, import](Store& store) { return store.add(asked, import->addition); },
      [import, &service = call.service](const Added& added) {
        return added_response(service, added, *import);
      });
}

} // namespace

std::vector<Route> import_routes() {
  return {
      {"POST", "/v1/certificates", Access::change, Route::Body::certificates, always,
       add_certificates},
  };
}

} // namespace trust
