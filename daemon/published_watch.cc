#include "daemon/published_watch.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <utility>

#include "daemon/alerts.h"
#include "libtrust/error.h"

namespace trust {
namespace {

constexpr const char* kCause = "emitted";
constexpr std::uint32_t kPublishedEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM |
                                           IN_CREATE | IN_DELETE | IN_ATTRIB | IN_MODIFY |
                                           IN_ONLYDIR;
// A look at very many files takes a while; this many times as long passes before the next.
constexpr int kRestsPerLook = 20;
constexpr std::size_t kMostInSummary = 3;

bool is_later_than_now(const timespec& time) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return time.tv_sec > now.tv_sec;
}

} // namespace

PublishedWatch::PublishedWatch(Settings settings, std::string store, Changes& changes)
    : settings_(settings),
      store_(std::move(store)),
      changes_(changes),
      wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      inotify_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  // Without inotify (a user has only so many) the scan sees all.
  if (!wake_) throw system_error("no descriptor to wake a thread by", errno);
}

void PublishedWatch::start() {
  thread_ = std::thread([this] { run(); });
}

void PublishedWatch::stop() noexcept {
  if (!thread_.joinable()) return;
  stopping_ = true;
  ::eventfd_write(wake_.get(), 1);
  thread_.join();
}

void PublishedWatch::follow(const std::vector<std::string>& directories) {
  if (!inotify_) return;
  std::map<std::string, int> now;
  for (const std::string& directory : directories) {
    // Again also for those that are there: another may have taken the name.
    const int descriptor = ::inotify_add_watch(inotify_.get(), directory.c_str(), kPublishedEvents);
    if (descriptor >= 0) now[directory] = descriptor;
  }
  for (const auto& [directory, descriptor] : followed_) {
    const bool kept = std::any_of(now.begin(), now.end(), [gone = descriptor](const auto& each) {
      return each.second == gone;
    });
    if (!kept) ::inotify_rm_watch(inotify_.get(), descriptor);
  }
  followed_ = std::move(now);
}

void PublishedWatch::tell(const PublishedState& state) {
  Alert alert;
  alert.kind = AlertKind::emitted;
  alert.severity = Severity::critical;
  alert.target = store_ + "/current";
  std::string found;
  for (std::size_t i = 0; i < state.faults.size() && i < kMostInSummary; ++i) {
    found += (i == 0 ? "" : ", ") + state.faults[i].file + " " + state.faults[i].what;
  }
  const std::uint64_t more =
      state.faults.size() - std::min(state.faults.size(), kMostInSummary) + state.more;
  if (more > 0) found += " and " + std::to_string(more) + " more";
  alert.summary = "what is published is not what was published: " + found + "; it is written anew";
  for (const PublishedFault& fault : state.faults) alert.files.push_back(store_ + '/' + fault.file);
  alert.hint = "trustctl log --verify";
  spdlog::error("{}", alert.summary);
  raise_alert(changes_, kCause, std::move(alert));
}

// And nothing else is on its way: while something is being published there are names too many.
bool PublishedWatch::is_published(GenerationNumber generation) const {
  return changes_.published() == generation && changes_.generation() == generation;
}

void PublishedWatch::turn() {
  const GenerationNumber generation = changes_.published();
  if (!is_published(generation)) return look_again_by(Steady::now() + settings_.settle);
  if (whole_at_ && is_later_than_now(*whole_at_)) whole_at_.reset(); // the clock was set back
  const auto begun = Steady::now();
  const auto state =
      check_published(store_, generation, whole_at_, [this] { return stopping_.load(); });
  if (!state) return;
  const auto ended = Steady::now();
  not_before_ = ended + kRestsPerLook * (ended - begun);
  follow(state->directories);
  if (!is_published(generation))
    return look_again_by(std::max(not_before_, ended + settings_.settle));
  if (!state->whole()) {
    whole_at_.reset();
    may_be_open_ = true;
    last_fault_ = ended;
    look_again_by(ended + settings_.whole_for);
    tell(*state);
    changes_.publish_anew();
    return;
  }
  whole_at_ = state->newest;
  if (!may_be_open_) return;
  if (ended < last_fault_ + settings_.whole_for) {
    return look_again_by(last_fault_ + settings_.whole_for);
  }
  settle_alert(changes_, kCause);
  may_be_open_ = false;
}

// Once something was touched, a look is due, and what else is touched until then wakes nobody: of a
// publication that would be every name.
void PublishedWatch::wait() {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(due_ - Steady::now()).count();
  std::array<pollfd, 2> fds = {pollfd{wake_.get(), POLLIN, 0},
                               pollfd{touched_ ? -1 : inotify_.get(), POLLIN, 0}};
  const auto timeout_ms = static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX));
  if (::poll(fds.data(), fds.size(), timeout_ms) <= 0 || fds[1].revents == 0) return;
  touched_ = true;
  look_again_by(std::max(Steady::now() + settings_.settle, not_before_));
}

// What is touched from here on asks for another look.
void PublishedWatch::forget_touches() {
  alignas(inotify_event) std::array<char, 16 * 1024> buffer;
  while (::read(inotify_.get(), buffer.data(), buffer.size()) > 0) {
  }
  touched_ = false;
}

void PublishedWatch::run() noexcept {
  while (!stopping_) {
    if (const auto now = Steady::now(); due_ <= now) {
      due_ = now + settings_.scan_every;
      forget_touches();
      try {
        turn();
      } catch (const std::exception& error) {
        if (!stopping_) spdlog::error("what is published could not be looked at: {}", error.what());
      }
    }
    if (!stopping_) wait();
  }
}

} // namespace trust
