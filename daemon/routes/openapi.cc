#include "daemon/routes/openapi.h"

#include "daemon/openapi_text.h"
#include "daemon/routes/parameters.h"

namespace trust {
namespace {

Answer openapi(const Call& call) {
  Parameters(call.request).finish();
  return json_response(200, std::string(openapi_text()));
}

} // namespace

std::vector<Route> openapi_routes() {
  return {{"GET", "/openapi.json", Access::read, Route::Body::none, never, openapi}};
}

} // namespace trust
