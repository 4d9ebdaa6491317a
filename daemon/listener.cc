#include "daemon/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include "daemon/socket_port.h"
#include "libtrust/error.h"
#include "libtrust/file.h"

namespace trust {
namespace {

// The kernel takes less where net.core.somaxconn says so.
constexpr int kBacklog = 4096;

Fd new_socket(int family, int type = SOCK_STREAM) {
  Fd fd(socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) throw system_error("cannot make a socket", errno);
  return fd;
}

sockaddr_un unix_address(std::string_view path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    throw Error(Code::invalid, "the path of a socket has at most " +
                                   std::to_string(sizeof address.sun_path - 1) +
                                   " bytes: " + shown(path));
  }
  std::copy(path.begin(), path.end(), std::begin(address.sun_path));
  return address;
}

// A name in an open directory as a path that cannot be led elsewhere and is always short enough.
std::string path_in(const Fd& directory, const std::string& name) {
  return "/proc/self/fd/" + std::to_string(directory.get()) + "/" + name;
}

void check_directory(const std::string& path, const struct stat& status) {
  const bool ours = is_trusted_owner(status.st_uid);
  const bool sticky = (status.st_mode & S_ISVTX) != 0;
  if (!ours) {
    throw Error(Code::store_access,
                "the directory of a socket belongs to somebody else: " + shown(path));
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0 && !sticky) {
    throw Error(Code::store_access,
                "others can write to a directory above the socket: " + shown(path));
  }
}

struct Directory {
  Fd fd;
  std::string path; // without links
};

// Opens the directory of the socket, and looks at it and at every one above it.
Directory open_socket_directory(const std::string& path) {
  if (mkdir(path.c_str(), 0755) == 0) {
    chmod(path.c_str(), 0755); // whatever the umask: the socket's own mode says who may connect
  } else if (errno != EEXIST) {
    throw system_error("cannot make the directory " + shown(path), errno);
  }
  const std::unique_ptr<char, Deleter<std::free>> real(realpath(path.c_str(), nullptr));
  if (!real) throw system_error("cannot find the directory " + shown(path), errno);
  Fd directory(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  std::string so_far;
  std::string_view rest = std::string_view(real.get()).substr(1);
  for (;;) {
    struct stat status {};
    if (fstat(directory.get(), &status) != 0) throw system_error("cannot look at " + so_far, errno);
    check_directory(so_far.empty() ? "/" : so_far, status);
    if (rest.empty()) break;
    const std::string name(rest.substr(0, rest.find('/')));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    so_far += "/" + name;
    Fd next(openat(directory.get(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next) throw system_error("cannot open the directory " + shown(so_far), errno);
    directory = std::move(next);
  }
  // Opened for reading: what is only a path cannot be locked.
  Fd readable(openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!readable) throw system_error("cannot open the directory " + shown(path), errno);
  return {std::move(readable), std::move(so_far)};
}

// Error{conflict} unless `name` is free or a socket of that type that nobody listens at.
void check_free(const Fd& directory, const std::string& name, const std::string& path, int type) {
  struct stat status {};
  if (fstatat(directory.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return;
    throw system_error("cannot look at " + shown(path), errno);
  }
  if (!S_ISSOCK(status.st_mode)) {
    throw Error(Code::conflict, "what stands at the socket's path is not a socket: " + shown(path));
  }
  const Fd probe = new_socket(AF_UNIX, type);
  const sockaddr_un address = unix_address(path_in(directory, name));
  if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
      (errno == ECONNREFUSED || errno == ENOENT)) {
    return;
  }
  throw Error(Code::conflict, "another program listens at " + shown(path));
}

std::uint16_t read_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (failed != std::errc() || end != text.data() + text.size() || port > 65535) {
    throw Error(Code::invalid, "not a port: " + shown(text));
  }
  return static_cast<std::uint16_t>(port);
}

bool is_loopback(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &address, sizeof in);
    return (ntohl(in.sin_addr.s_addr) >> 24) == 127;
  }
  sockaddr_in6 in{};
  std::memcpy(&in, &address, sizeof in);
  return IN6_IS_ADDR_LOOPBACK(&in.sin6_addr) != 0;
}

sockaddr_storage address_of(const Fd& fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw system_error("cannot read a socket's address", errno);
  }
  return address;
}

} // namespace

Listener::Listener(Listener&&) noexcept = default;

Listener& Listener::operator=(Listener&& other) noexcept {
  if (this != &other) {
    remove_path();
    fd_ = std::move(other.fd_);
    unix_socket_ = other.unix_socket_;
    port_ = other.port_;
    name_ = std::move(other.name_);
    directory_ = std::move(other.directory_);
    file_ = std::move(other.file_);
    device_ = other.device_;
    inode_ = other.inode_;
  }
  return *this;
}

Listener::~Listener() { remove_path(); }

