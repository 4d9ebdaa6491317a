#pragma once
// TLS sessions to resume, each with the chain that its server presented: whoever takes one judges
// that chain again before offering it. Only sessions of connections whose peer was trusted are put
// in. A TLS 1.3 ticket is handed out once; a TLS 1.2 session any number of times. Bounded.
//
// Threads: any.

#include <cstddef>
#include <deque>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "libtrust/certificate.h"
#include "libtrust/connection_config.h"
#include "libtrust/guarded.h"
#include "libtrust/handles.h"

namespace trust {

struct StoredSession {
  SslSessionPtr session;
  std::vector<Certificate> presented;
};

// Everything that must be the same for a session to be offered: the store, where is dialled, under
// which name, and what was demanded.
std::string session_key(const std::string& store_id, const Endpoint& endpoint,
                        const ConnectionConfig& config);

class SessionCache {
 public:
  static constexpr std::size_t kMostKeys = 256;
  static constexpr std::size_t kMostOfOneKey = 4;

  void put(const std::string& key, StoredSession stored);
  // The latest; none if there is none.
  std::optional<StoredSession> take(const std::string& key);
  void forget(const std::string& key);

  std::size_t count() const;

 private:
  struct Row {
    std::string key;
    std::deque<StoredSession> sessions; // the latest last
  };
  struct Rows {
    std::list<Row> by_use; // the latest first
    std::unordered_map<std::string, std::list<Row>::iterator> by_key;
  };
  Guarded<Rows> rows_;
};

} // namespace trust
