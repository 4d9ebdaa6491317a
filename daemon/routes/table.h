#pragma once
// Which route a request takes: by exact segments. Immutable once made; any thread.

#include <string>
#include <string_view>
#include <vector>

#include "daemon/auth.h"
#include "daemon/message.h"
#include "daemon/routes/reply.h"

namespace trust {

struct Route {
  enum class Body { none, small, certificates };

  std::string_view method;
  std::string_view path; // "/v1/pins/{id}": {fingerprint} is 64 hex digits, {name} is as
                         // trustd.toml has names, others are numbers
  Access access = Access::read;
  Body body = Body::none;
  // Whether answering may wait for a file, a lock or more than a few rows.
  bool (*blocks)(const Request& request) = nullptr;
  Answer (*answer)(const Call& call) = nullptr;
};

inline bool always(const Request&) { return true; }
inline bool never(const Request&) { return false; }

class Table {
 public:
  explicit Table(std::vector<Route> routes);
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  const std::vector<Route>& routes() const noexcept { return routes_; }

  // The route, or none.
  const Route* find(const Request& request) const noexcept;
  // What stands for the {…} of its path.
  static std::vector<std::string> path_values(const Route& route, const Request& request);
  // "GET, POST": the methods of a path that is known, for 405; empty when it is not.
  std::string allowed(const Request& request) const;

 private:
  struct Pattern {
    const Route* route;
    std::vector<std::string_view> segments;
  };
  static bool matches(const Pattern& pattern, const Request& request) noexcept;

  std::vector<Route> routes_;
  std::vector<std::vector<Pattern>> by_length_;
};

} // namespace trust
