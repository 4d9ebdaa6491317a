#include "cli/client.h"

#include <fcntl.h>
#include <httplib.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>

#include "cli/terminal.h"
#include "libtrust/error.h"
#include "libtrust/handles.h"

namespace trust {
namespace {

using std::chrono::steady_clock;

// The regular expression with which the library reads a status line recurses once a character.
constexpr std::size_t kMostStatusLineBytes = 512;
constexpr std::size_t kMostHeadBytes = 32 * 1024;
constexpr std::size_t kMostEventBytes = 1024 * 1024;

// A connected socket as the library reads and writes it: under one deadline, and bounded, head
// and all, before the library sees a byte.
class BoundedStream final : public httplib::Stream {
 public:
  enum class Trouble { none, too_large, timed_out };

  BoundedStream(int fd, std::int64_t timeout_ms, std::size_t most_bytes)
      : fd_(fd), left_(most_bytes) {
    if (timeout_ms > 0) deadline_ = steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  }

  Trouble trouble() const noexcept { return trouble_; }
  // From here on neither a deadline nor a total holds: what follows is a stream of events.
  void be_endless() noexcept {
    deadline_.reset();
    endless_ = true;
  }

  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }
  socket_t socket() const override { return fd_; }
  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    ip.clear();
    port = 0;
  }
  void get_local_ip_and_port(std::string& ip, int& port) const override {
    ip.clear();
    port = 0;
  }

  ssize_t write(const char* bytes, std::size_t size) override {
    std::size_t done = 0;
    while (done < size) {
      if (!wait_for(POLLOUT)) return -1;
      const ssize_t count = ::send(fd_, bytes + done, size - done, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count < 0) {
        if (errno == EINTR || errno == EAGAIN) continue;
        // A server that refuses a request answers without reading the rest of it: let the
        // library go on to the answer.
        return errno == EPIPE || errno == ECONNRESET ? static_cast<ssize_t>(size) : -1;
      }
      done += static_cast<std::size_t>(count);
    }
    return static_cast<ssize_t>(size);
  }

  ssize_t read(char* bytes, std::size_t size) override {
    if (begin_ == end_ && !fill()) return failed_ ? -1 : 0;
    const std::size_t count = std::min(size, end_ - begin_);
    if (!admit(count)) return -1;
    std::memcpy(bytes, buffer_.data() + begin_, count);
    begin_ += count;
    return static_cast<ssize_t>(count);
  }

 private:
  bool wait_for(short events) {
    while (true) {
      int wait_ms = -1;
      if (deadline_) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(*deadline_ - steady_clock::now());
        wait_ms = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1'000'000));
      }
      pollfd poll_fd{fd_, events, 0};
      const int count = ::poll(&poll_fd, 1, wait_ms);
      if (count > 0) return true;
      if (count < 0 && errno == EINTR) continue;
      if (count == 0) trouble_ = Trouble::timed_out;
      failed_ = true;
      return false;
    }
  }

  bool fill() {
    while (true) {
      if (!wait_for(POLLIN)) return false;
      const ssize_t count = ::recv(fd_, buffer_.data(), buffer_.size(), 0);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) failed_ = true;
      if (count <= 0) return false;
      begin_ = 0;
      end_ = static_cast<std::size_t>(count);
      return true;
    }
  }

  // Counts what the library is about to get against the limit of the part it belongs to.
  bool admit(std::size_t count) {
    for (std::size_t i = begin_; part_ != Part::body && i < begin_ + count; ++i) {
      ++head_bytes_;
      const bool line_end = buffer_[i] == '\n';
      if (line_end && part_ == Part::headers && line_is_empty_) part_ = Part::body;
      if (line_end && part_ == Part::status_line) part_ = Part::headers;
      if (line_end) {
        line_is_empty_ = true;
      } else if (buffer_[i] != '\r') {
        line_is_empty_ = false;
      }
    }
    const bool head_fits = part_ == Part::status_line ? head_bytes_ <= kMostStatusLineBytes
                                                      : head_bytes_ <= kMostHeadBytes;
    if (!head_fits || (!endless_ && count > left_)) {
      trouble_ = Trouble::too_large;
      failed_ = true;
      return false;
    }
    if (!endless_) left_ -= count;
    return true;
  }

  enum class Part { status_line, headers, body };

  int fd_;
  std::optional<steady_clock::time_point> deadline_;
  std::size_t left_;
  bool endless_ = false;
  bool failed_ = false;
  Trouble trouble_ = Trouble::none;
  Part part_ = Part::status_line;
  bool line_is_empty_ = false;
  std::size_t head_bytes_ = 0;
  std::array<char, 16 * 1024> buffer_;
  std::size_t begin_ = 0, end_ = 0;
};

