#include "libtrust/session_cache.h"

#include <algorithm>
#include <utility>

namespace trust {

std::string session_key(const std::string& store_id, const Endpoint& endpoint,
                        const ConnectionConfig& config) {
  // Fields are told apart by bytes that none of them has.
  std::string key = store_id + '\n' + endpoint.text() + '\n';
  if (config.server_name) key += config.server_name->text();
  key += '\n';
  for (const std::string& protocol : config.alpn) key += protocol + ',';
  key += '\n' + std::to_string(config.min_tls) + '\n';
  if (config.client_certificate) {
    for (const Certificate& certificate : config.client_certificate->chain()) {
      key += certificate.fingerprint().text() + ',';
    }
  }
  key += '\n';
  std::vector<Pin> pins = config.judge.pins;
  std::sort(pins.begin(), pins.end());
  for (const Pin& pin : pins) key += pin.text() + ',';
  key += config.judge.require_pin ? "\nrequired" : "\n";
  return key;
}

void SessionCache::put(const std::string& key, StoredSession stored) {
  rows_.with([&](Rows& rows) {
    auto found = rows.by_key.find(key);
    if (found == rows.by_key.end()) {
      rows.by_use.push_front({key, {}});
      try {
        found = rows.by_key.emplace(key, rows.by_use.begin()).first;
      } catch (...) {
        rows.by_use.pop_front();
        throw;
      }
    }
    rows.by_use.splice(rows.by_use.begin(), rows.by_use, found->second);
    auto& sessions = found->second->sessions;
    sessions.push_back(std::move(stored));
    if (sessions.size() > kMostOfOneKey) sessions.pop_front();
    if (rows.by_use.size() > kMostKeys) {
      rows.by_key.erase(rows.by_use.back().key);
      rows.by_use.pop_back();
    }
  });
}

std::optional<StoredSession> SessionCache::take(const std::string& key) {
  return rows_.with([&](Rows& rows) -> std::optional<StoredSession> {
    const auto found = rows.by_key.find(key);
    if (found == rows.by_key.end()) return std::nullopt;
    const auto row = found->second;
    rows.by_use.splice(rows.by_use.begin(), rows.by_use, row);
    StoredSession& latest = row->sessions.back();
    SSL_SESSION* const session = latest.session.get();
    const bool once = SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION;
    if (!once && SSL_SESSION_is_resumable(session) == 1) {
      SSL_SESSION_up_ref(session);
      SslSessionPtr shared(session);
      return StoredSession{std::move(shared), latest.presented};
    }
    std::optional<StoredSession> taken;
    if (SSL_SESSION_is_resumable(session) == 1) taken = std::move(latest);
    row->sessions.pop_back();
    if (row->sessions.empty()) {
      rows.by_use.erase(row);
      rows.by_key.erase(found);
    }
    return taken;
  });
}

void SessionCache::forget(const std::string& key) {
  rows_.with([&](Rows& rows) {
    const auto found = rows.by_key.find(key);
    if (found == rows.by_key.end()) return;
    rows.by_use.erase(found->second);
    rows.by_key.erase(found);
  });
}

std::size_t SessionCache::count() const {
  return rows_.with([](const Rows& rows) {
    std::size_t sum = 0;
    for (const Row& row : rows.by_use) sum += row.sessions.size();
    return sum;
  });
}

} // namespace trust
