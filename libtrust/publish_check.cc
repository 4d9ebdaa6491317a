#include "libtrust/publish_check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <map>
#include <set>
#include <system_error>
#include <utility>

#include "libtrust/emit/manifest.h"
#include "libtrust/error.h"
#include "libtrust/file.h"
#include "libtrust/handles.h"
#include "libtrust/name_directory.h"

namespace trust {
namespace {

constexpr std::string_view kCurrentName = "current";

// A file that is written in the same tick of the clock as it was read in is read again.
constexpr std::int64_t kClockTick_s = 1;

bool is_before(const timespec& a, const timespec& b, std::int64_t by_s) {
  return a.tv_sec + by_s < b.tv_sec || (a.tv_sec + by_s == b.tv_sec && a.tv_nsec < b.tv_nsec);
}

std::optional<Digest> digest_of(int fd, const std::function<bool()>& stop) {
  const MdCtxPtr hash(EVP_MD_CTX_new());
  if (!hash || EVP_DigestInit_ex(hash.get(), EVP_sha256(), nullptr) != 1) throw std::bad_alloc();
  std::array<std::uint8_t, std::size_t{64} << 10> buffer;
  for (;;) {
    const ssize_t count = ::read(fd, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 || stop()) return std::nullopt;
    if (count == 0) break;
    EVP_DigestUpdate(hash.get(), buffer.data(), static_cast<std::size_t>(count));
  }
  Digest digest{};
  unsigned int size = 0;
  EVP_DigestFinal_ex(hash.get(), digest.data(), &size);
  return digest;
}

class Check {
 public:
  Check(const std::string& store, GenerationNumber generation,
        const std::optional<timespec>& whole_at, const std::function<bool()>& stop)
      : path_(store), generation_(generation), whole_at_(whole_at), stop_(stop) {}

  std::optional<PublishedState> run() {
    state_.directories.push_back(path_);
    store_ = Fd(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!store_) {
      fault("", std::generic_category().message(errno));
      return std::move(state_);
    }
    if (!open_generation()) return std::move(state_);
    const Fd manifest(
        ::openat(directory_.get(), "MANIFEST.json", O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!manifest) {
      fault("MANIFEST.json",
            errno == ENOENT ? "is missing" : std::generic_category().message(errno));
      return std::move(state_);
    }
    ManifestReader reader(manifest.get());
    if (!reader.header() || reader.header()->generation != generation_) {
      fault("MANIFEST.json", "was changed");
      return std::move(state_);
    }
    std::string name;
    Digest digest{};
    while (reader.next(name, digest)) {
      if (stop_()) return std::nullopt;
      const std::size_t slash = name.find('/');
      if (slash != std::string::npos) ++listed_[name.substr(0, slash)];
      compare(name, digest);
    }
    if (!reader.is_whole()) fault("MANIFEST.json", "was changed");
    for (const auto& [kind, count] : listed_) {
      if (stop_()) return std::nullopt;
      look_for_more(kind, count);
    }
    if (stop_()) return std::nullopt;
    return std::move(state_);
  }

 private:
  bool open_generation() {
    const std::string wanted = "gen-" + std::to_string(generation_);
    std::array<char, 64> target{};
    const ssize_t length =
        ::readlinkat(store_.get(), std::string(kCurrentName).c_str(), target.data(), target.size());
    if (length < 0 || std::string_view(target.data(), static_cast<std::size_t>(length)) != wanted) {
      fault("", length < 0 ? "is missing" : "points to another generation");
      return false;
    }
    directory_ =
        Fd(::openat(store_.get(), wanted.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory_) {
      fault("", "points to nothing");
      return false;
    }
    state_.directories.push_back(path_ + '/' + wanted);
    for (const std::string_view kind : kNameDirectories) {
      const std::string shared = name_directory_of(directory_.get(), kind);
      if (!shared.empty()) state_.directories.push_back(path_ + '/' + shared);
    }
    return true;
  }

  void fault(const std::string& name, std::string what) {
    if (state_.faults.size() == kMostPublishedFaults) {
      ++state_.more;
      return;
    }
    state_.faults.push_back(
        {std::string(kCurrentName) + (name.empty() ? "" : '/' + name), std::move(what)});
  }

  void compare(const std::string& name, const Digest& digest) {
    struct stat status {};
    if (::fstatat(directory_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      const int why = errno;
      return fault(name, why == ENOENT ? "is missing" : std::generic_category().message(why));
    }
    if (is_before(state_.newest, status.st_ctim, 0)) state_.newest = status.st_ctim;
    if (!S_ISREG(status.st_mode)) return fault(name, "was changed");
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) return fault(name, "may be written by others");
    if (whole_at_ && is_before(status.st_ctim, *whole_at_, kClockTick_s)) return;
    const Fd file(::openat(directory_.get(), name.c_str(),
                           O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    const auto found = file ? digest_of(file.get(), stop_) : std::nullopt;
    if (!found || *found != digest) fault(name, "was changed");
  }

  // Readers of hashed/ take whatever is called by the right hash.
  void look_for_more(const std::string& kind, std::uint64_t listed) {
    const Fd directory(
        ::openat(directory_.get(), kind.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory) return;
    std::uint64_t there = 0;
    each_name(directory.get(), [&](const std::string&) {
      ++there;
      return true;
    });
    if (there <= listed) return; // those that are missing were found
    std::set<std::string> known;
    const Fd manifest(
        ::openat(directory_.get(), "MANIFEST.json", O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    ManifestReader reader(manifest.get());
    std::string name;
    Digest digest{};
    while (reader.next(name, digest)) {
      if (name.starts_with(kind + '/')) known.insert(name.substr(kind.size() + 1));
    }
    each_name(directory.get(), [&](const std::string& each) {
      if (!known.contains(each)) fault(kind + '/' + shown(each), "was added");
      return true;
    });
  }

  const std::string& path_;
  const GenerationNumber generation_;
  const std::optional<timespec> whole_at_;
  const std::function<bool()>& stop_;
  Fd store_;
  Fd directory_;
  std::map<std::string, std::uint64_t> listed_; // in each directory
  PublishedState state_;
};

} // namespace

std::optional<PublishedState> check_published(const std::string& store, GenerationNumber generation,
                                              const std::optional<timespec>& whole_at,
                                              const std::function<bool()>& stop) {
  return Check(store, generation, whole_at, stop).run();
}

} // namespace trust
