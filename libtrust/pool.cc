#include "libtrust/pool.h"

#include <atomic>
#include <deque>
#include <iterator>
#include <list>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "libtrust/guarded.h"

namespace trust {
namespace {

using SteadyClock = std::chrono::steady_clock;
using Connections = std::vector<std::unique_ptr<Connection>>;

struct Item {
  std::string endpoint;
  std::unique_ptr<Connection> connection;
  SteadyClock::time_point since;
};

// The idle connections. What is taken out is destroyed by whoever took it, not under the lock.
class Idle {
 public:
  std::unique_ptr<Connection> take(const std::string& endpoint) {
    const auto found = by_endpoint_.find(endpoint);
    if (found == by_endpoint_.end() || found->second.empty()) return nullptr;
    return remove(found->second.back());
  }

  void put(std::string endpoint, std::unique_ptr<Connection> connection, const Pool::Limits& limits,
           Connections& dropped) {
    auto& same = by_endpoint_[endpoint];
    items_.push_front({std::move(endpoint), std::move(connection), SteadyClock::now()});
    try {
      same.push_back(items_.begin());
    } catch (...) {
      items_.pop_front();
      throw;
    }
    if (same.size() > limits.per_endpoint) dropped.push_back(remove(same.front()));
    shrink(limits, dropped);
  }

  void shrink(const Pool::Limits& limits, Connections& dropped) {
    const auto oldest = SteadyClock::now() - limits.idle;
    while (!items_.empty() && (items_.size() > limits.total || items_.back().since <= oldest)) {
      dropped.push_back(remove(std::prev(items_.end())));
    }
  }

  std::size_t count() const { return items_.size(); }

  void abandon() noexcept {
    for (const Item& item : items_) item.connection->abandon();
  }

 private:
  using Place = std::list<Item>::iterator;

  std::unique_ptr<Connection> remove(Place place) {
    const auto found = by_endpoint_.find(place->endpoint);
    std::erase(found->second, place);
    if (found->second.empty()) by_endpoint_.erase(found);
    auto connection = std::move(place->connection);
    items_.erase(place);
    return connection;
  }

  std::list<Item> items_; // the latest first
  std::unordered_map<std::string, std::deque<Place>> by_endpoint_; // the latest last
};

} // namespace

struct Pool::State {
  Guarded<Idle> idle;
  std::atomic<std::uint64_t> created = 0;
  std::atomic<std::uint64_t> reused = 0;
  std::atomic<std::uint64_t> resumed = 0;
};

Pool::Pool(std::shared_ptr<PublishedStore> store, ConnectionConfig config)
    : connector_(std::move(store)),
      config_(std::move(config)),
      limits_{Limits{}.per_endpoint, Limits{}.total, Limits{}.idle.count()},
      state_([] { return std::make_unique<State>(); },
             [](State& parents) { parents.idle.try_with([](Idle& idle) { idle.abandon(); }); }) {}

Pool::~Pool() = default;

Pool::Limits Pool::limits() const {
  return {limits_.per_endpoint, limits_.total, std::chrono::milliseconds{limits_.idle_ms}};
}

void Pool::set_limits(const Limits& limits) {
  limits_.per_endpoint = limits.per_endpoint;
  limits_.total = limits.total;
  limits_.idle_ms = limits.idle.count();
  idle(); // drops what is over them
}

std::unique_ptr<Connection> Pool::get(const Endpoint& endpoint) {
  State& state = state_.get();
  const std::string key = endpoint.text();
  for (;;) {
    Connections dropped;
    const auto now = limits();
    std::unique_ptr<Connection> connection = state.idle.with([&](Idle& idle) {
      idle.shrink(now, dropped);
      return idle.take(key);
    });
    if (!connection) break;
    if (connection->is_quiet() && connection->is_still_trusted()) {
      ++state.reused;
      return connection;
    }
  }
  auto fresh = connector_.connect(endpoint, config_);
  ++state.created;
  if (fresh->resumed()) ++state.resumed;
  return fresh;
}

void Pool::put(std::unique_ptr<Connection> connection, bool reusable) noexcept {
  try {
    if (!connection || !reusable || !connection->is_of(connector_) || !connection->is_quiet()) {
      return;
    }
    connection->set_blocking(true);
    Connections dropped;
    std::string key = connection->endpoint().text();
    state_.get().idle.with(
        [&](Idle& idle) { idle.put(std::move(key), std::move(connection), limits(), dropped); });
  } catch (...) {
    // It is closed, and the next one is made anew.
  }
}

std::uint64_t Pool::idle() {
  Connections dropped;
  return state_.get().idle.with([&](Idle& idle) {
    idle.shrink(limits(), dropped);
    return idle.count();
  });
}

std::uint64_t Pool::created() const { return state_.get().created; }
std::uint64_t Pool::reused() const { return state_.get().reused; }
std::uint64_t Pool::resumed() const { return state_.get().resumed; }

} // namespace trust
