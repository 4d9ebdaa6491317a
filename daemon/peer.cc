#include "daemon/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

#include "daemon/socket_port.h"
#include "libtrust/error.h"

namespace trust {
namespace {

// Most users are in a handful of groups; the kernel allows 65,536.
constexpr std::size_t kUsualGroups = 64;

std::vector<gid_t> groups_of(int socket) {
  std::vector<gid_t> groups(kUsualGroups);
  auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
  int result = getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size);
  if (result != 0 && errno == ERANGE) {  // `size` now says how much is needed
    groups.resize(size / sizeof(gid_t));
    result = getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size);
  }
  if (result != 0) throw system_error("cannot read the groups of a peer", errno);
  groups.resize(size / sizeof(gid_t));
  groups.shrink_to_fit();
  return groups;
}

std::string address_text(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &address, sizeof in);
    inet_ntop(AF_INET, &in.sin_addr, text.data(), text.size());
    return std::string(text.data()) + ":" + std::to_string(port_of(address));
  }
  sockaddr_in6 in{};
  std::memcpy(&in, &address, sizeof in);
  inet_ntop(AF_INET6, &in.sin6_addr, text.data(), text.size());
  return "[" + std::string(text.data()) + "]:" + std::to_string(port_of(address));
}

} // namespace

bool Caller::in_group(gid_t wanted) const noexcept {
  if (!unix_socket) return false;
  return gid == wanted || std::find(groups.begin(), groups.end(), wanted) != groups.end();
}

std::string Caller::executable() const {
  if (pid <= 0) return {};
  std::array<char, PATH_MAX> target{};
  const std::string link = "/proc/" + std::to_string(pid) + "/exe";
  const ssize_t length = readlink(link.c_str(), target.data(), target.size());
  return length > 0 ? std::string(target.data(), static_cast<std::size_t>(length)) : std::string();
}

Caller peer_of(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  // Our own end says the family; the other end of a UNIX socket has no name.
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw system_error("cannot read the address of a connection", errno);
  }
  Caller peer;
  if (address.ss_family == AF_UNIX) {
    ucred credentials{};
    size = sizeof credentials;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
      throw system_error("cannot read who a peer is", errno);
    }
    peer.unix_socket = true;
    peer.uid = credentials.uid;
    peer.gid = credentials.gid;
    peer.pid = credentials.pid;
    peer.groups = groups_of(socket);
    return peer;
  }
  peer.local_port = port_of(address);
  size = sizeof address;
  if (getpeername(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw system_error("cannot read the address of a peer", errno);
  }
  peer.address = address_text(address);
  return peer;
}

} // namespace trust
