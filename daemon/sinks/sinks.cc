#include "daemon/sinks/sinks.h"

#include <algorithm>

#include "daemon/sinks/desktop.h"
#include "daemon/sinks/exec.h"
#include "daemon/sinks/journal.h"
#include "daemon/sinks/webhook.h"
#include "daemon/sinks/webhook_url.h"
#include "libtrust/error.h"

namespace trust {
namespace {

SinkConfig usual_sink() {
  SinkConfig journal;
  journal.name = "journal";
  return journal;
}

// An alert about a sink that is no more would stay for ever.
void settle_those_of_others(Changes& changes, std::vector<std::string> names) {
  changes.submit(
      [names = std::move(names)](Store& store) {
        AlertFilter failing;
        failing.kind = AlertKind::delivery;
        for (const Alert& alert : store.alerts(failing, 1000, 0)) {
          if (std::find(names.begin(), names.end(), alert.target) != names.end()) continue;
          store.settle("delivery:" + alert.target);
        }
      },
      [](const Changes::Outcome&) {});
}

} // namespace

std::string_view name_of(SinkConfig::Type type) noexcept {
  switch (type) {
    case SinkConfig::Type::journal: return "journal";
    case SinkConfig::Type::webhook: return "webhook";
    case SinkConfig::Type::exec: return "exec";
    case SinkConfig::Type::desktop: return "desktop";
  }
  return "";
}

// Opened when it is wanted: at the first start nothing is published yet.
class Sinks::SharedConnector {
 public:
  explicit SharedConnector(std::string store) : store_(std::move(store)) {}

  std::shared_ptr<const Connector> get() {
    return connector_.with([this](std::shared_ptr<const Connector>& connector) {
      if (!connector) connector = std::make_shared<Connector>(PublishedStore::open(store_));
      return connector;
    });
  }

 private:
  const std::string store_;
  Guarded<std::shared_ptr<const Connector>> connector_;
};

Sinks::Sinks(const Config& config, bool system, const std::string& store,
             const NamedCommands& commands, Changes& changes, Readers& readers,
             const CourierSettings& settings)
    : connector_(std::make_shared<SharedConnector>(store)) {
  std::vector<SinkConfig> configured = config.sinks;
  if (configured.empty()) configured.push_back(usual_sink());
  std::vector<std::string> names;
  for (const SinkConfig& sink : configured) {
    std::unique_ptr<Sink> made;
    switch (sink.type) {
      case SinkConfig::Type::journal: made = std::make_unique<JournalSink>(); break;
      case SinkConfig::Type::webhook:
        if (sink.url_file.empty()) WebhookUrl::parse(sink.url);
        made = std::make_unique<WebhookSink>(sink,
                                             [connector = connector_] { return connector->get(); });
        break;
      case SinkConfig::Type::exec: made = std::make_unique<ExecSink>(commands, sink.name); break;
      case SinkConfig::Type::desktop:
        if (system) {
          throw Error(Code::invalid, "the sink " + sink.name +
                                         " is of type \"desktop\", which is for a user's daemon");
        }
        made = std::make_unique<DesktopSink>();
        break;
    }
    names.push_back(sink.name);
    couriers_.push_back(std::make_unique<Courier>(sink.name, std::string(name_of(sink.type)),
                                                  std::move(made), changes, readers, settings));
  }
  settle_those_of_others(changes, std::move(names));
}

Sinks::~Sinks() = default;

void Sinks::hurry() noexcept {
  for (const auto& courier : couriers_) courier->hurry();
}

void Sinks::stop() noexcept {
  hurry();
  for (const auto& courier : couriers_) courier->stop();
}

void Sinks::wake() noexcept {
  for (const auto& courier : couriers_) courier->wake();
}

std::vector<SinkState> Sinks::states() const {
  std::vector<SinkState> states;
  for (const auto& courier : couriers_) states.push_back(courier->state());
  return states;
}

void Sinks::test(const std::string& name, Courier::TestDone done) {
  std::string known;
  for (const auto& courier : couriers_) {
    if (courier->name() == name) {
      courier->test(std::move(done));
      return;
    }
    known += (known.empty() ? "" : ", ") + courier->name();
  }
  throw Error(Code::not_found, "there is no sink named \"" + shown(name) + "\"; known are " + known,
              "trustctl alerts test --help");
}

} // namespace trust
