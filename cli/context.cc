#include "cli/context.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <nlohmann/json.hpp>

#include "libtrust/absolute.h"
#include "libtrust/error.h"

namespace trust {
namespace {}  // namespace

Context::Context(Globals globals, Environment environment)
    : globals_(std::move(globals)),
      environment_(std::move(environment)),
      terminal_({.quiet = globals_.quiet, .no_color = globals_.no_color}, environment_) {}

Layout Context::layout() const {
  return globals_.system ? Layout::machine() : Layout::user(environment_);
}

std::vector<SocketCandidate> Context::sockets() const {
  return socket_candidates(globals_.socket, environment_, globals_.system);
}

ClientSettings Context::client_settings() const {
  ClientSettings settings;
  settings.candidates = sockets();
  if (!globals_.system) settings.token_files.push_back(layout().token);
  settings.token_files.push_back(Layout::machine().token);
  return settings;
}

const Client& Context::client() {
  if (!client_) client_.emplace(client_settings());
  return *client_;
}

StoreChoice Context::store() const {
  StoreChoice choice = choose_store(globals_.store, environment_, globals_.system);
  choice.directory = absolute_path(choice.directory);
  while (choice.directory.size() > 1 && choice.directory.ends_with('/')) {
    choice.directory.pop_back();
  }
  return choice;
}

StoreChoice Context::published_store() const {
  StoreChoice choice = store();
  struct stat status {};
  if (::stat((choice.directory + "/current/").c_str(), &status) == 0) return choice;
  const int error_number = errno;
  const std::string where = shown(choice.directory) + " (" + choice.why + ")";
  if (error_number == ENOENT || error_number == ENOTDIR) {
    throw Error(Code::store_missing, "nothing is published at " + where,
                globals_.system ? "trustctl start --system" : "trustctl start");
  }
  throw Error(Code::store_access,
              system_error("cannot read the store at " + where, error_number).message());
}

void Context::print_json(const Json& json) const {
  constexpr bool kAsciiOnly = true;
  const std::string text = json.dump(-1, ' ', kAsciiOnly, Json::error_handler_t::replace);
  std::string safe;
  safe.reserve(text.size() + 1);
  for (const char c : text) {
    if (c == '\x7f') {
      safe += "\\u007f";
    } else {
      safe += c;
    }
  }
  terminal_.line(safe);
}

Json Context::body() const {
  Json body = Json::object();
  if (!globals_.reason.empty()) body["reason"] = globals_.reason;
  return body;
}

}  // namespace trust