// The library's client without its sockets: it writes one request to a stream and reads the
// answer from it.
class Exchange final : public httplib::ClientImpl {
 public:
  Exchange() : ClientImpl("localhost") {
    set_url_encode(false);
    set_decompress(false);
  }
  bool run(BoundedStream& stream, httplib::Request& request, httplib::Response& response) {
    httplib::Error error = httplib::Error::Success;
    return process_request(stream, request, response, true, error);
  }
};

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

httplib::Request request_for(const ClientSettings& settings, const Server& server,
                             const std::string& method, const std::string& target) {
  httplib::Request request;
  request.method = method;
  request.path = target;
  request.set_header("Host", host_header(server));
  request.set_header("Accept-Encoding", "identity");
  request.set_header("User-Agent", "trustctl/" TRUST_VERSION);
  if (server.is_tcp()) {
    for (const std::string& path : settings.token_files) {
      if (const auto token = token_in(path)) {
        request.set_header("Authorization", "Bearer " + *token);
        break;
      }
    }
  }
  return request;
}

Error no_answer(const BoundedStream& stream, const Server& server) {
  const std::string where = "the daemon at " + shown(server.socket.address);
  switch (stream.trouble()) {
    case BoundedStream::Trouble::timed_out:
      return {Code::timeout, where + " did not answer in time", "trustctl status"};
    case BoundedStream::Trouble::too_large:
      return {Code::too_large, where + " answered more than trustctl reads"};
    case BoundedStream::Trouble::none: break;
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
  const Connection connected = connect_again(server_);
  const auto timeout_ms = method == "GET" ? settings_.timeout_ms : settings_.change_timeout_ms;
  BoundedStream stream(connected.fd.get(), timeout_ms, settings_.most_answer_bytes);
  httplib::Request request = request_for(settings_, server_, method, target);
  if (!body.empty()) {
    request.body = body;
    request.set_header("Content-Type", content_type);
  }
  httplib::Response response;
  if (!Exchange().run(stream, request, response)) throw no_answer(stream, server_);
  return {response.status, std::move(response.body), response.get_header_value("Content-Type")};
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
  const Connection connected = connect_again(server_);
  BoundedStream stream(connected.fd.get(), settings_.timeout_ms, settings_.most_answer_bytes);
  httplib::Request request = request_for(settings_, server_, "GET", path);
  request.set_header("Accept", "text/event-stream");
  if (last_event_id) request.set_header("Last-Event-ID", *last_event_id);

  Answer problem;
  std::string line;
  Event event;
  bool wanted = true;
  request.response_handler = [&](const httplib::Response& response) {
    problem.status = response.status;
    if (response.status == 200) stream.be_endless();
    return true;
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
  request.content_receiver = [&](const char* data, std::size_t size, std::uint64_t, std::uint64_t) {
    if (problem.status != 200) {
      problem.body.append(data, size);
      return problem.body.size() <= kMostEventBytes;
    }
    for (const char c : std::string_view(data, size)) {
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
  httplib::Response response;
  const bool complete = Exchange().run(stream, request, response);
  if (problem.status != 0 && problem.status != 200) throw_problem(problem);
  if (!complete && wanted && problem.status != 200) throw no_answer(stream, server_);
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
