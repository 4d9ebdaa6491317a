#include "daemon/files.h"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <filesystem>
#include <system_error>
#include <utility>

#include "libtrust/decode.h"
#include "libtrust/error.h"
#include "libtrust/file.h"

namespace trust {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostFiles = 1'000; // of a directory
constexpr std::size_t kMostLinks = 40;
constexpr std::uint32_t kFileEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE |
                                      IN_DELETE | IN_ATTRIB | IN_MODIFY | IN_ONLYDIR;
constexpr std::array<std::string_view, 9> kSuffixes{".pem", ".crt", ".cer", ".der",     ".p7b",
                                                    ".p12", ".pfx", ".jks", ".keystore"};

bool is_called_a_certificate(const std::string& name) {
  return !name.starts_with('.') &&
         std::any_of(kSuffixes.begin(), kSuffixes.end(),
                     [&](std::string_view suffix) { return name.ends_with(suffix); });
}

// The directories through which a path leads: where it stands, and where each symbolic link on the
// way stands, since any of them may be switched.
std::set<std::string> directories_of(const std::string& path, bool itself) {
  std::set<std::string> found;
  fs::path at = path;
  if (itself) found.insert(path);
  for (std::size_t i = 0; i < kMostLinks; ++i) {
    found.insert(at.parent_path());
    std::error_code failed;
    // A link may also be one of the directories: "..data" of a mounted volume.
    const fs::path real = fs::canonical(at.parent_path(), failed);
    if (!failed) found.insert(real);
    for (fs::path part = at.parent_path(); part.has_relative_path(); part = part.parent_path()) {
      if (fs::is_symlink(part, failed)) found.insert(part.parent_path());
    }
    if (!fs::is_symlink(at, failed)) break;
    const fs::path target = fs::read_symlink(at, failed);
    if (failed) break;
    at = (target.is_absolute() ? target : at.parent_path() / target).lexically_normal();
  }
  return found;
}

std::string version_of(const FilesSeen& seen) {
  std::string version;
  for (const SeenFile& file : seen.certificates) {
    version += file.path + '\0' + file.certificate.fingerprint.text() + '\n';
  }
  for (const std::string& problem : seen.problems) version += "! " + problem + '\n';
  return version;
}

} // namespace

bool Files::Known::is(const struct stat& status) const noexcept {
  const auto same = [](const timespec& a, const timespec& b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
  };
  return device == status.st_dev && inode == status.st_ino && size == status.st_size &&
         same(modified, status.st_mtim) && same(changed, status.st_ctim);
}

Files::Files(Settings settings, Changes& changes, Readers& readers, std::function<void()> saw)
    : settings_(settings),
      changes_(changes),
      readers_(readers),
      saw_(std::move(saw)),
      wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      inotify_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  // Without inotify (a user has only so many) the scan sees all.
  if (!wake_) throw system_error("no descriptor to wake a thread by", errno);
}

void Files::start() {
  thread_ = std::thread([this] { run(); });
}

void Files::wake() noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
}

void Files::stop() noexcept {
  if (!thread_.joinable()) return;
  stopping_ = true;
  wake();
  thread_.join();
}

const DecodedFile& Files::decoded(const std::string& path, int fd, const struct stat& status) {
  used_.insert(path);
  Known& known = known_[path];
  if (known.is(status)) return known.decoded;
  known.decoded = decode_apart(fd);
  known.device = status.st_dev;
  known.inode = status.st_ino;
  known.size = status.st_size;
  known.modified = status.st_mtim;
  known.changed = status.st_ctim;
  return known.decoded;
}

void Files::look_at_file(const std::string& path, FilesSeen& seen, bool quiet) {
  const auto problem = [&](const std::string& what) {
    seen.problems.push_back(shown(path) + ":" + (what[0] >= '0' && what[0] <= '9' ? "" : " ") +
                            what);
  };
  // Not blocked by a FIFO, nor made the terminal's owner by a device.
  const Fd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0) {
    return problem(std::generic_category().message(errno));
  }
  if (!S_ISREG(status.st_mode)) {
    if (!quiet) problem("it is not a regular file");
    return;
  }
  if (static_cast<std::uint64_t>(status.st_size) > kMaxImportBytes) {
    return problem(std::string(words_of(ExtractFault::too_large)));
  }
  const DecodedFile& file = decoded(path, fd.get(), status);
  for (const std::string& each : file.problems) problem(each);
  for (const Certificate& certificate : file.certificates) {
    seen.certificates.push_back({path, CertificateFacts::of(certificate), certificate.weakness()});
  }
}

