#pragma once
// trustd.toml. Every key has a default; an unknown key or a wrong value stops the start, with
// file, line and what is expected. A value that never changes once read; any thread may read it.

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libtrust/threshold.h"

namespace trust {

struct SinkConfig {
  enum class Type { journal, webhook, exec, desktop };
  enum class Format { json, slack, alertmanager };

  std::string name;
  Type type = Type::journal;
  std::string url;                      // of a webhook
  std::string url_file;                 // in place of it, for one that is a secret; absolute
  Format format = Format::json;         // of a webhook
  std::string secret_file;              // of a webhook; absolute
  std::vector<std::string> command;     // of exec; the first is absolute
  std::int64_t time_limit_s = 30;       // of exec
};

struct HookConfig {
  std::string name;
  std::vector<std::string> command; // the first is absolute
  std::int64_t time_limit_s = 30;
};

struct Config {
  struct {
    std::string base = "system"; // "system", "none" or an absolute path
    std::uint64_t keep_generations = 10;
  } store;
  struct {
    std::string tcp; // "" or "127.0.0.1:PORT"
    bool tcp_write = false;
    mode_t socket_mode = 0660;
  } listen;
  struct {
    Thresholds thresholds = default_thresholds();
    std::int64_t probe_interval_s = 6 * 3600;
  } expiry;
  struct {
    std::size_t body_bytes = std::size_t{1} << 20;   // of a request
    std::size_t import_bytes = std::size_t{8} << 20; // of one that brings certificates
    std::size_t connections = 0;                     // 0: as many as the descriptors allow
    std::size_t connections_per_user = 0;            // 0: three quarters of them
    std::int64_t request_timeout_s = 20;             // from its first byte to its last
    std::size_t workers = 4;                         // threads for what may wait
    std::size_t waiting_changes = 4096;              // one more is answered 429
  } limits;
  std::vector<SinkConfig> sinks;
  std::vector<HookConfig> hooks;

  // Of a file that need not be there: then all defaults. It must belong to root or to the
  // effective user and be writable by nobody else, since it names commands: Error{store_access}.
  static Config read(const std::string& path);
  // Of text; `name` stands in messages. Error{invalid}: "NAME:LINE: what is wrong".
  static Config parse(std::string_view text, const std::string& name);
};

} // namespace trust
