#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "libtrust/connection.h"
#include "libtrust/connection_impl.h"
#include "libtrust/error.h"

namespace trust {
namespace {

Error no_socket(int fd, const Endpoint& endpoint, int error_number) {
  return Error(Code::invalid, "file descriptor " + std::to_string(fd) + ", said to lead to " +
                                  endpoint.text() + ", is no connected stream socket")
      .with_error_number(error_number);
}

void check_socket(int fd, const Endpoint& endpoint) {
  int type = 0;
  socklen_t length = sizeof type;
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0) {
    throw no_socket(fd, endpoint, errno);
  }
  sockaddr_storage peer{};
  length = sizeof peer;
  if (type != SOCK_STREAM) throw no_socket(fd, endpoint, 0);
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length) != 0) {
    throw no_socket(fd, endpoint, errno);
  }
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
    throw no_socket(fd, endpoint, errno);
  }
}

} // namespace

Connector::Connector(std::shared_ptr<PublishedStore> store)
    : store_(std::move(store)), shared_([] {
        const ErrorQueueGuard queue;
        return std::make_unique<std::shared_ptr<Shared>>(std::make_shared<Shared>());
      }) {}

Connector::~Connector() = default;

std::unique_ptr<Connection::Impl> Connector::begin(const Endpoint& endpoint,
                                                   const ConnectionConfig& config) const {
  // A store that cannot be read is said before anything is dialled.
  store_->view();
  return std::make_unique<Connection::Impl>(store_, shared_.get(), endpoint, config);
}

std::unique_ptr<Connection> Connector::start(const Endpoint& endpoint,
                                             const ConnectionConfig& config) const {
  auto impl = begin(endpoint, config);
  impl->attempt.emplace(endpoint, impl->deadline);
  impl->fd = impl->attempt->fd();
  impl->stage = Connection::Impl::Stage::connecting;
  auto connection = std::make_unique<Connection>(std::move(impl));
  connection->handshake(); // as far as it goes, so that there is something to wait for
  return connection;
}

std::unique_ptr<Connection> Connector::connect(const Endpoint& endpoint,
                                               const ConnectionConfig& config) const {
  auto connection = start(endpoint, config);
  connection->set_blocking(true);
  connection->handshake();
  return connection;
}

std::unique_ptr<Connection> Connector::start_fd(int fd, const Endpoint& endpoint,
                                                const ConnectionConfig& config) const {
  check_socket(fd, endpoint);
  auto impl = begin(endpoint, config);
  impl->fd = fd;
  return std::make_unique<Connection>(std::move(impl));
}

std::unique_ptr<Connection> Connector::start_memory(const Endpoint& endpoint,
                                                    const ConnectionConfig& config) const {
  auto impl = begin(endpoint, config);
  impl->in_memory = true;
  return std::make_unique<Connection>(std::move(impl));
}

} // namespace trust
