#include "cli/client.h"

#include <fcntl.h>

#include <array>
#include <nlohmann/json.hpp>

#include "cli/exchange.h"
#include "cli/terminal.h"
#include "libtrust/error.h"
#include "libtrust/handles.h"

namespace trust {
namespace {

constexpr std::size_t kMostEventBytes = 1024 * 1024;

// Bytes of a small file that is ours to read; none if it cannot be.
std::optional<std::string> token_in(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return std::nullopt;
  std::array<char, 256> buffer{};
  const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
  if (count <= 0) return std::nullopt;
  std::string token(buffer.data(), static_cast<std::size_t>(count));
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.pop_back();
  return token;
}

// The request as it is sent; `fields` end with CRLF each. Nothing in it comes from outside: paths
// and queries are percent-encoded, and a token is one line.
std::string request_text(const ClientSettings& settings, const Server& server,
                         const std::string& method, const std::string& target,
                         const std::string& fields, const std::string& body) {
  std::string text = method + ' ' + target + " HTTP/1.1\r\nHost: " + host_header(server) +
                     "\r\nUser-Agent: trustctl/" TRUST_VERSION
                     "\r\nAccept-Encoding: identity\r\nConnection: close\r\n" +
                     fields;
  if (server.is_tcp()) {
    for (const std::string& path : settings.token_files) {
      if (const auto token = token_in(path)) {
        text += "Authorization: Bearer " + *token + "\r\n";
        break;
      }
    }
  }
  if (!body.empty() || method == "POST" || method == "PATCH") {
    text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  }
  return text + "\r\n" + body;
}

Error no_answer(Exchange::Trouble trouble, const Server& server) {
  const std::string where = "the daemon at " + shown(server.socket.address);
  switch (trouble) {
    case Exchange::Trouble::timed_out:
      return {Code::timeout, where + " did not answer in time", "trustctl status"};
    case Exchange::Trouble::too_large:
      return {Code::too_large, where + " answered more than trustctl reads"};
    case Exchange::Trouble::none:
    case Exchange::Trouble::ended: break;
  }
  return {Code::io, where + " ended the connection before it had answered", "trustctl status"};
}

Code code_for_status(int status) {
  switch (status) {
    case 400: return Code::usage;
    case 401: return Code::unauthorized;
    case 403: return Code::forbidden;
    case 404: return Code::not_found;
    case 408: return Code::timeout;
    case 409: return Code::conflict;
    case 412: return Code::precondition;
    case 413: return Code::too_large;
    case 415: return Code::media_type;
    case 421: return Code::misdirected;
    case 422: return Code::invalid;
    case 429:
    case 503: return Code::busy;
    case 507: return Code::storage_full;
    default: return Code::internal;
  }
}

Json parsed(const Answer& answer) {
  if (answer.status < 200 || answer.status > 299) throw_problem(answer);
  Json json = Json::parse(answer.body, nullptr, false);
  if (json.is_discarded()) {
    throw Error(Code::internal, "the daemon's answer is not JSON", "trustctl status");
  }
  return json;
}

std::string target_of(const std::string& path, const Parameters& query) {
  std::string target = path;
  char separator = '?';
  for (const auto& [name, value] : query) {
    target += separator + percent_encoded(name) + "=" + percent_encoded(value);
    separator = '&';
  }
  return target;
}

}  // namespace

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
        c == '.' || c == '_' || c == '~') {
      result += c;
    } else {
      result += '%';
      result += kDigits[byte >> 4U];
      result += kDigits[byte & 0xFU];
    }
  }
  return result;
}

Client::Client(ClientSettings settings) : settings_(std::move(settings)) {
  auto server = find_server(settings_.candidates);
  if (!server) throw nobody_answers(settings_.candidates);
  server_ = std::move(*server);
}

