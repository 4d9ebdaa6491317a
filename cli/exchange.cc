#include "cli/exchange.h"

#include <http_parser.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>

namespace trust {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kMostHeadBytes = 32 * 1024;
constexpr std::size_t kMostContentTypeBytes = 200;
constexpr unsigned kFirstFinalStatus = 200;

} // namespace

// What http-parser tells, piece by piece. No exception may pass through it.
struct Exchange::Parser {
  explicit Parser(Exchange& owner) : exchange(owner) {
    http_parser_init(&state, HTTP_RESPONSE);
    state.data = this;
    http_parser_settings_init(&settings);
    settings.on_header_field = [](http_parser* parser, const char* data, std::size_t size) {
      return of(parser).guarded([&](Parser& self) { return self.take_name({data, size}); });
    };
    settings.on_header_value = [](http_parser* parser, const char* data, std::size_t size) {
      return of(parser).guarded([&](Parser& self) { return self.take_value({data, size}); });
    };
    settings.on_headers_complete = [](http_parser* parser) {
      return of(parser).guarded([](Parser& self) { return self.end_head(); });
    };
    settings.on_body = [](http_parser* parser, const char* data, std::size_t size) {
      return of(parser).guarded([&](Parser& self) { return self.take_body({data, size}); });
    };
    settings.on_message_complete = [](http_parser* parser) {
      of(parser).complete = parser->status_code >= kFirstFinalStatus;
      return of(parser).complete ? 1 : 0; // what follows is not ours
    };
  }

  static Parser& of(http_parser* parser) { return *static_cast<Parser*>(parser->data); }

  template <typename Use>
  int guarded(const Use& use) noexcept {
    try {
      return use(*this);
    } catch (...) {
      failure = std::current_exception();
      return 1;
    }
  }

  int take_name(std::string_view piece) {
    if (!in_name) name.clear();
    in_name = true;
    name.append(piece);
    return 0;
  }

  int take_value(std::string_view piece) {
    in_name = false;
    if (::strcasecmp(name.c_str(), "Content-Type") == 0 &&
        content_type.size() + piece.size() <= kMostContentTypeBytes) {
      content_type.append(piece);
    }
    return 0;
  }

  int end_head() {
    if (state.status_code < kFirstFinalStatus) return 0;
    head_complete = true;
    const bool length_is_told = (state.flags & F_CONTENTLENGTH) != 0;
    if (length_is_told && !exchange.endless_ && state.content_length > exchange.left_) {
      exchange.trouble_ = Trouble::too_large;
      return -1;
    }
    if (exchange.head) exchange.head(static_cast<int>(state.status_code), content_type);
    return 0;
  }

  int take_body(std::string_view piece) {
    if (!exchange.body || exchange.body(piece)) return 0;
    complete = true; // as far as anybody wants it
    return 1;
  }

  // Whether more is to be read.
  bool feed(std::string_view bytes) {
    const std::size_t taken = http_parser_execute(&state, &settings, bytes.data(), bytes.size());
    if (failure) std::rethrow_exception(failure);
    if (complete) return false;
    if (exchange.trouble_ != Trouble::none) return false;
    if (HTTP_PARSER_ERRNO(&state) == HPE_HEADER_OVERFLOW) {
      exchange.trouble_ = Trouble::too_large;
      return false;
    }
    if (taken != bytes.size() || bytes.empty() || HTTP_PARSER_ERRNO(&state) != HPE_OK) {
      exchange.trouble_ = Trouble::ended;
      return false;
    }
    return true;
  }

  Exchange& exchange;
  http_parser state;
  http_parser_settings settings;
  std::string name, content_type;
  bool in_name = false;
  bool head_complete = false;
  bool complete = false;
  std::exception_ptr failure;
};

Exchange::Exchange(int fd, std::int64_t timeout_ms, std::size_t most_bytes)
    : fd_(fd), left_(most_bytes) {
  if (timeout_ms > 0) deadline_ = steady_clock::now() + milliseconds(timeout_ms);
}

void Exchange::be_endless() noexcept {
  deadline_.reset();
  endless_ = true;
}

bool Exchange::wait_for(short events) {
  for (;;) {
    int wait_ms = -1;
    if (deadline_) {
      const auto left = std::chrono::ceil<milliseconds>(*deadline_ - steady_clock::now());
      wait_ms = static_cast<int>(std::clamp<milliseconds::rep>(left.count(), 0, 1'000'000));
    }
    pollfd item{fd_, events, 0};
    const int count = ::poll(&item, 1, wait_ms);
    if (count > 0) return true;
    if (count < 0 && errno == EINTR) continue;
    trouble_ = count == 0 ? Trouble::timed_out : Trouble::ended;
    return false;
  }
}

void Exchange::send(std::string_view request) {
  while (!request.empty() && wait_for(POLLOUT)) {
    const ssize_t count = ::send(fd_, request.data(), request.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) {
      request.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno != EINTR && errno != EAGAIN) {
      // A server that refuses a request answers without reading the rest of it.
      return;
    }
  }
}

Exchange::Trouble Exchange::run(std::string_view request) {
  send(request);
  Parser parser(*this);
  std::array<char, 16 * 1024> buffer;
  std::size_t head_bytes = 0;
  while (trouble_ == Trouble::none && wait_for(POLLIN)) {
    const ssize_t count = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    const std::size_t size = count > 0 ? static_cast<std::size_t>(count) : 0;
    if (!parser.head_complete) head_bytes += size;
    if (!endless_ && size > left_) trouble_ = Trouble::too_large;
    left_ -= std::min(left_, size);
    if (trouble_ != Trouble::none || !parser.feed({buffer.data(), size})) break;
    if (!parser.head_complete && head_bytes > kMostHeadBytes) trouble_ = Trouble::too_large;
  }
  return parser.complete ? Trouble::none : trouble_;
}

} // namespace trust
