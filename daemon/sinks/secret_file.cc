#include "daemon/sinks/secret_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "libtrust/error.h"
#include "libtrust/file.h"
#include "libtrust/handles.h"

namespace trust {

std::string read_secret_file(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  if (!fd) {
    if (errno == ENOENT) throw Error(Code::not_found, path + " is not there");
    if (errno == ELOOP) throw Error(Code::store_access, path + " is a symlink");
    throw system_error(path, errno);
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) throw system_error(path, errno);
  if (!S_ISREG(info.st_mode)) throw Error(Code::invalid, path + " is no file");
  if (!is_trusted_owner(info.st_uid) || (info.st_mode & 077) != 0) {
    throw Error(Code::store_access, path + " holds a secret and is not its owner's alone",
                "chmod 600 '" + path + "'");
  }
  std::string secret(kMostSecretBytes + 1, '\0');
  std::size_t length = 0;
  while (length < secret.size()) {
    const auto count = ::read(fd.get(), secret.data() + length, secret.size() - length);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw system_error(path, errno);
    if (count == 0) break;
    length += static_cast<std::size_t>(count);
  }
  if (length > kMostSecretBytes) throw Error(Code::too_large, path + " is too long for a secret");
  secret.resize(length);
  secret.erase(secret.find_last_not_of(" \t\r\n") + 1);
  if (secret.empty()) throw Error(Code::invalid, path + " is empty");
  return secret;
}

} // namespace trust
