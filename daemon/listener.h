#pragma once
// A listening socket: of the file system, of the loopback, or handed over by the service manager.
// Made whole or not at all; a UNIX socket that was made here is removed with the object, if it is
// still the one that stands there.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libtrust/handles.h"

namespace trust {

class Listener {
 public:
  Listener(Listener&&) noexcept;
  Listener& operator=(Listener&&) noexcept;
  ~Listener();

  int fd() const noexcept { return fd_.get(); }
  bool unix_socket() const noexcept { return unix_socket_; }
  std::uint16_t port() const noexcept { return port_; }  // of TCP; 0 otherwise
  const std::string& name() const noexcept { return name_; }  // a path, or "127.0.0.1:8443"

 private:
  Listener() = default;
  friend Listener listen_unix(const std::string&, mode_t, std::optional<gid_t>);
  friend Listener listen_datagrams(const std::string&, mode_t);
  friend Listener listen_tcp(std::string_view);
  friend std::vector<Listener> listeners_from_manager();
  static Listener at_path(int type, const std::string& path, mode_t mode,
                          std::optional<gid_t> group);
  void remove_path() noexcept;

  Fd fd_;
  bool unix_socket_ = false;
  std::uint16_t port_ = 0;
  std::string name_;
  Fd directory_;      // of a path that is ours to remove
  std::string file_;  // in that directory
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

// A socket at an absolute `path` with that mode, and group if given, before anybody can connect.
// The directory is made (0755) if only it is missing; it and those above must belong to
// root or to us and be writable by nobody else, a sticky one excepted. A socket that nobody
// listens at is replaced. Error{conflict} when somebody listens there or it is not a socket,
// Error{store_access} for a directory that others can write to, Error{invalid} for a path that
// is relative or too long for an address, else as system_error.
Listener listen_unix(const std::string& path, mode_t mode, std::optional<gid_t> group = {});

// The same for datagrams, each of which the kernel marks with who sent it (SO_PASSCRED).
Listener listen_datagrams(const std::string& path, mode_t mode);

// "127.0.0.1:8443" or "[::1]:8443"; port 0 takes a free one. Error{invalid} for anything that is
// not the loopback, Error{conflict} when the port is taken.
Listener listen_tcp(std::string_view address);

// What the service manager passed (LISTEN_FDS), taken out of the environment; empty when nothing.
// Error{invalid} for a socket that is not a listening stream of the two kinds above.
std::vector<Listener> listeners_from_manager();

} // namespace trust
