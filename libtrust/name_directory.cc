#include "libtrust/name_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "libtrust/error.h"

namespace trust {

bool is_name_directory(std::string_view name) {
  for (const std::string_view kind : kNameDirectories) {
    if (!name.starts_with(kind) || name.size() < kind.size() + 2 || name[kind.size()] != '-')
      continue;
    return name.find_first_not_of("0123456789-", kind.size()) == std::string_view::npos;
  }
  return false;
}

std::string name_directory_of(int generation, std::string_view kind) {
  char target[64];
  const ssize_t length = ::readlinkat(generation, std::string(kind).c_str(), target, sizeof target);
  if (length <= 0) return {};
  std::string_view text(target, static_cast<std::size_t>(length));
  constexpr std::string_view kUp = "../";
  if (!text.starts_with(kUp)) return {};
  text.remove_prefix(kUp.size());
  return is_name_directory(text) && text.starts_with(kind) ? std::string(text) : std::string();
}

NameDirectory NameDirectory::of(int store, int generation, std::string_view kind) {
  std::string name = name_directory_of(generation, kind);
  if (name.empty())
    throw Error(Code::store_invalid, "a generation has no " + std::string(kind) + " directory");
  Fd fd(::openat(store, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) throw system_error("cannot open " + name, errno);
  return {std::string(kind), std::move(name), std::move(fd), false};
}

NameDirectory NameDirectory::make(int store, std::string_view kind, GenerationNumber generation) {
  // A generation's number may come again, of another database.
  for (std::uint64_t again = 0;; ++again) {
    std::string name = std::string(kind) + "-" + std::to_string(generation);
    if (again > 0) name += "-" + std::to_string(again);
    if (::mkdirat(store, name.c_str(), 0700) != 0) {
      if (errno == EEXIST) continue;
      throw system_error("cannot make " + name, errno);
    }
    if (::fchmodat(store, name.c_str(), 0755, 0) != 0)
      throw system_error("cannot set the mode of " + name, errno);
    Fd fd(::openat(store, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) throw system_error("cannot open " + name, errno);
    return {std::string(kind), std::move(name), std::move(fd), true};
  }
}

void NameDirectory::write(const std::string& name, std::string_view bytes,
                          const NewFile::Place* spare) {
  // Labels were checked when they came; what would lead out of here goes no further all the same.
  if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos) {
    throw Error(Code::store_invalid, "not the name of a published file: " + shown(name));
  }
  if (!new_) {
    NewFile file = spare != nullptr ? NewFile(*spare, fd(), name, 0444) : NewFile(fd(), name, 0444);
    file.write(bytes);
    file.commit(false);
    return;
  }
  // Nobody sees it yet: no detour by another name.
  const Fd file(
      ::openat(fd(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444));
  if (!file || ::fchmod(file.get(), 0444) != 0) throw system_error("cannot write " + name, errno);
  while (!bytes.empty()) {
    const ssize_t count = ::write(file.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw system_error("cannot write " + name, errno);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

void NameDirectory::link(const NameDirectory& from, const std::string& from_name,
                         const std::string& name) {
  link_at(from.fd(), from_name, fd(), name);
}

bool NameDirectory::tidy(const Snapshot& snapshot) const {
  std::size_t listed = 0;
  each_name(fd(), [&](const std::string& name) {
    if (snapshot.file(kind_ + "/" + name)) {
      ++listed;
    } else {
      remove_tree_at(fd(), name);
    }
    return true;
  });
  return listed == snapshot.count_files(kind_ + "/");
}

} // namespace trust
