#include "daemon/connection.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace trust {

ClientConnection::ClientConnection(std::uint64_t connection_id, Fd socket,
                                   std::shared_ptr<const Caller> who, Quota::Tally& of_uid)
    : id(connection_id), fd(std::move(socket)), peer(std::move(who)), tally(of_uid) {
  deadline.owner = this;
}

std::string_view ClientConnection::receive(std::span<char> buffer) {
  for (;;) {
    const ssize_t got = recv(fd.get(), buffer.data(), buffer.size(), 0);
    if (got > 0) {
      // Less than asked for: there is no more now, and what comes next will be an event. The end
      // was one already.
      if (static_cast<std::size_t>(got) < buffer.size() && !near_end) readable = false;
      return {buffer.data(), static_cast<std::size_t>(got)};
    }
    if (got < 0 && errno == EINTR) continue;
    readable = false;
    if (got == 0) {
      ended = true;
    } else if (errno != EAGAIN && errno != EWOULDBLOCK) {
      finished = true;
    }
    return {};
  }
}

ClientConnection::Moved ClientConnection::send() {
  while (sent < out.size()) {
    const ssize_t put = ::send(fd.get(), out.data() + sent, out.size() - sent, MSG_NOSIGNAL);
    if (put >= 0) {
      sent += static_cast<std::size_t>(put);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return Moved::some;
    } else if (errno != EINTR) {
      finished = true;
      return Moved::failed;
    }
  }
  std::string().swap(out);
  sent = 0;
  return Moved::all;
}

void ClientConnection::finish_sending() noexcept { shutdown(fd.get(), SHUT_WR); }

std::size_t ClientConnection::held_bytes() const noexcept {
  return reader.held_bytes() + unread.size() + out.size();
}

} // namespace trust
