#pragma once
// The REST client: speaks to the daemon over its UNIX socket, or over loopback TCP with the
// token. Believes a socket only if root, the service's user or oneself serves it, bounds every
// answer before it is parsed, and turns problem details back into the Error they were made from.
// One thread; no connection is held between requests.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/server.h"
#include "libtrust/json.h"

namespace trust {

// Names and values of a query, written percent-encoded.
using Parameters = std::vector<std::pair<std::string, std::string>>;

// Percent-encodes everything but RFC 3986's unreserved characters.
std::string percent_encoded(std::string_view text);

struct Answer {
  int status = 0;
  std::string body;
  std::string content_type;
};

struct ClientSettings {
  std::vector<SocketCandidate> candidates;
  // For loopback TCP, the first that can be read.
  std::vector<std::string> token_files;
  std::int64_t timeout_ms = 30'000;         // of what reads
  std::int64_t change_timeout_ms = 300'000; // an import of thousands is one request
  std::size_t most_answer_bytes = 64 * 1024 * 1024;
};

class Client {
 public:
  // Error{no_daemon} if none of the candidates answers.
  explicit Client(ClientSettings settings);

  const Server& server() const noexcept { return server_; }

  // The answer whatever its status; an empty body is sent as none.
  Answer exchange(const std::string& method, const std::string& target, const std::string& body,
                  const std::string& content_type = "application/json") const;

  // The parsed answer of a request that succeeded; every other status is thrown as the Error
  // that it says, one that cannot be understood as Error{internal}.
  Json get(const std::string& path, const Parameters& query = {}) const;
  Json post(const std::string& path, const Json& body) const;
  Json patch(const std::string& path, const Json& body) const;
  Json remove(const std::string& path, const Parameters& query = {}) const;
  // The body as it is, for what is not JSON or is to be printed as it came.
  std::string get_text(const std::string& path, const Parameters& query = {}) const;

  // Server-sent events until `receive` returns false or the server ends. Event text is what
  // stands behind "data:"; `id` is empty if it had none.
  struct Event {
    std::string id, kind, data;
  };
  void events(const std::string& path, const std::optional<std::string>& last_event_id,
              const std::function<bool(const Event&)>& receive) const;

 private:
  ClientSettings settings_;
  Server server_;
};

// Throws the Error that a problem answer stands for.
[[noreturn]] void throw_problem(const Answer& answer);

}  // namespace trust
