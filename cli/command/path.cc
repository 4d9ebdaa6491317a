#include "cli/command/path.h"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "libtrust/error.h"
#include "libtrust/snapshot.h"

namespace trust {
namespace {

constexpr std::size_t kFewestDigits = 6; // of a fingerprint

// A text that can stand in a file name as it is; one of hex digits only is a fingerprint or the
// beginning of one.
bool could_be_label(const std::string& text) {
  if (text.empty() || text.size() > 63 || text[0] == '.') return false;
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (std::all_of(text.begin(), text.end(), is_hex)) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

bool is_readable(const std::string& path) { return ::access(path.c_str(), R_OK) == 0; }

Error nothing_called(const std::string& what) {
  return {Code::not_found, "nothing stored is called " + shown(what), "trustctl list"};
}

}  // namespace

std::string path_in(const std::string& store, const std::string& what) {
  const std::string current = store + "/current/";
  std::string path;
  if (what.empty() || what == "bundle") {
    path = current + "bundle.pem";
  } else if (what == "extra") {
    path = current + "extra.pem";
  } else if (what == "hashed") {
    path = current + "hashed";
  } else if (what == "p12") {
    path = current + "truststore.p12";
  } else if (could_be_label(what)) {
    path = current + "by-label/" + what + ".pem";
    if (!is_readable(path)) throw nothing_called(what);
    return path;
  } else {
    const Entry entry = Snapshot::open(store).find(what, kFewestDigits);
    path = current + "certs/" + entry.certificate.fingerprint.text() + ".pem";
    if (entry.trust == Trust::distrusted) {
      throw Error(Code::not_found, shown(what) + " is distrusted, so no file holds it",
                  "trustctl show " + entry.certificate.fingerprint.text());
    }
    if (!is_readable(path)) throw nothing_called(what);
    return path;
  }
  if (!is_readable(path)) {
    throw Error(Code::store_invalid, "the store at " + shown(store) + " lacks " + shown(path),
                "trustctl status");
  }
  return path;
}

int path_command(Context& context, const std::string& what) {
  const StoreChoice store = context.published_store();
  const std::string path = path_in(store.directory, what);
  if (context.globals().json) {
    context.print_json({{"path", path}, {"store", store.directory}, {"why", store.why}});
  } else {
    context.terminal().line(path);
  }
  return 0;
}

}  // namespace trust
