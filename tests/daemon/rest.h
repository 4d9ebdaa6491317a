#pragma once
// The daemon's routes over a store of the test's own, asked without a socket. Its clock stands
// still unless the test moves it. One thread.

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "daemon/application.h"
#include "daemon/changes.h"
#include "daemon/readers.h"
#include "daemon/service.h"
#include "libtrust/layout.h"
#include "libtrust/publish.h"
#include "tests/libtrust/scratch.h"

namespace trust::testing {

using Answered = nlohmann::ordered_json;

struct Asking {
  std::string method = "GET";
  std::string path;
  std::vector<std::pair<std::string, std::string>> query = {};
  std::string body = {};
  std::string content_type = "application/json";
  std::optional<std::string> if_match = {};
  std::optional<std::string> if_none_match = {};
  std::optional<std::string> last_event_id = {};
  uid_t uid = 0;
};

class Rest {
 public:
  explicit Rest(bool system = false) {
    layout_.system = system;
    layout_.state = scratch_.path("state");
    layout_.database = scratch_.path("state/trustd.db");
    layout_.store = scratch_.path("state/public");
    layout_.keys = scratch_.path("state/keys");
    std::filesystem::create_directory(layout_.state);
    start();
  }
  ~Rest() { stop(); }

  void start() {
    PublishSettings publishing;
    publishing.directory = layout_.store;
    publishing.system = layout_.system;
    Changes::Settings changing;
    changing.base = "none";
    changes_ = std::make_unique<Changes>(changing, clock(), Store::open(layout_.database, clock()),
                                         std::make_unique<Publisher>(publishing), [] {});
    readers_ = std::make_unique<Readers>(layout_.database, clock());
    service_ = std::make_unique<Service>(config_, layout_, Rights{0, std::nullopt, "", false},
                                         clock(), *changes_, *readers_);
    application_ = std::make_unique<RestApplication>(*service_);
  }
  void stop() {
    if (changes_) changes_->stop();
    application_.reset();
    service_.reset();
    readers_.reset();
    changes_.reset();
  }

  // The test's own; null: none.
  void make_identities(Identities* identities, Renewals* renewals) {
    service_->identities = identities;
    service_->renewals = renewals;
  }
  // Known from the next start on, which this is.
  void add_hook(const std::string& name) {
    config_.hooks.push_back({name, {"/bin/true"}});
    stop();
    start();
  }

  Clock clock() {
    return [now = now_] { return now->load(); };
  }
  void set_time(UnixTime now) { now_->store(now); }
  UnixTime time() const { return now_->load(); }
  Changes& changes() { return *changes_; }
  Readers& readers() { return *readers_; }
  const Layout& layout() const { return layout_; }
  Scratch& scratch() { return scratch_; }

  // What the front would do with the request, and wait for.
  Answer answer(const Asking& asking) {
    Request request = request_of(asking);
    if (auto refused = application_->admit(request)) return std::move(*refused);
    request.body = asking.body;
    return application_->answer(request);
  }
  Response ask(const Asking& asking) {
    Answer answered = answer(asking);
    if (auto* response = std::get_if<Response>(&answered)) return std::move(*response);
    const auto promise = std::make_shared<std::promise<Response>>();
    std::get<Later>(answered).start(
        [promise](Response response) { promise->set_value(std::move(response)); });
    auto future = promise->get_future();
    if (future.wait_for(std::chrono::seconds(30)) != std::future_status::ready) {
      throw std::runtime_error("no answer");
    }
    return future.get();
  }
  // The same, with the status and JSON that are expected.
  Answered json(const Asking& asking, int status = 200) {
    const Response response = ask(asking);
    if (response.status != status) {
      throw std::runtime_error(asking.method + ' ' + asking.path + ": " +
                               std::to_string(response.status) + ' ' + response.body);
    }
    return Answered::parse(response.body, nullptr, false);
  }
  Answered post(const std::string& path, const Answered& body, int status) {
    return json({.method = "POST", .path = path, .body = body.dump()}, status);
  }

 private:
  static Request request_of(const Asking& asking) {
    Request request;
    request.method = asking.method;
    request.path = asking.path;
    for (std::size_t at = 1; at <= asking.path.size();) {
      const std::size_t slash = std::min(asking.path.find('/', at), asking.path.size());
      request.segments.push_back(asking.path.substr(at, slash - at));
      at = slash + 1;
    }
    request.query = asking.query;
    request.host = "localhost";
    if (asking.method == "POST" || asking.method == "PATCH") {
      request.content_type = asking.content_type;
      request.has_body = true;
    }
    request.if_match = asking.if_match;
    request.if_none_match = asking.if_none_match;
    request.last_event_id = asking.last_event_id;
    Caller peer;
    peer.unix_socket = true;
    peer.uid = asking.uid;
    peer.gid = 1000;
    peer.pid = ::getpid();
    request.peer = std::make_shared<const Caller>(std::move(peer));
    return request;
  }

  Scratch scratch_;
  Layout layout_;
  Config config_;
  std::shared_ptr<std::atomic<UnixTime>> now_ =
      std::make_shared<std::atomic<UnixTime>>(system_clock_now());
  std::unique_ptr<Changes> changes_;
  std::unique_ptr<Readers> readers_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<RestApplication> application_;
};

inline std::string header_of(const Response& response, const std::string& name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return {};
}

} // namespace trust::testing