Answer Client::exchange(const std::string& method, const std::string& target,
                        const std::string& body, const std::string& content_type) const {
  const ServerConnection connected = connect_again(server_);
  const auto timeout_ms = method == "GET" ? settings_.timeout_ms : settings_.change_timeout_ms;
  Exchange exchange(connected.fd.get(), timeout_ms, settings_.most_answer_bytes);
  Answer answer;
  exchange.head = [&](int status, const std::string& type) {
    answer.status = status;
    answer.content_type = type;
  };
  exchange.body = [&](std::string_view piece) {
    answer.body.append(piece);
    return true;
  };
  const auto trouble = exchange.run(
      request_text(settings_, server_, method, target,
                   body.empty() ? "" : "Content-Type: " + content_type + "\r\n", body));
  if (trouble != Exchange::Trouble::none) throw no_answer(trouble, server_);
  return answer;
}

Json Client::get(const std::string& path, const Parameters& query) const {
  return parsed(exchange("GET", target_of(path, query), ""));
}

Json Client::post(const std::string& path, const Json& body) const {
  return parsed(exchange("POST", path, body.dump()));
}

Json Client::patch(const std::string& path, const Json& body) const {
  return parsed(exchange("PATCH", path, body.dump()));
}

Json Client::remove(const std::string& path, const Parameters& query) const {
  return parsed(exchange("DELETE", target_of(path, query), ""));
}

std::string Client::get_text(const std::string& path, const Parameters& query) const {
  Answer answer = exchange("GET", target_of(path, query), "");
  if (answer.status != 200) throw_problem(answer);
  return std::move(answer.body);
}

void Client::events(const std::string& path, const std::optional<std::string>& last_event_id,
                    const std::function<bool(const Event&)>& receive) const {
  const ServerConnection connected = connect_again(server_);
  Exchange exchange(connected.fd.get(), settings_.timeout_ms, settings_.most_answer_bytes);
  std::string fields = "Accept: text/event-stream\r\n";
  if (last_event_id) fields += "Last-Event-ID: " + *last_event_id + "\r\n";

  Answer problem;
  std::string line;
  Event event;
  bool wanted = true;
  exchange.head = [&](int status, const std::string&) {
    problem.status = status;
    if (status == 200) exchange.be_endless();
  };
  const auto take_line = [&] {
    if (line.ends_with('\r')) line.pop_back();
    const std::size_t colon = line.find(':');
    const std::string_view name = std::string_view(line).substr(0, colon);
    std::string_view value =
        colon == std::string::npos ? std::string_view() : std::string_view(line).substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (line.empty()) {
      if (!event.data.empty()) wanted = receive(event);
      event = Event();
    } else if (name == "id") {
      event.id = value;
    } else if (name == "event") {
      event.kind = value;
    } else if (name == "data") {
      if (!event.data.empty()) event.data += '\n';
      event.data += value;
    }
    line.clear();
  };
  exchange.body = [&](std::string_view piece) {
    if (problem.status != 200) {
      problem.body.append(piece);
      return problem.body.size() <= kMostEventBytes;
    }
    for (const char c : piece) {
      if (c == '\n') {
        take_line();
        if (!wanted) return false;
      } else {
        line += c;
      }
      if (line.size() + event.data.size() > kMostEventBytes) return false;
    }
    return true;
  };
  const auto trouble =
      exchange.run(request_text(settings_, server_, "GET", path, fields, std::string()));
  if (problem.status != 0 && problem.status != 200) throw_problem(problem);
  // A stream of events ends when the server does.
  if (trouble != Exchange::Trouble::none && problem.status != 200) {
    throw no_answer(trouble, server_);
  }
}

void throw_problem(const Answer& answer) {
  const Json problem = Json::parse(answer.body, nullptr, false);
  const auto text = [&](const char* name) -> std::string {
    if (!problem.is_object()) return {};
    const auto found = problem.find(name);
    return found != problem.end() && found->is_string() ? found->get<std::string>() : "";
  };
  const Code code = code_named(text("code")).value_or(code_for_status(answer.status));
  std::string message = text("detail");
  if (message.empty()) message = text("title");
  if (message.empty()) message = "the daemon answered with status " + std::to_string(answer.status);
  throw Error(code, printable(message), printable(text("hint")));
}

}  // namespace trust
