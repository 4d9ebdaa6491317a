// Does with trust.hpp what each line of standard input says; see driven.py.
#include "trust.hpp"

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "in_poll.h"

namespace {

using nlohmann::json;
using Words = std::vector<std::string>;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

trust::Store& store() {
  static trust::Store opened;
  return opened;
}
std::unique_ptr<trust::Pool> pool;

std::string pattern(std::size_t length) {
  std::string made(length, '\0');
  for (std::size_t index = 0; index < length; ++index) made[index] = static_cast<char>(index % 251);
  return made;
}

json failed(const trust::Error& error) {
  json said = {{"outcome", trust_status_is_untrusted(error.status()) ? "refused" : "failed"},
               {"name", error.name()},
               {"message", error.message()},
               {"hint", error.hint()},
               {"fingerprint", nullptr}};
  if (const trust::Peer* peer = error.peer()) {
    said["fingerprint"] = peer->fingerprint;
    said["certificates"] = peer->path.size();
    said["trusted"] = json::parse(peer->json).at("trusted");
  }
  return said;
}

struct Where {
  std::string host;
  std::uint16_t port;
  explicit Where(const Words& words)
      : host(words.at(1)), port(static_cast<std::uint16_t>(std::stoul(words.at(2)))) {}
  trust::Connection connect(const trust::Config* config = nullptr) const {
    return trust::Connection(store(), host, port, config);
  }
};

std::string body_of(const std::string& answer) {
  return answer.substr(answer.find("\r\n\r\n") + 4);
}

json get(const Words& words) {
  const Where where(words);
  trust::Connection connection = where.connect();
  connection.write("GET / HTTP/1.0\r\nHost: " + where.host + "\r\n\r\n");
  const trust::Peer peer = connection.peer();
  return {{"outcome", "served"},
          {"body", body_of(connection.read_all())},
          {"resumed", connection.resumed()},
          {"fingerprint", peer.fingerprint},
          {"tls", connection.tls_version()},
          {"trusted", json::parse(peer.json).at("trusted")},
          {"pinned", peer.pin_status == TRUST_PIN_MATCH}};
}

json pooled(const Words& words) {
  const Where where(words);
  if (!pool) pool = std::make_unique<trust::Pool>(store());
  trust::Connection connection = pool->take(where.host, where.port);
  connection.write("GET / HTTP/1.1\r\nHost: " + where.host + "\r\n\r\n");
  std::string answer;
  char buffer[4096];
  while (answer.find("served\n") == std::string::npos) {
    const std::size_t length = connection.read(buffer, sizeof buffer);
    if (length == 0) return {{"outcome", "failed"}, {"name", "end"}, {"message", answer}};
    answer.append(buffer, length);
  }
  pool->put(std::move(connection));
  return {{"outcome", "served"}, {"body", body_of(answer)}};
}

json forget(const Words&) {
  pool.reset();
  return {{"outcome", "done"}};
}

json echo(const Words& words) {
  const std::string data = pattern(std::stoul(words.at(3)));
  trust::Connection connection = Where(words).connect();
  std::thread writer([&] {
    connection.write("echo\n");
    connection.write(data);
    connection.close();
  });
  const std::string found = connection.read_all();
  writer.join();
  return {{"outcome", "served"}, {"bytes", found.size()}, {"equal", found == data}};
}

json read(const Words& words) {
  trust::Connection connection = Where(words).connect();
  connection.write(words.at(3) + " " + words.at(4) + "\n");
  std::size_t count = 0;
  char buffer[65536];
  try {
    while (const std::size_t length = connection.read(buffer, sizeof buffer)) count += length;
  } catch (const trust::Error& error) {
    json said = failed(error);
    said["bytes"] = count;
    said["truncated"] = dynamic_cast<const trust::Truncated*>(&error) != nullptr;
    return said;
  }
  return {{"outcome", "served"}, {"bytes", count}};
}

json cancel(const Words& words) {
  trust::Connection connection = Where(words).connect();
  connection.write("stall\n");
  std::thread other([&] {
    if (wait_until_in_poll() == 0) std::abort();
    connection.cancel();
  });
  char byte;
  try {
    connection.read(&byte, 1);
  } catch (const trust::Error& error) {
    other.join();
    return failed(error);
  }
  other.join();
  return {{"outcome", "served"}};
}

template <class Call>
json timed(Call call) {
  const auto started = Clock::now();
  try {
    call();
  } catch (const trust::TimedOut& error) {
    json said = failed(error);
    said["ms"] = std::chrono::duration_cast<milliseconds>(Clock::now() - started).count();
    return said;
  }
  return {{"outcome", "served"}};
}

json timeout(const Words& words) {
  trust::Config config;
  config.io_timeout(milliseconds(std::stol(words.at(3))));
  trust::Connection connection = Where(words).connect(&config);
  connection.write("stall\n");
  char byte;
  return timed([&] { connection.read(&byte, 1); });
}

json connect_timeout(const Words& words) {
  trust::Config config;
  config.connect_timeout(milliseconds(std::stol(words.at(3))));
  return timed([&] { Where(words).connect(&config); });
}

json parallel(const Words& words) {
  std::atomic<int> served = 0;
  std::vector<std::thread> threads;
  for (int index = 0; index < std::stoi(words.at(3)); ++index)
    threads.emplace_back([&] {
      try {
        if (get(words).at("body") == "served\n") ++served;
      } catch (const std::exception&) { // counted as not served
      }
    });
  for (std::thread& thread : threads) thread.join();
  return {{"outcome", "served"}, {"count", served.load()}};
}

json pinned(const Words& words) {
  trust::Config config;
  config.add_pin(words.at(3)).require_pin();
  Where(words).connect(&config);
  return {{"outcome", "served"}};
}

json fds(const Words&) {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return {{"outcome", "done"}, {"count", std::distance(begin(all), end(all))}};
}

json answer(const Words& words) try {
  const std::string& name = words.at(0);
  if (name == "get") return get(words);
  if (name == "pooled") return pooled(words);
  if (name == "forget") return forget(words);
  if (name == "echo") return echo(words);
  if (name == "read") return read(words);
  if (name == "cancel") return cancel(words);
  if (name == "timeout") return timeout(words);
  if (name == "connect-timeout") return connect_timeout(words);
  if (name == "parallel") return parallel(words);
  if (name == "pinned") return pinned(words);
  if (name == "fds") return fds(words);
  return {{"outcome", "failed"}, {"name", "unknown"}, {"message", name}};
} catch (const trust::Error& error) {
  return failed(error);
} catch (const std::exception& error) {
  return {{"outcome", "failed"}, {"name", "exception"}, {"message", error.what()}};
}

} // namespace

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream text(line);
    const Words words{std::istream_iterator<std::string>(text), {}};
    std::cout << answer(words).dump() << std::endl;
  }
}
