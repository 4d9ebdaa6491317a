#include "daemon/semantics.h"

#include <httplib.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <string_view>
#include <utility>

namespace trust {
namespace {

// What cpp-httplib reads from and writes to instead of a socket. It writes the head of an answer
// at once, and then the body.
class MemoryStream final : public httplib::Stream {
 public:
  // `fields`: lines to put into the head. `bodiless`: 204 and 304, of which it says a length.
  MemoryStream(std::string_view input, std::string& output, const std::string& fields,
               const bool& bodiless)
      : input_(input), output_(output), fields_(fields), bodiless_(bodiless) {}

  bool is_readable() const override { return !input_.empty(); }
  bool is_writable() const override { return true; }
  ssize_t read(char* to, size_t size) override {
    size = std::min(size, input_.size());
    std::memcpy(to, input_.data(), size);
    input_.remove_prefix(size);
    return static_cast<ssize_t>(size);
  }
  ssize_t write(const char* from, size_t size) override {
    if (output_.empty()) {
      write_head({from, size});
    } else {
      output_.append(from, size);
    }
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string&, int& port) const override { port = 0; }
  void get_local_ip_and_port(std::string&, int& port) const override { port = 0; }
  socket_t socket() const override { return 0; }

 private:
  // It adds fields of its own that are not true here: limits of keep-alive, ranges after HEAD.
  bool is_wanted(std::string_view line) const {
    return !line.starts_with("Keep-Alive:") && !line.starts_with("Accept-Ranges:") &&
           !(bodiless_ && line.starts_with("Content-Length:"));
  }
  void write_head(std::string_view head) {
    output_.reserve(head.size() + fields_.size());
    bool first = true;
    while (!head.empty()) {
      const std::size_t size = std::min(head.size(), head.find('\n') + 1);
      if (is_wanted(head.substr(0, size))) output_ += head.substr(0, size);
      if (std::exchange(first, false)) output_ += fields_;
      head.remove_prefix(size);
    }
  }

  std::string_view input_;
  std::string& output_;
  const std::string& fields_;
  const bool& bodiless_;
};

// The fields that every answer has, made once a second.
class CommonFields {
 public:
  const std::string& now() {
    const std::time_t second = std::time(nullptr);
    if (second != made_at_) {
      std::tm parts{};
      gmtime_r(&second, &parts);
      std::array<char, 64> date{};
      // Without a locale of its own the process has "C", whose names are the ones wanted.
      const std::size_t size =
          std::strftime(date.data(), date.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
      text_ = "Date: " + std::string(date.data(), size) + "\r\nX-Content-Type-Options: nosniff\r\n";
      made_at_ = second;
    }
    return text_;
  }

 private:
  std::time_t made_at_ = -1;
  std::string text_;
};

bool may_stand_in_head(std::string_view name, std::string_view value) {
  const auto wrong_in_name = [](char c) { return c <= ' ' || c >= 0x7f || c == ':'; };
  const auto wrong_in_value = [](char c) { return (c < ' ' && c != '\t') || c == 0x7f; };
  return !name.empty() && std::none_of(name.begin(), name.end(), wrong_in_name) &&
         std::none_of(value.begin(), value.end(), wrong_in_value);
}

} // namespace

class Semantics::Server final : public httplib::Server {
 public:
  explicit Server(Application& application) : application_(application) {
    set_pre_routing_handler([this](const httplib::Request&, httplib::Response& response) {
      answer(response);
      return HandlerResponse::Handled;
    });
  }

  Outcome run(const Request& request, Form form) {
    request_ = &request;
    rewrite_head(request, form);
    Outcome outcome = process(form);
    request_ = nullptr;
    if (outcome.later || outcome.stream) outcome.bytes.clear();
    return outcome;
  }

  std::string write(const Response& response, Form form) {
    ready_ = response;
    head_ = form.head_only ? "HEAD / HTTP/1.1\r\n\r\n" : "GET / HTTP/1.1\r\n\r\n";
    return process(form).bytes;
  }

 private:
  // What was checked, and no field at all: whatever cpp-httplib does by itself with fields (ranges,
  // compression, expectations, connections) cannot happen. Routes read those of the Request.
  void rewrite_head(const Request& request, Form form) {
    head_ = form.head_only ? "HEAD" : request.method;
    head_ += ' ';
    head_ += request.path; // without the query, which is decoded already
    head_ += " HTTP/1.1\r\n\r\n";
  }

  Outcome process(Form form) {
    outcome_ = Outcome();
    bodiless_ = false;
    MemoryStream stream(head_, outcome_.bytes, common_fields_.now(), bodiless_);
    bool closed = false;
    process_request(stream, form.close, closed, nullptr);
    return std::move(outcome_);
  }

  void answer(httplib::Response& to) {
    if (request_ == nullptr) {
      fill(to, std::move(ready_));
      return;
    }
    Answer made = ask();
    if (auto* later = std::get_if<Later>(&made)) {
      outcome_.later = std::move(*later);
    } else if (auto* stream = std::get_if<EventStream>(&made)) {
      outcome_.stream = std::move(*stream);
    } else {
      fill(to, std::move(std::get<Response>(made)));
    }
  }

  Answer ask() {
    try {
      return application_.answer(*request_);
    } catch (const Error& error) {
      if (error.code() == Code::internal) {
        spdlog::error("{} {}: {}", request_->method, request_->path, error.message());
      }
      return problem(error);
    } catch (const std::exception& error) {
      // Its text may say what is nobody's business.
      spdlog::error("{} {}: {}", request_->method, request_->path, error.what());
    } catch (...) {
      spdlog::error("{} {}: an unknown exception", request_->method, request_->path);
    }
    return problem(500, "internal", "the request failed inside trustd; the log says why");
  }

  void fill(httplib::Response& to, Response from) {
    to.status = from.status;
    bodiless_ = from.status == 204 || from.status == 304;
    to.body = bodiless_ ? std::string() : std::move(from.body);
    if (!from.content_type.empty() && may_stand_in_head("Content-Type", from.content_type)) {
      to.headers.emplace("Content-Type", std::move(from.content_type));
    }
    for (auto& [name, value] : from.headers) {
      if (may_stand_in_head(name, value)) to.headers.emplace(std::move(name), std::move(value));
    }
  }

  Application& application_;
  const Request* request_ = nullptr; // null while a ready answer is written
  Response ready_;
  std::string head_;
  Outcome outcome_;
  bool bodiless_ = false;
  CommonFields common_fields_;
};

Semantics::Semantics(Application& application) : server_(std::make_unique<Server>(application)) {}

Semantics::~Semantics() = default;

Semantics::Outcome Semantics::run(const Request& request, Form form) {
  return server_->run(request, form);
}

std::string Semantics::write(const Response& response, Form form) {
  return server_->write(response, form);
}

std::string Semantics::stream_head() {
  return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
         "X-Content-Type-Options: nosniff\r\nTransfer-Encoding: chunked\r\n\r\n";
}

} // namespace trust
