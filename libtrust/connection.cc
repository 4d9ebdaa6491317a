#include "libtrust/connection.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <system_error>
#include <utility>

#include "libtrust/connection_impl.h"
#include "libtrust/error.h"

namespace trust {
namespace {

constexpr std::size_t kRecordBytes = 16 * 1024;
// What is encrypted before it is sent: fewer system calls, and still room in the queue for what
// OpenSSL has to say itself.
constexpr std::size_t kSendAhead = 64 * 1024;
static_assert(kSendAhead + 2 * kRecordBytes < ByteQueue::kMost);

std::string seconds(std::chrono::milliseconds time) {
  const auto ms = time.count();
  return ms % 1000 == 0 ? std::to_string(ms / 1000) + " s" : std::to_string(ms) + " ms";
}

} // namespace

Connection::Impl::Impl(std::shared_ptr<PublishedStore> its_store,
                       std::shared_ptr<Connector::Shared> its_shared, const Endpoint& its_endpoint,
                       const ConnectionConfig& its_config)
    : store(std::move(its_store)),
      shared(std::move(its_shared)),
      endpoint(its_endpoint),
      config(its_config),
      name(config.server_name ? *config.server_name : endpoint.host),
      deadline(config.connect_timeout) {}

Connection::Impl::~Impl() {
  const ErrorQueueGuard queue;
  // Else OpenSSL takes the session for a bad one, and nobody resumes it.
  if (ssl && stage == Stage::open && !failure) {
    SSL_set_shutdown(ssl.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }
  ssl.reset();
  const Fd closes_it(wake.load());
}

void Connection::Impl::fail(Error error) {
  failure = std::move(error);
  fail_again();
  throw *failure; // not reached
}

void Connection::Impl::fail(std::shared_ptr<const Peer> refused_peer) {
  Refused error(refused_peer, alert);
  failure = error;
  refused = std::move(refused_peer);
  throw error;
}

void Connection::Impl::fail_without_memory() {
  ran_out_of_memory = true;
  throw std::bad_alloc();
}

void Connection::Impl::fail_again() const {
  if (ran_out_of_memory) throw std::bad_alloc();
  if (refused) throw Refused(refused, alert);
  if (failure) throw Error(*failure);
}

void Connection::Impl::require_open() const {
  if (stage != Stage::open) {
    throw Error(Code::state, "the connection to " + endpoint.text() +
                                 (failure ? " was not established" : " is not verified yet") +
                                 ": nothing is read or written");
  }
  fail_again();
}

void Connection::Impl::require_sendable() const {
  if (send_errno == 0) return;
  throw Error(Code::io,
              endpoint.text() + " takes no more: " + std::generic_category().message(send_errno))
      .with_error_number(send_errno);
}

void Connection::Impl::require_not_cancelled() const {
  if (cancelled) {
    throw Error(Code::cancelled, "the connection to " + endpoint.text() + " was cancelled");
  }
}

int Connection::Impl::wake_fd() {
  int current = wake;
  if (current >= 0) return current;
  Fd fresh(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!fresh) throw system_error("cannot wait for " + endpoint.text(), errno);
  if (wake.compare_exchange_strong(current, fresh.get())) return fresh.release();
  return current; // another thread was quicker
}

void Connection::Impl::wait_or_fail(short events, std::string_view otherwise) {
  const int woken_by = wake_fd();
  require_not_cancelled(); // by somebody who came before there was anything to wake with
  if (wait_for(fd, events, Deadline(config.io_timeout), woken_by)) return;
  throw Error(Code::timeout, endpoint.text() + std::string(otherwise) + seconds(config.io_timeout));
}

bool Connection::Impl::flush() noexcept {
  if (in_memory) return true;
  while (!out.empty()) {
    const auto bytes = out.bytes();
    const ssize_t sent =
        send_errno != 0 ? -1 : ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      out.pop(static_cast<std::size_t>(sent));
    } else if (send_errno == 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      return false;
    } else if (send_errno != 0 || errno != EINTR) {
      // What the peer said before it went may still be read.
      if (send_errno == 0) send_errno = errno;
      out.clear();
    }
  }
  return true;
}

Progress Connection::Impl::read_some(std::span<std::uint8_t> buffer, std::size_t& count,
                                     short& events) {
  flush();
  errno = 0;
  const int result = SSL_read_ex(ssl.get(), buffer.data(), buffer.size(), &count);
  const int errno_then = errno;
  const int ssl_error = SSL_get_error(ssl.get(), result);
  flush();
  events = POLLIN;
  if (!out.empty()) events |= POLLOUT;
  if (out.ran_out_of_memory) fail_without_memory();
  switch (ssl_error) {
    case SSL_ERROR_NONE: return Progress::done;
    case SSL_ERROR_ZERO_RETURN: return Progress::end;
    case SSL_ERROR_WANT_READ:
      return out.empty() || in_memory ? Progress::want_read : Progress::want_write;
    case SSL_ERROR_WANT_WRITE: events = POLLOUT; return Progress::want_write;
    default:
      if (trust::ran_out_of_memory()) fail_without_memory();
      fail(record_error(endpoint, ssl_error, errno_then, asked_for_certificate));
  }
}

std::size_t Connection::Impl::encrypt(std::span<const std::uint8_t> data) {
  std::size_t count = 0;
  errno = 0;
  const int result =
      SSL_write_ex(ssl.get(), data.data(), std::min(data.size(), kRecordBytes), &count);
  const int errno_then = errno;
  if (result == 1) return count;
  const int ssl_error = SSL_get_error(ssl.get(), result);
  if (out.ran_out_of_memory || trust::ran_out_of_memory()) fail_without_memory();
  fail(record_error(endpoint, ssl_error, errno_then, asked_for_certificate));
}

bool Connection::Impl::holds_unread() {
  std::uint8_t byte = 0;
  std::size_t count = 0;
  errno = 0;
  const int result = SSL_peek_ex(ssl.get(), &byte, 1, &count);
  const int errno_then = errno;
  if (result == 1) return true;
  const int ssl_error = SSL_get_error(ssl.get(), result);
  if (ssl_error == SSL_ERROR_WANT_READ) return false;
  if (ssl_error == SSL_ERROR_SSL || ssl_error == SSL_ERROR_SYSCALL) {
    fail(record_error(endpoint, ssl_error, errno_then, asked_for_certificate));
  }
  return true; // the end, for one
}

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connection::~Connection() = default;

Progress Connection::handshake() {
  Impl& my = *impl_;
  for (;;) {
    my.require_not_cancelled();
    Progress progress{};
    Impl::Stage stage{};
    {
      const std::lock_guard lock(my.mutex);
      const ErrorQueueAside queue;
      progress = my.step();
      stage = my.stage;
    }
    if (progress == Progress::done || !my.blocking) return progress;
    const int woken_by = my.wake_fd();
    my.require_not_cancelled();
    const short events = progress == Progress::want_read ? POLLIN : POLLOUT;
    switch (stage) {
      case Impl::Stage::connecting: my.attempt->wait(woken_by); break;
      // The step that follows says that the deadline passed.
      case Impl::Stage::shaking: wait_for(my.fd, events, my.deadline, woken_by); break;
      case Impl::Stage::open: my.wait_or_fail(events, " took nothing for "); break;
    }
  }
}

Moved Connection::read(std::span<std::uint8_t> buffer) {
  Impl& my = *impl_;
  for (;;) {
    my.require_not_cancelled();
    short events = 0;
    {
      const std::lock_guard lock(my.mutex);
      my.require_open();
      if (buffer.empty()) return {};
      const ErrorQueueAside queue;
      std::size_t count = 0;
      const Progress progress = my.read_some(buffer, count, events);
      if (progress == Progress::done) return {progress, count};
      if (progress == Progress::end || !my.blocking) return {progress, 0};
    }
    my.wait_or_fail(events, " said nothing for ");
  }
}

Moved Connection::write(std::span<const std::uint8_t> data) {
  Impl& my = *impl_;
  std::size_t total = 0;
  for (;;) {
    my.require_not_cancelled();
    {
      const std::lock_guard lock(my.mutex);
      my.require_open();
      if (my.closed) {
        throw Error(Code::state,
                    "the connection to " + my.endpoint.text() + " was closed for writing");
      }
      const ErrorQueueAside queue;
      const bool all_out = my.flush();
      my.require_sendable();
      if (!my.blocking) {
        if (data.empty()) return {};
        // A record that the kernel takes only a part of would be left for a call that may not come.
        pollfd item{my.fd, POLLOUT, 0};
        const bool ready =
            my.in_memory ? my.out.size() < kSendAhead : all_out && ::poll(&item, 1, 0) > 0;
        if (!ready) return {Progress::want_write, 0};
        const std::size_t count = my.encrypt(data);
        my.flush();
        my.require_sendable();
        return {Progress::done, count};
      }
      while (total < data.size() && my.out.size() < kSendAhead) {
        total += my.encrypt(data.subspan(total));
      }
      const bool sent = my.flush();
      my.require_sendable();
      if (sent && total == data.size()) return {Progress::done, total};
      if (sent) continue;
    }
    my.wait_or_fail(POLLOUT, " took nothing for ");
  }
}

Progress Connection::close() {
  Impl& my = *impl_;
  for (;;) {
    my.require_not_cancelled();
    {
      const std::lock_guard lock(my.mutex);
      my.require_open();
      const ErrorQueueAside queue;
      if (!my.closed) {
        my.flush();
        if (my.out.room() < kRecordBytes) return Progress::want_write; // in memory alone
        my.closed = true;
        if (SSL_shutdown(my.ssl.get()) < 0) {
          if (my.out.ran_out_of_memory || ran_out_of_memory()) my.fail_without_memory();
          my.fail(record_error(my.endpoint, SSL_ERROR_SSL, 0, my.asked_for_certificate));
        }
      }
      const bool sent = my.flush();
      my.require_sendable();
      if (sent) return Progress::done;
      if (!my.blocking) return Progress::want_write;
    }
    my.wait_or_fail(POLLOUT, " took nothing for ");
  }
}

void Connection::cancel() noexcept {
  impl_->cancelled = true;
  const int fd = impl_->wake;
  if (fd < 0) return;
  const std::uint64_t one = 1;
  // It can only be that somebody was there before, and then it is readable.
  [[maybe_unused]] const ssize_t written = ::write(fd, &one, sizeof one);
}

void Connection::set_blocking(bool on) {
  impl_->require_not_cancelled();
  if (on && impl_->in_memory) {
    throw Error(Code::state, "a connection in memory has nothing to wait for");
  }
  impl_->blocking = on;
}

int Connection::fd() const noexcept { return impl_->fd; }

std::size_t Connection::pending() noexcept {
  Impl& my = *impl_;
  const std::lock_guard lock(my.mutex);
  if (my.stage != Impl::Stage::open || my.failure || my.ran_out_of_memory) return 0;
  const int ready = SSL_pending(my.ssl.get());
  if (ready > 0 || !my.in_memory || my.in.empty()) return static_cast<std::size_t>(ready);
  try {
    const ErrorQueueAside queue;
    my.holds_unread(); // which decrypts the next record
  } catch (...) {
    // The next read says so.
  }
  return static_cast<std::size_t>(SSL_pending(my.ssl.get()));
}

std::size_t Connection::feed(std::span<const std::uint8_t> data) {
  Impl& my = *impl_;
  my.require_not_cancelled();
  const std::lock_guard lock(my.mutex);
  if (!my.in_memory || my.in.ended()) {
    throw Error(Code::state, !my.in_memory ? "only a connection in memory is fed"
                                           : "the transport of " + my.endpoint.text() +
                                                 " was said to have ended");
  }
  if (data.empty()) {
    my.in.end();
    return 0;
  }
  return my.in.push(data);
}

std::size_t Connection::drain(std::span<std::uint8_t> buffer) {
  Impl& my = *impl_;
  my.require_not_cancelled();
  const std::lock_guard lock(my.mutex);
  if (!my.in_memory) throw Error(Code::state, "only a connection in memory is drained");
  const std::size_t count = std::min(buffer.size(), my.out.size());
  if (count > 0) std::memcpy(buffer.data(), my.out.bytes().data(), count);
  my.out.pop(count);
  return count;
}

const std::string& Connection::tls_version() const noexcept { return impl_->tls_version; }
const std::string& Connection::cipher() const noexcept { return impl_->cipher; }
const std::string& Connection::alpn() const noexcept { return impl_->alpn; }
bool Connection::resumed() const noexcept { return impl_->resumed; }
const Endpoint& Connection::endpoint() const noexcept { return impl_->endpoint; }

std::shared_ptr<const Peer> Connection::peer() const {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->stage != Impl::Stage::open) {
    throw Error(Code::state, "the peer of " + impl_->endpoint.text() + " is not verified yet");
  }
  return impl_->judged.peer;
}

bool Connection::is_quiet() noexcept {
  Impl& my = *impl_;
  const std::lock_guard lock(my.mutex);
  if (my.stage != Impl::Stage::open || my.failure || my.ran_out_of_memory || my.closed ||
      my.cancelled || my.send_errno != 0) {
    return false;
  }
  try {
    const ErrorQueueAside queue;
    if (my.holds_unread()) return false;
    return my.flush() && my.send_errno == 0 && my.out.empty() && my.in.empty() &&
           SSL_has_pending(my.ssl.get()) == 0;
  } catch (...) {
    return false;
  }
}

bool Connection::is_still_trusted() {
  Impl& my = *impl_;
  const auto view = my.store->view();
  const std::lock_guard lock(my.mutex);
  if (my.stage != Impl::Stage::open) return false;
  const ErrorQueueAside queue;
  if (my.judged.view != view || my.judged.at != my.store->now()) {
    my.judged = my.judge_again(my.judged.peer->presented);
  }
  return my.judged.trusted();
}

bool Connection::is_of(const Connector& connector) const {
  return impl_->shared == connector.shared_.get();
}

void Connection::abandon() noexcept {
  impl_->owned.reset();
  const Fd closes_it(impl_->wake.exchange(-1));
}

} // namespace trust
