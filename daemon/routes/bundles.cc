#include "daemon/routes/bundles.h"

#include <fcntl.h>

#include <array>
#include <cerrno>
#include <climits>

#include "daemon/routes/parameters.h"
#include "libtrust/file.h"

namespace trust {
namespace {

constexpr std::size_t kMostFileBytes = std::size_t{64} << 20;
constexpr int kTries = 3; // the directory may be switched and removed between two looks

// A file of the published generation, whole, with its generation as ETag.
Response published_file(const Call& call, const std::string& directory, const std::string& name,
                        std::string_view content_type) {
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const Fd store(::open(call.service.layout.store.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    std::array<char, NAME_MAX + 1> link{};
    const auto length = ::readlinkat(store.get(), "current", link.data(), link.size() - 1);
    if (length <= 0) break;
    const std::string target(link.data(), static_cast<std::size_t>(length));
    const std::string path = directory.empty() ? target : target + "/" + directory;
    const Fd in(::openat(store.get(), path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!in) continue;
    const GenerationNumber generation =
        target.starts_with("gen-") ? parse_number(target.substr(4)).value_or(0) : 0;
    if (is_known(call.request, generation)) return not_modified(generation);
    auto bytes = read_file_at(in.get(), name, kMostFileBytes);
    if (!bytes) continue;
    Response response;
    response.content_type = content_type;
    response.body = std::move(*bytes);
    response.headers.emplace_back("ETag", etag_of(generation));
    return response;
  }
  throw Error(Code::store_missing, name + " is not published", "trustctl status");
}

Answer bundle(const Call& call) {
  Parameters(call.request).finish();
  return published_file(call, "", "bundle.pem", "application/x-pem-file");
}

Answer extra(const Call& call) {
  Parameters(call.request).finish();
  return published_file(call, "", "extra.pem", "application/x-pem-file");
}

Answer truststore(const Call& call) {
  Parameters(call.request).finish();
  return published_file(call, "", "truststore.p12", "application/x-pkcs12");
}

Answer env(const Call& call) {
  Parameters query(call.request);
  const std::string shell = query.text("shell").value_or("sh");
  query.finish();
  if (shell == "sh") return published_file(call, "env", "env.sh", "text/plain; charset=utf-8");
  if (shell == "fish") return published_file(call, "env", "env.fish", "text/plain; charset=utf-8");
  if (shell == "dotenv") return published_file(call, "env", "env.env", "text/plain; charset=utf-8");
  if (shell == "json") return published_file(call, "env", "env.json", "application/json");
  throw Error(Code::usage, "the parameter \"shell\" is not sh, fish, dotenv or json");
}

} // namespace

std::vector<Route> bundles_routes() {
  constexpr auto kNone = Route::Body::none;
  return {
      {"GET", "/v1/bundle.pem", Access::read, kNone, always, bundle},
      {"GET", "/v1/extra.pem", Access::read, kNone, always, extra},
      {"GET", "/v1/truststore.p12", Access::read, kNone, always, truststore},
      {"GET", "/v1/env", Access::read, kNone, always, env},
  };
}

} // namespace trust
