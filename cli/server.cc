#include "cli/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "libtrust/error.h"
#include "libtrust/host.h"

namespace trust {
namespace {

constexpr std::string_view kServiceUser = "trustd";
constexpr std::string_view kTcpScheme = "http://";

bool is_tcp(const std::string& address) { return address.starts_with(kTcpScheme); }

Endpoint tcp_endpoint(const std::string& address) {
  std::string_view text = address;
  text.remove_prefix(kTcpScheme.size());
  while (text.ends_with('/')) text.remove_suffix(1);
  const Endpoint endpoint = Endpoint::parse(text, 80);
  if (endpoint.host.text() != "127.0.0.1" && endpoint.host.text() != "::1") {
    throw Error(Code::invalid, "the daemon is asked on loopback only, not at " + shown(address),
                "export TRUSTD_SOCKET=http://127.0.0.1:PORT");
  }
  return endpoint;
}

struct Attempt {
  ServerConnection connection;
  int error_number = 0;  // why there is none
};

Attempt connect_tcp(const std::string& address) {
  const Endpoint endpoint = tcp_endpoint(address);
  sockaddr_storage storage{};
  socklen_t length = 0;
  const auto bytes = endpoint.host.address();
  if (bytes.size() == 4) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(endpoint.port);
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<std::uint8_t*>(&v4->sin_addr));
    length = sizeof(sockaddr_in);
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(endpoint.port);
    std::copy(bytes.begin(), bytes.end(), v6->sin6_addr.s6_addr);
    length = sizeof(sockaddr_in6);
  }
  Attempt result;
  result.connection.fd = Fd(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!result.connection.fd ||
      ::connect(result.connection.fd.get(), reinterpret_cast<const sockaddr*>(&storage), length) !=
          0) {
    result.error_number = errno;
    result.connection.fd.reset();
  }
  return result;
}

Attempt connect_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    throw Error(Code::invalid, "the path of a socket has 1 to 107 bytes, this one " +
                                   std::to_string(path.size()) + ": " + shown(path));
  }
  path.copy(address.sun_path, path.size());
  Attempt result;
  result.connection.fd = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!result.connection.fd ||
      ::connect(result.connection.fd.get(), reinterpret_cast<const sockaddr*>(&address),
                sizeof(address)) != 0) {
    result.error_number = errno;
    result.connection.fd.reset();
    return result;
  }
  ucred peer{};
  socklen_t length = sizeof(peer);
  if (::getsockopt(result.connection.fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) {
    throw system_error("cannot tell who serves " + shown(path), errno);
  }
  result.connection.uid = peer.uid;
  result.connection.pid = peer.pid;
  return result;
}

Attempt connect_to(const std::string& address) {
  return is_tcp(address) ? connect_tcp(address) : connect_unix(address);
}

std::optional<uid_t> service_user() {
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwnam_r(std::string(kServiceUser).c_str(), &entry, buffer.data(), buffer.size(),
                   &found) != 0 ||
      found == nullptr) {
    return std::nullopt;
  }
  return found->pw_uid;
}

bool may_be_believed(uid_t uid) { return uid == 0 || uid == ::geteuid() || service_user() == uid; }

Error stranger(const std::string& path, uid_t uid) {
  return {Code::forbidden, "the daemon at " + shown(path) + " is run by user " +
                               std::to_string(uid) +
                               ", who is neither root nor the service's user nor you"};
}

}  // namespace

bool Server::is_tcp() const { return trust::is_tcp(socket.address); }

std::optional<Server> find_server(const std::vector<SocketCandidate>& candidates) {
  std::optional<Error> refusal;
  for (const SocketCandidate& candidate : candidates) {
    Attempt attempt = connect_to(candidate.address);
    if (attempt.connection.fd) {
      if (is_tcp(candidate.address) || may_be_believed(attempt.connection.uid)) {
        return Server{candidate, attempt.connection.uid, attempt.connection.pid};
      }
      if (!refusal) refusal = stranger(candidate.address, attempt.connection.uid);
    } else if (attempt.error_number == EACCES && candidates.size() == 1) {
      refusal = Error(Code::forbidden, "you may not speak to the daemon at " +
                                           shown(candidate.address) + ": permission denied");
    }
  }
  if (refusal) throw *refusal;
  return std::nullopt;
}

Error nobody_answers(const std::vector<SocketCandidate>& candidates) {
  std::string message = "no daemon answers at ";
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (i != 0) message += i + 1 == candidates.size() ? " or " : ", ";
    message += shown(candidates[i].address);
  }
  const bool machine = candidates.size() == 1 && candidates[0].address == Layout::machine().socket;
  return {Code::no_daemon, message, machine ? "trustctl start --system" : "trustctl start"};
}

ServerConnection connect_again(const Server& server) {
  Attempt attempt = connect_to(server.socket.address);
  if (!attempt.connection.fd) throw nobody_answers({server.socket});
  if (!server.is_tcp() && !may_be_believed(attempt.connection.uid)) {
    throw stranger(server.socket.address, attempt.connection.uid);
  }
  return std::move(attempt.connection);
}

std::string host_header(const Server& server) {
  return server.is_tcp() ? tcp_endpoint(server.socket.address).text() : "localhost";
}

}  // namespace trust
