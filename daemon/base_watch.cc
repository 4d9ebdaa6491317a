#include "daemon/base_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdlib>
#include <filesystem>

#include "libtrust/error.h"
#include "libtrust/layout.h"

namespace trust {
namespace {

constexpr std::chrono::seconds kLookEvery{10};
// Who replaces a bundle does so in several steps: the last one counts.
constexpr std::chrono::milliseconds kSettle{200};
constexpr std::uint32_t kBaseEvents =
    IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB | IN_ONLYDIR;

std::string look(const std::string& setting, bool system_store) {
  try {
    return base_version(setting, system_store);
  } catch (const Error& error) {
    return "error: " + error.message();
  }
}

} // namespace

BaseWatch::BaseWatch(std::string setting, bool system_store)
    : setting_(std::move(setting)), system_store_(system_store) {
  if (setting_ != "none") fd_ = Fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  follow(setting_);
}

void BaseWatch::noticed(Time now) {
  alignas(inotify_event) std::array<char, 16 * 1024> buffer;
  while (::read(fd_.get(), buffer.data(), buffer.size()) > 0) {
  }
  due_ = std::min(due_, now + kSettle);
}

bool BaseWatch::changed(Time now) {
  due_ = setting_ == "none" ? Time::max() : now + kLookEvery;
  std::string version = look(setting_, system_store_);
  if (version == version_) return false;
  version_ = std::move(version);
  return true;
}

void BaseWatch::follow(const std::string& source) {
  if (!fd_ || source == watched_) return;
  watched_ = source;
  for (const int watch : watches_) ::inotify_rm_watch(fd_.get(), watch);
  watches_.clear();
  namespace fs = std::filesystem;
  std::vector<std::string> directories;
  if (!source.empty() && source[0] == '/') {
    std::error_code ignored;
    if (fs::is_directory(source, ignored)) directories.push_back(source);
    directories.push_back(fs::path(source).parent_path());
    const fs::path real = fs::canonical(source, ignored);
    if (!real.empty()) directories.push_back(real.parent_path());
  }
  if (setting_ == "system" && !system_store_) {
    const std::string machine = Layout::machine().store;
    directories.push_back(machine);
    directories.push_back(fs::path(machine).parent_path().parent_path());
  }
  for (const std::string& directory : directories) {
    const int watch = ::inotify_add_watch(fd_.get(), directory.c_str(), kBaseEvents);
    if (watch >= 0) watches_.push_back(watch);
  }
}

} // namespace trust
