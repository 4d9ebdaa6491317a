#include "daemon/instance_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "libtrust/error.h"

namespace trust {
namespace {

std::string holder(int fd) {
  std::array<char, 16> text{};
  const auto length = ::pread(fd, text.data(), text.size(), 0);
  std::string pid(text.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
  pid = pid.substr(0, pid.find('\n'));
  if (pid.empty() || pid.find_first_not_of("0123456789") != pid.npos) return "another process";
  return "process " + pid;
}

} // namespace

InstanceLock::InstanceLock(const std::string& state_directory) {
  const std::string path = state_directory + "/lock";
  fd_ = Fd(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd_) throw system_error(path, errno);
  if (::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) throw system_error(path, errno);
    throw Error(Code::conflict,
                "a trustd serves " + state_directory + " already: " + holder(fd_.get()),
                "trustctl status");
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd_.get(), 0) != 0 ||
      ::pwrite(fd_.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    // Who holds it is a courtesy; that it is held is what counts, also on a full disk.
    return;
  }
}

} // namespace trust
