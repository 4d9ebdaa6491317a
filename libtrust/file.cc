#include "libtrust/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <deque>
#include <utility>
#include <vector>

#include "libtrust/error.h"

namespace trust {
namespace {

constexpr std::size_t kBufferBytes = 64 * 1024;

constexpr std::string_view kMachineState = "/var/lib/trustd";

bool on_read_only_mount(int fd) {
  struct statvfs facts;
  return ::fstatvfs(fd, &facts) == 0 && (facts.f_flag & ST_RDONLY) != 0;
}

// What a file of /proc says, of which only numbers are wanted; "" if there is none. In one go: of
// some of them, a second read finds the end, however little the first one took.
std::string proc_text(const char* path) {
  const Fd fd(::open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC));
  char text[16 * 1024]; // a uid_map has at most 340 lines
  const ssize_t count = fd ? ::read(fd.get(), text, sizeof text) : 0;
  return {text, static_cast<std::size_t>(std::max<ssize_t>(count, 0))};
}

// The next number of `text`, which then begins behind it.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \n"), text.size()));
  std::uint64_t number = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
  if (end.ec != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end.ptr - text.data()));
  return number;
}

// The uid that stands for all those that this user namespace does not map; none if it maps all.
std::optional<uid_t> uid_of_those_outside() {
  constexpr std::uint64_t kUsual = 65534;
  const std::string said = proc_text("/proc/sys/kernel/overflowuid");
  std::string_view rest = said;
  const std::uint64_t overflow = take_number(rest).value_or(kUsual);
  const std::string map = proc_text("/proc/self/uid_map");
  bool any = false;
  for (std::string_view lines = map;;) { // inside, outside, count
    const auto inside = take_number(lines), outside = take_number(lines),
               count = take_number(lines);
    if (!inside || !outside || !count) break;
    any = true;
    if (overflow >= *inside && overflow - *inside < *count) return std::nullopt;
  }
  if (!any) return std::nullopt;
  return static_cast<uid_t>(overflow);
}

// Why what `facts` tells of cannot be relied on; none if it can.
std::optional<Error> doubt(const struct stat& facts, const std::string& name,
                           const std::optional<uid_t>& also) {
  const uid_t self = ::geteuid();
  if (!is_trusted_owner(facts.st_uid) && facts.st_uid != also)
    return Error(Code::store_access, name + " belongs to uid " + std::to_string(facts.st_uid));
  // A group that only its user is in, as useradd makes it, has the user's own number.
  const bool own_group = self != 0 && facts.st_uid == self && facts.st_gid == self;
  const mode_t others = own_group ? S_IWOTH : (S_IWGRP | S_IWOTH);
  if ((facts.st_mode & others) != 0)
    return Error(Code::store_access, "others may write to " + name, "chmod go-w '" + name + "'");
  return std::nullopt;
}

// A path that is walked from the root, component by component, so that each is checked as it is
// used and none can be exchanged between the two.
class Walk {
 public:
  enum class For { making, use, reading };

  Walk(const std::string& path, For purpose, mode_t mode)
      : path_(path), purpose_(purpose), mode_(mode) {
    if (path.empty() || path.front() != '/')
      throw Error(Code::invalid, "'" + shown(path) + "' is not an absolute path");
    at_ = Fd(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!at_) throw system_error("cannot open /", errno);
    split(path);
  }

  // Set by run(), for reading: who is trusted besides root and the effective user.
  const std::optional<uid_t>& owner() const { return owner_; }

