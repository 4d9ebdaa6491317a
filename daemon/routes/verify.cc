#include "daemon/routes/verify.h"

#include <nlohmann/json.hpp>

#include "daemon/routes/parameters.h"
#include "daemon/stopping.h"
#include "libtrust/decode.h"
#include "libtrust/dial.h"
#include "libtrust/judge.h"
#include "libtrust/request.h"

namespace trust {
namespace {

Response answer_with(const Json& json, GenerationNumber generation) {
  Response response = json_response(200, json);
  response.headers.emplace_back("ETag", etag_of(generation));
  return response;
}

std::vector<Certificate> chain_of(const VerifyRequest& request) {
  Decoded decoded = decode(request.chain_pem, "chain_pem");
  if (!decoded.bad.empty()) {
    throw Error(Code::invalid, "chain_pem, line " + std::to_string(decoded.bad.front().line) +
                                   ": " + decoded.bad.front().reason);
  }
  std::vector<Certificate> chain;
  for (DecodedCertificate& one : decoded.certificates) {
    chain.push_back(std::move(one.certificate));
  }
  return chain;
}

Answer verify(const Call& call) {
  Parameters(call.request).finish();
  const VerifyRequest request = VerifyRequest::parse(call.request.body);
  const std::vector<Certificate> chain = chain_of(request);
  const auto view = call.service.published.view();
  const Judgement judgement = judge(chain, request.host, request.port, *view, {},
                                    request.at.value_or(call.service.clock()));
  return answer_with(json_of(judgement, request.host, request.port), judgement.generation);
}

Response probed(Service& service, const Endpoint& endpoint, const DialOptions& options) {
  const Presented presented = dial(endpoint, options);
  const auto view = service.published.view();
  const Judgement judgement =
      judge(presented.chain, endpoint.host, endpoint.port, *view, {}, service.clock());
  Json chain = Json::array();
  for (const Certificate& certificate : presented.chain) {
    chain.push_back(json_of(certificate));
    chain.back()["pem"] = certificate.pem();
  }
  return answer_with(Json{{"host", endpoint.host.text()},
                          {"port", endpoint.port},
                          {"address", presented.address},
                          {"tls_version", presented.tls_version},
                          {"cipher", presented.cipher},
                          {"presented", std::move(chain)},
                          {"judgement", json_of(judgement, endpoint.host, endpoint.port)},
                          {"generation", judgement.generation}},
                     judgement.generation);
}

Answer probe(const Call& call) {
  Parameters(call.request).finish();
  const ProbeRequest request = ProbeRequest::parse(call.request.body);
  DialOptions options;
  options.refused = local_or_many;
  options.stop_fd = call.service.stop_fd;
  if (request.starttls) options.starttls = parse_starttls(*request.starttls);
  const Endpoint endpoint{
      request.host,
      request.port.value_or(options.starttls ? default_port(*options.starttls) : Port{443})};
  Service& service = call.service;
  return Later{[&service, endpoint, options](const std::function<void(Response)>& complete) {
    try {
      service.errands.run([&service, endpoint, options, complete] {
        try {
          complete(probed(service, endpoint, options));
        } catch (const Error& error) {
          const bool stopped = error.code() == Code::cancelled;
          complete(response_to(stopped ? std::make_exception_ptr(daemon_stops())
                                       : std::current_exception()));
        } catch (...) {
          complete(response_to(std::current_exception()));
        }
      });
    } catch (const Error&) { // too many are dialled
      Response response = response_to(std::current_exception());
      response.headers.emplace_back("Retry-After", "1");
      complete(std::move(response));
    }
  }};
}

} // namespace

std::vector<Route> verify_routes() {
  return {
      {"POST", "/v1/verify", Access::read, Route::Body::small, always, verify},
      {"POST", "/v1/probe", Access::change, Route::Body::small, always, probe},
  };
}

} // namespace trust