void Listener::remove_path() noexcept {
  if (!directory_) return;
  struct stat status {};
  // Another daemon may have taken the path since, when it found nobody listening.
  if (fstatat(directory_.get(), file_.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
      status.st_dev == device_ && status.st_ino == inode_) {
    unlinkat(directory_.get(), file_.c_str(), 0);
  }
  directory_.reset();
}

Listener Listener::at_path(int type, const std::string& path, mode_t mode,
                           std::optional<gid_t> group) {
  const std::size_t slash = path.rfind('/');
  if (path.empty() || path.front() != '/' || slash + 1 == path.size()) {
    throw Error(Code::invalid, "the path of a socket is absolute: " + shown(path));
  }
  unix_address(path); // clients must be able to name it

  Listener made;
  made.unix_socket_ = true;
  made.name_ = path;
  made.file_ = path.substr(slash + 1);
  Directory checked = open_socket_directory(slash == 0 ? "/" : path.substr(0, slash));
  Fd& directory = checked.fd;
  // Held while the path changes hands, so that of two that start at once one sees the other.
  if (flock(directory.get(), LOCK_EX) != 0) {
    throw system_error("cannot lock the directory of " + shown(path), errno);
  }
  check_free(directory, made.file_, path, type);
  unlinkat(directory.get(), made.file_.c_str(), 0);

  // Nobody above can lead this path elsewhere, and it is the one that clients are shown.
  std::string name = checked.path + "/" + made.file_;
  if (name.size() >= sizeof(sockaddr_un::sun_path)) name = path_in(directory, made.file_);
  const sockaddr_un address = unix_address(name);
  made.fd_ = new_socket(AF_UNIX, type);
  const int on = 1;
  if (type == SOCK_DGRAM &&
      setsockopt(made.fd_.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0) {
    throw system_error("cannot ask who sends to " + shown(path), errno);
  }
  fchmod(made.fd_.get(), 0600); // bind() takes it as the mode to begin with
  if (bind(made.fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw system_error("cannot make the socket " + shown(path), errno);
  }
  struct stat status {};
  // Until listen() nobody can connect, and by then the socket is as it is to be; datagrams can be
  // sent by its owner alone until the mode is.
  if ((group && fchownat(directory.get(), made.file_.c_str(), static_cast<uid_t>(-1), *group,
                         AT_SYMLINK_NOFOLLOW) != 0) ||
      fchmodat(directory.get(), made.file_.c_str(), mode, 0) != 0 ||
      fstatat(directory.get(), made.file_.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
      (type == SOCK_STREAM && listen(made.fd_.get(), kBacklog) != 0)) {
    const int failed = errno;
    unlinkat(directory.get(), made.file_.c_str(), 0);
    throw system_error("cannot set up the socket " + shown(path), failed);
  }
  made.device_ = status.st_dev;
  made.inode_ = status.st_ino;
  flock(directory.get(), LOCK_UN);
  made.directory_ = std::move(directory);
  return made;
}

Listener listen_unix(const std::string& path, mode_t mode, std::optional<gid_t> group) {
  return Listener::at_path(SOCK_STREAM, path, mode, group);
}

Listener listen_datagrams(const std::string& path, mode_t mode) {
  return Listener::at_path(SOCK_DGRAM, path, mode, {});
}

Listener listen_tcp(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  const std::string_view host = text.substr(0, colon);
  sockaddr_storage address{};
  socklen_t size = 0;
  if (colon != std::string_view::npos && host == "127.0.0.1") {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    in.sin_port = htons(read_port(text.substr(colon + 1)));
    size = sizeof in;
    std::memcpy(&address, &in, size);
  } else if (colon != std::string_view::npos && host == "[::1]") {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_addr = in6addr_loopback;
    in.sin6_port = htons(read_port(text.substr(colon + 1)));
    size = sizeof in;
    std::memcpy(&address, &in, size);
  } else {
    throw Error(Code::invalid, "not an address to listen at: " + shown(text),
                "use 127.0.0.1:PORT or [::1]:PORT; trustd serves this machine only");
  }
  Listener made;
  made.fd_ = new_socket(address.ss_family);
  const int on = 1;
  setsockopt(made.fd_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(made.fd_.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      listen(made.fd_.get(), kBacklog) != 0) {
    if (errno == EADDRINUSE) {
      throw Error(Code::conflict, "another program listens at " + shown(text));
    }
    throw system_error("cannot listen at " + shown(text), errno);
  }
  made.port_ = port_of(address_of(made.fd_));
  made.name_ = std::string(host) + ":" + std::to_string(made.port_);
  return made;
}

std::vector<Listener> listeners_from_manager() {
  std::vector<Listener> all;
  const int count = sd_listen_fds(1);
  if (count < 0) throw system_error("cannot take the sockets of the service manager", -count);
  for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + count; ++fd) {
    Listener made;
    made.fd_ = Fd(fd);
    if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0) {
      throw Error(Code::invalid, "the service manager passed what is not a listening socket");
    }
    const sockaddr_storage address = address_of(made.fd_);
    made.unix_socket_ = address.ss_family == AF_UNIX;
    if (!made.unix_socket_) {
      if ((address.ss_family != AF_INET && address.ss_family != AF_INET6) ||
          !is_loopback(address)) {
        throw Error(Code::invalid,
                    "the service manager passed a socket that is not of this machine alone");
      }
      made.port_ = port_of(address);
    }
    made.name_ = "passed by the service manager";
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
      throw system_error("cannot set up a socket of the service manager", errno);
    }
    all.push_back(std::move(made));
  }
  return all;
}

} // namespace trust