  Fd run() {
    check_directory("/", true);
    while (!rest_.empty()) {
      std::string part = std::move(rest_.front());
      rest_.pop_front();
      step(part);
    }
    // What was walked with O_PATH is opened again to be read and synced.
    Fd directory(::openat(at_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory) throw system_error("cannot open " + path_, errno);
    return directory;
  }

 private:
  void split(std::string_view path) {
    std::vector<std::string> parts;
    while (!path.empty()) {
      const auto slash = path.find('/');
      const std::string_view part = path.substr(0, slash);
      if (!part.empty() && part != ".") parts.emplace_back(part);
      if (slash == std::string_view::npos) break;
      path.remove_prefix(slash + 1);
    }
    rest_.insert(rest_.begin(), parts.begin(), parts.end());
  }

  void step(const std::string& part) {
    const bool last = rest_.empty();
    int flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
    Fd next(::openat(at_.get(), part.c_str(), flags));
    bool made = false;
    if (!next && errno == ENOENT && purpose_ == For::making) {
      if (::mkdirat(at_.get(), part.c_str(), 0700) != 0 && errno != EEXIST)
        throw system_error("cannot make " + path_, errno);
      made = true;
      if (::fchmodat(at_.get(), part.c_str(), 0700, 0) != 0) // whatever the umask left of it
        throw system_error("cannot set the mode of " + path_, errno);
      const Fd parent(::openat(at_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      if (parent) sync_directory(parent.get());
      next = Fd(::openat(at_.get(), part.c_str(), flags));
    }
    if (!next) {
      if (errno == ENOENT) throw Error(Code::not_found, path_ + " does not exist");
      throw system_error("cannot open " + path_, errno);
    }
    struct stat facts;
    if (::fstat(next.get(), &facts) != 0) throw system_error("cannot read " + path_, errno);
    if (S_ISLNK(facts.st_mode)) {
      follow(part, facts, last);
      return;
    }
    if (!S_ISDIR(facts.st_mode))
      throw Error(Code::invalid, path_ + ": " + part + " is no directory");
    at_ = std::move(next);
    walked_ += "/" + part;
    if (last && purpose_ == For::making) set_mode(facts, made);
    if (purpose_ == For::reading && walked_ == kMachineState) owner_ = facts.st_uid;
    check_directory(walked_, !last);
  }

  // A link belongs to the path only if it was put there by someone whom the path trusts.
  void follow(const std::string& part, const struct stat& facts, bool last) {
    if (last && purpose_ != For::reading)
      throw Error(Code::store_access, path_ + " is a symbolic link", "give the directory itself");
    if (!is_trusted_owner(facts.st_uid))
      throw Error(Code::store_access, path_ + ": the link " + walked_ + "/" + part +
                                          " belongs to uid " + std::to_string(facts.st_uid));
    if (++links_ > 40) throw Error(Code::invalid, path_ + ": too many symbolic links");
    char target[PATH_MAX];
    const ssize_t length = ::readlinkat(at_.get(), part.c_str(), target, sizeof target);
    if (length < 0) throw system_error("cannot read " + path_, errno);
    const std::string_view text(target, static_cast<std::size_t>(length));
    if (!text.empty() && text.front() == '/') {
      at_ = Fd(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
      if (!at_) throw system_error("cannot open /", errno);
      walked_.clear();
    }
    split(text);
  }

  void set_mode(const struct stat& facts, bool made) {
    if (facts.st_uid != ::geteuid() && !made) return; // check_directory says whose it is
    if ((facts.st_mode & 07777) == mode_) return;
    // Not fchmod: the descriptor is O_PATH.
    if (::fchmodat(at_.get(), ".", mode_, 0) != 0)
      throw system_error("cannot set the mode of " + path_, errno);
  }

  void check_directory(const std::string& name, bool is_parent) {
    struct stat facts;
    if (::fstat(at_.get(), &facts) != 0) throw system_error("cannot read " + name, errno);
    const auto why = doubt(facts, name.empty() ? "/" : name, owner_);
    if (!why) return;
    const bool sticky = is_parent && (facts.st_mode & S_ISVTX) != 0;
    if (sticky && is_trusted_owner(facts.st_uid)) return;
    if (purpose_ == For::reading && on_read_only_mount(at_.get())) return;
    throw Error(Code::store_access, path_ + " is not safe to use: " + why->message(), why->hint());
  }

  const std::string& path_;
  For purpose_;
  mode_t mode_;
  Fd at_;
  std::optional<uid_t> owner_;
  std::string walked_;
  std::deque<std::string> rest_;
  int links_ = 0;
};

std::string read_all(int fd, const std::string& name, std::size_t max_bytes) {
  struct stat facts;
  if (::fstat(fd, &facts) != 0) throw system_error("cannot read " + name, errno);
  if (!S_ISREG(facts.st_mode)) throw Error(Code::invalid, name + " is not a regular file");
  const auto too_large = [&] {
    return Error(Code::too_large, name + " has more than " + std::to_string(max_bytes) + " bytes");
  };
  if (facts.st_size > 0 && static_cast<std::uint64_t>(facts.st_size) > max_bytes) throw too_large();
  std::string bytes;
  // One byte more than expected shows the end, or that there is more; files of /proc say 0. The
  // read that finds the end needs no room that would have to be cleared.
  constexpr std::size_t kLeastRoom = 512;
  std::size_t room = static_cast<std::size_t>(facts.st_size) + 1;
  for (;;) {
    const std::size_t had = bytes.size();
    bytes.resize(had + room);
    const ssize_t count = ::read(fd, bytes.data() + had, room);
    if (count < 0 && errno == EINTR) {
      bytes.resize(had);
      continue;
    }
    if (count < 0) throw system_error("cannot read " + name, errno);
    const bool is_short = static_cast<std::size_t>(count) < room;
    bytes.resize(had + static_cast<std::size_t>(count));
    if (bytes.size() > max_bytes) throw too_large();
    if (count == 0) return bytes;
    room = is_short ? 1 : std::min(std::max(bytes.size(), kLeastRoom), kBufferBytes);
  }
}

Fd open_to_read(const std::string& path) {
  // O_NONBLOCK: a FIFO must not make us wait for a writer before it is refused.
  Fd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd) {
    if (errno == ENOENT) throw Error(Code::not_found, path + " does not exist");
    throw system_error("cannot open " + path, errno);
  }
  return fd;
}

} // namespace

bool is_trusted_owner(uid_t uid) {
  if (uid == 0 || uid == ::geteuid()) return true;
  static const std::optional<uid_t> outside = uid_of_those_outside();
  return uid == outside;
}

Fd open_own_directory(const std::string& path, mode_t mode) {
  return Walk(path, Walk::For::making, mode).run();
}

Fd open_checked_directory(const std::string& path) { return Walk(path, Walk::For::use, 0).run(); }

StoreDirectory::StoreDirectory(const std::string& path) {
  Walk walk(path, Walk::For::reading, 0);
  fd_ = walk.run();
  owner_ = walk.owner();
}

void StoreDirectory::check(int fd, const std::string& name) const {
  struct stat facts;
  if (::fstat(fd, &facts) != 0) throw system_error("cannot read " + name, errno);
  const auto why = doubt(facts, name, owner_);
  if (why && !on_read_only_mount(fd)) throw *why;
}

std::string read_file(const std::string& path, std::size_t max_bytes) {
  return read_all(open_to_read(path).get(), path, max_bytes);
}

std::string read_own_file(const std::string& path, std::size_t max_bytes) {
  const Fd fd = open_to_read(path);
  struct stat facts;
  if (::fstat(fd.get(), &facts) != 0) throw system_error("cannot read " + path, errno);
  if (const auto why = doubt(facts, path, std::nullopt)) throw *why;
  return read_all(fd.get(), path, max_bytes);
}

std::optional<std::string> read_file_at(int directory, const std::string& name,
                                        std::size_t max_bytes) {
  const Fd fd(
      ::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd) {
    if (errno == ENOENT) return std::nullopt;
    throw system_error("cannot open " + name, errno);
  }
  return read_all(fd.get(), name, max_bytes);
}

void sync_directory(int directory) {
  // Some file systems have nothing to sync there and say so.
  if (::fsync(directory) != 0 && errno != EINVAL)
    throw system_error("cannot sync a directory", errno);
}

void link_at(int from_directory, const std::string& from, int to_directory, const std::string& to) {
  if (::linkat(from_directory, from.c_str(), to_directory, to.c_str(), 0) == 0) return;
  const int error_number = errno;
  struct stat facts;
  const bool has_no_links = error_number == EPERM || error_number == EOPNOTSUPP ||
                            error_number == EMLINK || error_number == ENOSYS;
  if (!has_no_links || ::fstatat(from_directory, from.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0)
    throw system_error("cannot link " + to, error_number);
  constexpr std::size_t kMost = std::size_t{1} << 32;
  const auto bytes = read_file_at(from_directory, from, kMost);
  if (!bytes) throw system_error("cannot link " + to, error_number);
  write_file_at(to_directory, to, *bytes, facts.st_mode & 0777, false);
}

void switch_link(int directory, const std::string& name, const std::string& target) {
  const std::string temporary = ".tmp-link-" + std::to_string(::getpid());
  if (::unlinkat(directory, temporary.c_str(), 0) != 0 && errno != ENOENT)
    throw system_error("cannot replace " + name, errno);
  if (::symlinkat(target.c_str(), directory, temporary.c_str()) != 0)
    throw system_error("cannot replace " + name, errno);
  if (::renameat(directory, temporary.c_str(), directory, name.c_str()) != 0) {
    const int error_number = errno;
    ::unlinkat(directory, temporary.c_str(), 0);
    throw system_error("cannot replace " + name, error_number);
  }
}

void each_name(int directory, const std::function<bool(const std::string& name)>& visit) {
  // Opened anew: a duplicate would share the caller's place in the directory.
  Fd fd(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  DirectoryPtr stream(fd ? ::fdopendir(fd.get()) : nullptr);
  if (!stream) throw system_error("cannot read a directory", errno);
  fd.release(); // the stream's now
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) {
      if (errno != 0) throw system_error("cannot read a directory", errno);
      return;
    }
    const std::string name = entry->d_name;
    if (name != "." && name != ".." && !visit(name)) return;
  }
}

void remove_tree_at(int directory, const std::string& name) {
  if (::unlinkat(directory, name.c_str(), 0) == 0 || errno == ENOENT) return;
  if (errno != EISDIR && errno != EPERM) throw system_error("cannot remove " + name, errno);
  Fd fd(::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) {
    if (errno == ENOENT) return;
    throw system_error("cannot remove " + name, errno);
  }
  // Read again from its start until nothing is left: names may be skipped where others are
  // removed meanwhile.
  for (bool found = true; found;) {
    found = false;
    each_name(fd.get(), [&](const std::string& child) {
      remove_tree_at(fd.get(), child);
      return found = true;
    });
  }
  if (::unlinkat(directory, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
    throw system_error("cannot remove " + name, errno);
}

} // namespace trust
