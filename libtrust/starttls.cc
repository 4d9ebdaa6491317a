#include "libtrust/starttls.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "libtrust/error.h"

namespace trust {
namespace {

constexpr std::size_t kMostLineBytes = 4096;
constexpr std::size_t kMostBytes = 16 * 1024; // of all that the server says

struct ProtocolFacts {
  StartTls protocol;
  std::string_view name;
  std::string_view title;
  Port port;
};

constexpr std::array<ProtocolFacts, 3> kProtocols{{
    {StartTls::smtp, "smtp", "SMTP", 25},
    {StartTls::imap, "imap", "IMAP", 143},
    {StartTls::postgres, "postgres", "PostgreSQL", 5432},
}};

const ProtocolFacts& facts_of(StartTls protocol) noexcept {
  return kProtocols.at(static_cast<std::size_t>(protocol));
}

// The conversation in clear.
class Talk {
 public:
  Talk(int fd, const Endpoint& endpoint, StartTls protocol, const Deadline& deadline)
      : fd_(fd), endpoint_(endpoint), title_(facts_of(protocol).title), deadline_(deadline) {}

  // The next line, without its end.
  std::string line() {
    for (;;) {
      const std::size_t end = pending_.find('\n');
      if (end != std::string::npos && end <= kMostLineBytes) {
        std::string found = pending_.substr(0, end);
        pending_.erase(0, end + 1);
        if (found.ends_with('\r')) found.pop_back();
        return found;
      }
      if (pending_.size() > kMostLineBytes) throw error("says a line that is too long");
      read_more();
    }
  }

  char byte() {
    if (pending_.empty()) read_more();
    const char first = pending_.front();
    pending_.erase(0, 1);
    return first;
  }

  void say(std::string_view text) {
    // What is there already was sent by somebody who knew what we would say.
    expect_silence();
    while (!text.empty()) {
      const ssize_t count = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (count > 0) {
        text.remove_prefix(static_cast<std::size_t>(count));
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        wait(POLLOUT);
      } else if (errno != EINTR) {
        throw broke_off(errno);
      }
    }
  }

  void expect_silence() const {
    if (!pending_.empty()) {
      throw error("sends more than it was asked for before TLS begins: somebody may be in between");
    }
  }

  // "HOST:PORT, asked in SMTP, WHAT"
  Error error(std::string_view what, std::string hint = {}) const {
    return {Code::tls,
            endpoint_.text() + ", asked in " + std::string(title_) + ", " + std::string(what),
            std::move(hint)};
  }
  Error no_offer(std::string_view said) const {
    return error("does not begin TLS: it answered \"" + shown(said) + '"',
                 "switch TLS on at the server, or name the port that has it");
  }
  Error no_protocol(std::string_view said) const {
    return error("does not answer in that protocol: it said \"" + shown(said) + '"');
  }

 private:
  Error broke_off(int error_number) const {
    return error(error_number == 0
                     ? "closed the connection before TLS"
                     : "broke off before TLS: " + std::generic_category().message(error_number));
  }

  void wait(short events) {
    if (wait_for(fd_, events, deadline_)) return;
    throw deadline_.error(endpoint_, "in " + std::string(title_) + ", before TLS",
                          "does the server speak " + std::string(title_) + " on this port?");
  }

  void read_more() {
    std::array<char, 1024> buffer{};
    for (;;) {
      const ssize_t count = ::recv(fd_, buffer.data(), buffer.size(), 0);
      if (count > 0) {
        total_ += static_cast<std::size_t>(count);
        if (total_ > kMostBytes) throw error("says too much before TLS");
        pending_.append(buffer.data(), static_cast<std::size_t>(count));
        return;
      }
      if (count == 0) throw broke_off(0);
      if (errno == EAGAIN || errno == EWOULDBLOCK) {
        wait(POLLIN);
      } else if (errno != EINTR) {
        throw broke_off(errno);
      }
    }
  }

  const int fd_;
  const Endpoint& endpoint_;
  const std::string_view title_;
  const Deadline& deadline_;
  std::string pending_; // read, and not yet looked at
  std::size_t total_ = 0;
};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

// A reply of SMTP, whose lines but the last have a hyphen behind the number; whether one of them
// is `keyword`.
bool read_reply(Talk& talk, std::string_view code, std::string_view keyword) {
  bool found = false;
  for (;;) {
    const std::string line = talk.line();
    const bool has_form = line.size() >= 3 && line.substr(0, 3) == code &&
                          (line.size() == 3 || line[3] == ' ' || line[3] == '-');
    if (!has_form) {
      if (code == "220" && keyword.empty()) throw talk.no_protocol(line);
      throw talk.no_offer(line);
    }
    const std::string_view text =
        std::string_view(line).substr(std::min<std::size_t>(4, line.size()));
    if (!keyword.empty() && equal_ignoring_case(text.substr(0, text.find(' ')), keyword)) {
      found = true;
    }
    if (line.size() == 3 || line[3] == ' ') return found;
  }
}

void start_smtp(Talk& talk) {
  read_reply(talk, "220", {});
  talk.say("EHLO localhost\r\n");
  if (!read_reply(talk, "250", "STARTTLS")) {
    throw talk.error("does not offer STARTTLS", "switch TLS on at the server");
  }
  talk.say("STARTTLS\r\n");
  const std::string answer = talk.line();
  if (!answer.starts_with("220")) throw talk.no_offer(answer);
}

void start_imap(Talk& talk) {
  const std::string greeting = talk.line();
  if (!greeting.starts_with("* ")) throw talk.no_protocol(greeting);
  if (!equal_ignoring_case(std::string_view(greeting).substr(2, 2), "OK")) {
    throw talk.no_offer(greeting); // BYE, or PREAUTH, after which STARTTLS is no longer taken
  }
  talk.say("a1 STARTTLS\r\n");
  for (;;) {
    const std::string line = talk.line();
    if (line.starts_with("* ")) continue; // may come at any time, and says nothing of TLS
    if (line.starts_with("a1 ") && equal_ignoring_case(std::string_view(line).substr(3, 2), "OK")) {
      return;
    }
    throw talk.no_offer(line);
  }
}

void start_postgres(Talk& talk) {
  constexpr std::array<char, 8> kSslRequest{0, 0, 0, 8, 4, '\xd2', '\x16', '\x2f'};
  talk.say({kSslRequest.data(), kSslRequest.size()});
  const char answer = talk.byte();
  if (answer == 'S') return;
  if (answer == 'N') {
    throw talk.error("does not offer TLS", "switch it on at the server: ssl = on");
  }
  if (answer == 'E') throw talk.error("refuses the connection before TLS");
  throw talk.no_protocol({&answer, 1});
}

} // namespace

std::string_view name_of(StartTls protocol) noexcept { return facts_of(protocol).name; }

StartTls parse_starttls(std::string_view text) {
  for (const ProtocolFacts& one : kProtocols) {
    if (one.name == text) return one.protocol;
  }
  throw Error(Code::invalid, '"' + shown(text) + "\" is not a protocol that begins in clear",
              "known are smtp, imap and postgres");
}

Port default_port(StartTls protocol) noexcept { return facts_of(protocol).port; }

void start_tls(int fd, const Endpoint& endpoint, StartTls protocol, const Deadline& deadline) {
  Talk talk(fd, endpoint, protocol, deadline);
  switch (protocol) {
    case StartTls::smtp: start_smtp(talk); break;
    case StartTls::imap: start_imap(talk); break;
    case StartTls::postgres: start_postgres(talk); break;
  }
  talk.expect_silence();
}

} // namespace trust