FilesSeen Files::look(const Watch& watch) {
  FilesSeen seen;
  if (watch.kind == WatchKind::file) {
    look_at_file(watch.target, seen, false);
    return seen;
  }
  std::vector<std::string> names;
  std::error_code failed;
  for (fs::directory_iterator at(watch.target, failed), end; !failed && at != end;
       at.increment(failed)) {
    if (!is_called_a_certificate(at->path().filename())) continue;
    if (names.size() == kMostFiles) {
      seen.problems.push_back(shown(watch.target) + " holds more than " +
                              std::to_string(kMostFiles) + " files; the rest is not looked at");
      break;
    }
    names.push_back(at->path());
  }
  if (failed) {
    seen.problems.push_back(shown(watch.target) + ": " + failed.message());
    return seen;
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    if (stopping_) break;
    look_at_file(name, seen, true);
  }
  return seen;
}

void Files::follow(const std::vector<Watch>& watches) {
  if (!inotify_) return;
  std::set<std::string> wanted;
  for (const Watch& watch : watches) {
    wanted.merge(directories_of(watch.target, watch.kind == WatchKind::directory));
  }
  std::set<int> kept;
  for (auto at = directories_.begin(); at != directories_.end();) {
    if (wanted.contains(at->first)) {
      kept.insert(at->second);
      ++at;
      continue;
    }
    // Two names of one directory have one watch.
    const int descriptor = at->second;
    at = directories_.erase(at);
    const bool shared = std::any_of(directories_.begin(), directories_.end(),
                                    [&](const auto& each) { return each.second == descriptor; });
    if (!shared) ::inotify_rm_watch(inotify_.get(), descriptor);
  }
  for (const std::string& directory : wanted) {
    // Again also for those that are there: another may have taken the name.
    const int descriptor = ::inotify_add_watch(inotify_.get(), directory.c_str(), kFileEvents);
    if (descriptor >= 0) {
      directories_[directory] = descriptor;
    } else {
      directories_.erase(directory);
    }
  }
}

void Files::turn() {
  const auto watches = readers_.with([](Store& store) { return store.file_watches(); });
  any_ = !watches.empty();
  looked_at_.clear();
  for (const Watch& watch : watches) looked_at_.push_back(watch.id);
  std::erase_if(reported_, [&](const auto& each) {
    return std::none_of(watches.begin(), watches.end(),
                        [&](const Watch& watch) { return watch.id == each.first; });
  });
  // Followed before they are looked at: what changes in between is told of.
  follow(watches);
  used_.clear();
  for (const Watch& watch : watches) {
    if (stopping_) return;
    const FilesSeen seen = look(watch);
    const bool failed = seen.certificates.empty() && !seen.problems.empty();
    std::string version = version_of(seen);
    const auto found = reported_.find(watch.id);
    const bool same = found != reported_.end() && found->second.version == version;
    // Failures are counted until they are told.
    if (same && (!failed || found->second.failures >= kFailuresToTell)) continue;
    changes_.make([&](Store& store) { store.watch_saw_files(watch.id, seen); });
    saw_();
    Reported& reported = reported_[watch.id];
    reported.version = std::move(version);
    reported.failures = failed ? reported.failures + 1 : 0;
  }
  std::erase_if(known_, [&](const auto& each) { return !used_.contains(each.first); });
}

// Most of what wakes this thread is about something else.
bool Files::watches_changed() {
  try {
    const auto watches = readers_.with([](Store& store) { return store.file_watches(); });
    return !std::equal(watches.begin(), watches.end(), looked_at_.begin(), looked_at_.end(),
                       [](const Watch& watch, std::int64_t id) { return watch.id == id; });
  } catch (const std::exception&) {
    return true; // and the turn says why
  }
}

void Files::wait() {
  int timeout_ms = -1;
  if (any_) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(due_ - Steady::now()).count();
    timeout_ms = static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX));
  }
  std::array<pollfd, 2> fds = {pollfd{wake_.get(), POLLIN, 0}, pollfd{inotify_.get(), POLLIN, 0}};
  if (::poll(fds.data(), fds.size(), timeout_ms) <= 0) return;
  if (fds[0].revents != 0) {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto taken = ::read(wake_.get(), &count, sizeof count);
    asked_ = true;
  }
  if (fds[1].revents != 0) {
    alignas(inotify_event) std::array<char, 16 * 1024> buffer;
    while (::read(inotify_.get(), buffer.data(), buffer.size()) > 0) {
    }
    due_ = std::min(due_, Steady::now() + settings_.settle);
  }
}

void Files::run() noexcept {
  while (!stopping_) {
    const auto now = Steady::now();
    if (due_ <= now || (std::exchange(asked_, false) && watches_changed())) {
      due_ = now + settings_.scan_every;
      try {
        turn();
      } catch (const std::exception& error) {
        if (!stopping_) spdlog::error("files could not be looked at: {}", shown(error.what()));
        any_ = true; // again, after a while
      }
    }
    if (!stopping_) wait();
  }
}

} // namespace trust
