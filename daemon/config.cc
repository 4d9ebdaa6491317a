#include "daemon/config.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <toml++/toml.h>
#include <algorithm>
#include <cerrno>
#include <functional>
#include <set>

#include "libtrust/error.h"
#include "libtrust/file.h"
#include "libtrust/host.h"
#include "libtrust/instant.h"

namespace trust {
namespace {

constexpr std::size_t kMaxConfigBytes = std::size_t{1} << 20;
constexpr std::int64_t kMostCommandTime = 600;

// One table of the file, read key by key. What was not asked for when finish() is called is
// refused.
class Section {
 public:
  Section(const toml::table& table, std::string name, const std::string& file)
      : table_(table), name_(std::move(name)), file_(file) {}

  void text(const std::string& key, std::string& to) {
    if (const auto* node = take(key)) to = as_text(key, *node);
  }
  void flag(const std::string& key, bool& to) {
    const auto* node = take(key);
    if (node == nullptr) return;
    const auto value = node->value_exact<bool>();
    if (!value) throw wrong(*node, key, "true or false");
    to = *value;
  }
  template <typename Number>
  void number(const std::string& key, std::int64_t least, std::int64_t most, Number& to) {
    const auto* node = take(key);
    if (node == nullptr) return;
    const auto value = node->value_exact<std::int64_t>();
    if (!value || *value < least || *value > most) {
      throw wrong(*node, key,
                  "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    }
    to = static_cast<Number>(*value);
  }
  void texts(const std::string& key, std::vector<std::string>& to) {
    const auto* node = take(key);
    if (node == nullptr) return;
    const toml::array* array = node->as_array();
    if (array == nullptr) throw wrong(*node, key, "a list of texts");
    to.clear();
    for (const toml::node& item : *array) to.push_back(as_text(key, item));
  }
  // `read` turns the text into a value; what it throws is said with the line.
  void parsed(const std::string& key, const std::string& expected,
              const std::function<void(const std::string&)>& read) {
    const auto* node = take(key);
    if (node == nullptr) return;
    const std::string value = as_text(key, *node);
    try {
      read(value);
    } catch (const Error& error) {
      throw wrong(*node, key, expected, error.message());
    }
  }
  // One of a few words.
  template <typename Value>
  void word(const std::string& key, const std::vector<std::pair<std::string, Value>>& words,
            Value& to) {
    std::string expected;
    for (const auto& [name, value] : words)
      expected += (expected.empty() ? "\"" : ", \"") + name + '"';
    parsed(key, "one of " + expected, [&](const std::string& text) {
      for (const auto& [name, value] : words) {
        if (name == text) {
          to = value;
          return;
        }
      }
      throw Error(Code::invalid, "");
    });
  }
  void command(const std::string& key, std::vector<std::string>& to) {
    texts(key, to);
    const auto* node = table_.get(key);
    if (node != nullptr && (to.empty() || to[0].empty() || to[0][0] != '/')) {
      throw wrong(*node, key,
                  "a program's absolute path and its arguments, [\"/path\", \"argument\"]");
    }
  }

  bool has(const std::string& key) const { return table_.contains(key); }

  void must_have(const std::string& key) const {
    if (!table_.contains(key)) {
      throw Error(Code::invalid, at(table_) + "[[" + name_ + "]] has no " + key);
    }
  }
  void must_not_have(const std::string& key, const std::string& why) const {
    if (const auto* node = table_.get(key)) throw Error(Code::invalid, at(*node) + key + " " + why);
  }

  const toml::table* table(const std::string& key) {
    const auto* node = take(key);
    if (node == nullptr) return nullptr;
    const toml::table* table = node->as_table();
    if (table == nullptr) throw wrong(*node, key, "a table, [" + key + "]");
    return table;
  }
  std::vector<const toml::table*> tables(const std::string& key) {
    std::vector<const toml::table*> tables;
    const auto* node = take(key);
    if (node == nullptr) return tables;
    const toml::array* array = node->as_array();
    if (array == nullptr) throw wrong(*node, key, "a list of tables, [[" + key + "]]");
    for (const toml::node& item : *array) {
      if (!item.is_table()) throw wrong(item, key, "a list of tables, [[" + key + "]]");
      tables.push_back(item.as_table());
    }
    return tables;
  }

  void finish() const {
    for (const auto& [key, node] : table_) {
      const std::string name(key.str());
      if (taken_.count(name) != 0) continue;
      std::string known;
      for (const std::string& one : taken_) known += (known.empty() ? "" : ", ") + one;
      const toml::source_region& where = key.source();
      throw Error(Code::invalid, file_ + ":" + std::to_string(where.begin.line) + ": unknown key " +
                                     shown(name) + (name_.empty() ? "" : " in [" + name_ + "]") +
                                     "; " +
                                     (known.empty() ? "it has none yet" : "known are " + known));
    }
  }

  Error wrong(const toml::node& node, const std::string& key, const std::string& expected,
              const std::string& why = {}) const {
    return Error(Code::invalid,
                 at(node) + key + " is not " + expected + (why.empty() ? "" : " (" + why + ")"));
  }
  const toml::node* take(const std::string& key) {
    taken_.insert(key);
    return table_.get(key);
  }

 private:
  std::string at(const toml::node& node) const {
    return file_ + ":" + std::to_string(node.source().begin.line) + ": ";
  }
  std::string as_text(const std::string& key, const toml::node& node) const {
    auto value = node.value_exact<std::string>();
    if (!value) throw wrong(node, key, "a text in quotes");
    return std::move(*value);
  }

  const toml::table& table_;
  std::string name_;
  const std::string& file_;
  std::set<std::string> taken_;
};

void require_absolute(const std::string& path) {
  if (path.empty() || path[0] != '/') throw Error(Code::invalid, "not an absolute path");
}

// 0600, 0660, 0666 and the like: who may read and write, nothing else.
mode_t parse_socket_mode(const std::string& text) {
  if (text.size() < 3 || text.size() > 4 ||
      text.find_first_not_of("01234567") != std::string::npos) {
    throw Error(Code::invalid, "");
  }
  const auto mode = static_cast<mode_t>(std::stoul(text, nullptr, 8));
  if ((mode & ~mode_t{0666}) != 0 || (mode & 0600) != 0600) throw Error(Code::invalid, "");
  return mode;
}

void require_url(const std::string& text) {
  for (const std::string scheme : {"https://", "http://"}) {
    if (text.starts_with(scheme) && text.size() > scheme.size() && text[scheme.size()] != '/')
      return;
  }
  throw Error(Code::invalid, "");
}

void require_name(const std::string& text) {
  if (text.empty() || text.size() > 63 ||
      text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._-") != std::string::npos) {
    throw Error(Code::invalid, "");
  }
}

void read_name(Section& section, std::set<std::string>& seen, std::string& to) {
  section.must_have("name");
  section.parsed("name", "a name of its own in a-z, 0-9, '.', '_' and '-'",
                 [&](const std::string& text) {
                   require_name(text);
                   if (!seen.insert(text).second)
                     throw Error(Code::invalid, "it stands there twice");
                   to = text;
                 });
}

void read_time_limit(Section& section, std::int64_t& to) {
  section.parsed("time_limit", "a duration from 1s to 10m", [&](const std::string& text) {
    to = parse_duration_s(text);
    if (to > kMostCommandTime) throw Error(Code::invalid, "too long");
  });
}

SinkConfig read_sink(Section section, std::set<std::string>& seen) {
  SinkConfig sink;
  read_name(section, seen, sink.name);
  section.must_have("type");
  section.word<SinkConfig::Type>("type",
                                 {{"journal", SinkConfig::Type::journal},
                                  {"webhook", SinkConfig::Type::webhook},
                                  {"exec", SinkConfig::Type::exec},
                                  {"desktop", SinkConfig::Type::desktop}},
                                 sink.type);
  section.parsed("url", "a URL, \"https://HOST/…\"", [&](const std::string& text) {
    require_url(text);
    sink.url = text;
  });
  section.parsed("url_file", "an absolute path", [&](const std::string& text) {
    require_absolute(text);
    sink.url_file = text;
  });
  section.word<SinkConfig::Format>("format",
                                   {{"json", SinkConfig::Format::json},
                                    {"slack", SinkConfig::Format::slack},
                                    {"alertmanager", SinkConfig::Format::alertmanager}},
                                   sink.format);
  section.parsed("secret_file", "an absolute path", [&](const std::string& text) {
    require_absolute(text);
    sink.secret_file = text;
  });
  section.command("command", sink.command);
  read_time_limit(section, sink.time_limit_s);
  section.finish();
  if (sink.type == SinkConfig::Type::webhook) {
    if (!section.has("url_file")) section.must_have("url");
    if (section.has("url")) section.must_not_have("url_file", "stands there beside url");
  } else {
    for (const char* key : {"url", "url_file", "format", "secret_file"}) {
      section.must_not_have(key, "is of a webhook only");
    }
  }
  if (sink.type == SinkConfig::Type::exec) {
    section.must_have("command");
  } else {
    for (const char* key : {"command", "time_limit"}) {
      section.must_not_have(key, "is of type = \"exec\" only");
    }
  }
  return sink;
}

HookConfig read_hook(Section section, std::set<std::string>& seen) {
  HookConfig hook;
  read_name(section, seen, hook.name);
  section.must_have("command");
  section.command("command", hook.command);
  read_time_limit(section, hook.time_limit_s);
  section.finish();
  return hook;
}

void read_store(Section section, Config& config) {
  section.parsed("base", "\"system\", \"none\" or an absolute path", [&](const std::string& text) {
    if (text != "system" && text != "none") require_absolute(text);
    config.store.base = text;
  });
  section.number("keep_generations", 1, 150, config.store.keep_generations);
  section.finish();
}

void read_listen(Section section, Config& config) {
  section.parsed("tcp", "\"\" or \"127.0.0.1:PORT\"", [&](const std::string& text) {
    if (!text.empty()) {
      const Endpoint endpoint = Endpoint::parse(text, 0);
      if (endpoint.port == 0 ||
          (endpoint.host.text() != "127.0.0.1" && endpoint.host.text() != "::1")) {
        throw Error(Code::invalid, "only the loopback is listened on");
      }
    }
    config.listen.tcp = text;
  });
  section.flag("tcp_write", config.listen.tcp_write);
  section.parsed(
      "socket_mode", "a mode of a socket, \"0600\", \"0660\" or \"0666\"",
      [&](const std::string& text) { config.listen.socket_mode = parse_socket_mode(text); });
  section.finish();
}

void read_expiry(Section section, Config& config) {
  std::vector<std::string> thresholds;
  section.texts("thresholds", thresholds);
  if (const auto* node = section.take("thresholds")) {
    config.expiry.thresholds.clear();
    for (const std::string& text : thresholds) {
      try {
        config.expiry.thresholds.push_back(Threshold::parse(text));
      } catch (const Error& error) {
        throw section.wrong(*node, "thresholds",
                            "a list of durations and shares, [\"30d\", \"33%\", \"0\"]",
                            error.message());
      }
    }
  }
  section.parsed("probe_interval", "a duration of a minute or more, \"6h\"",
                 [&](const std::string& text) {
                   config.expiry.probe_interval_s = parse_duration_s(text);
                   if (config.expiry.probe_interval_s < 60) throw Error(Code::invalid, "too short");
                 });
  section.finish();
}

void read_limits(Section section, Config& config) {
  auto& limits = config.limits;
  section.number("body_bytes", 4096, 64 << 20, limits.body_bytes);
  section.number("import_bytes", 4096, 8 << 20, limits.import_bytes);
  section.number("connections", 0, 1'000'000, limits.connections);
  section.number("connections_per_user", 0, 1'000'000, limits.connections_per_user);
  section.number("workers", 1, 64, limits.workers);
  section.number("waiting_changes", 1, 100'000, limits.waiting_changes);
  section.parsed("request_timeout", "a duration, \"20s\"", [&](const std::string& text) {
    limits.request_timeout_s = parse_duration_s(text);
  });
  section.finish();
}

} // namespace

Config Config::parse(std::string_view text, const std::string& name) {
  toml::table file;
  try {
    file = toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    throw Error(Code::invalid, name + ":" + std::to_string(error.source().begin.line) + ": " +
                                   std::string(error.description()));
  }
  Config config;
  Section top(file, "", name);
  if (const auto* table = top.table("store")) read_store({*table, "store", name}, config);
  if (const auto* table = top.table("listen")) read_listen({*table, "listen", name}, config);
  if (const auto* table = top.table("expiry")) read_expiry({*table, "expiry", name}, config);
  if (const auto* table = top.table("limits")) read_limits({*table, "limits", name}, config);
  if (const auto* table = top.table("renew")) Section(*table, "renew", name).finish();
  std::set<std::string> sinks;
  for (const auto* table : top.tables("sink")) {
    config.sinks.push_back(read_sink({*table, "sink", name}, sinks));
  }
  std::set<std::string> hooks;
  for (const auto* table : top.tables("hook")) {
    config.hooks.push_back(read_hook({*table, "hook", name}, hooks));
  }
  top.finish();
  return config;
}

Config Config::read(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return {};
    throw system_error(path, errno);
  }
  if ((info.st_uid != 0 && info.st_uid != ::geteuid()) || (info.st_mode & 022) != 0) {
    throw Error(Code::store_access, path + " belongs to somebody else or may be written by others",
                "chmod go-w '" + path + "'");
  }
  return parse(read_file(path, kMaxConfigBytes), path);
}

} // namespace trust
