#include "daemon/renewals.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <future>

#include "daemon/wake.h"
#include "libtrust/error.h"
#include "libtrust/key_files.h"

namespace trust {
namespace {

constexpr std::size_t kMostReadAtOnce = 100; // due ones that are read at once
constexpr UnixTime kFirstRetryS = 60;
constexpr UnixTime kLastRetryS = 86'400;
constexpr std::uint32_t kMostDoublings = 11;
constexpr std::int64_t kFarAwayS = std::int64_t{4} << 30;
constexpr int kLookAgainMs = 60'000; // after what should not happen

std::string joined(const std::vector<Pattern>& names) {
  std::string text;
  for (const Pattern& name : names) text += (text.empty() ? "" : " ") + name.text();
  return text;
}

std::string file_of(const Identity& identity, const char* name) {
  return identity.directory + "/" + name;
}

std::string cause_of(AlertKind kind, const Identity& identity) {
  return std::string(name_of(kind)) + ":" + identity.label;
}

Alert alert_of(AlertKind kind, const Identity& identity, const std::string& problem) {
  Alert alert;
  alert.kind = kind;
  alert.severity = Severity::warning;
  alert.target = identity.label;
  alert.fingerprint = identity.certificate.fingerprint;
  alert.summary = (kind == AlertKind::hook ? "after the renewal of " : "the renewal of ") +
                  identity.label + ": " + shown(problem);
  alert.hint = "trustctl renew " + identity.label;
  alert.ends_at = identity.certificate.not_after;
  alert.labels = {identity.label};
  for (const Pattern& name : identity.names) alert.hosts.push_back(name.text());
  alert.files = {file_of(identity, kCertificateFile)};
  return alert;
}

} // namespace

Renewals::Renewals(Identities& identities, Changes& changes, Readers& readers, Clock clock,
                   Around around)
    : identities_(identities),
      changes_(changes),
      readers_(readers),
      clock_(std::move(clock)),
      around_(std::move(around)),
      wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      hurry_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      timer_(::timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC)) {
  if (!wake_ || !hurry_ || !timer_) throw system_error("no descriptor to wait for", errno);
}

Renewals::~Renewals() { stop(); }

void Renewals::start() {
  thread_ = std::thread([this] { run(); });
}

void Renewals::look_again() noexcept { signal_event(wake_); }

void Renewals::hurry() noexcept { signal_event(hurry_); }

bool Renewals::is_hurried() const noexcept {
  pollfd readable{hurry_.get(), POLLIN, 0};
  return ::poll(&readable, 1, 0) > 0;
}

void Renewals::stop() noexcept {
  hurry();
  queue_.with([](Queue& queue) { queue.stopping = true; });
  signal_event(wake_);
  if (thread_.joinable()) thread_.join();
}

void Renewals::renew(Store::Asked asked, const Fingerprint& current, Done done) {
  queue_.with([&](Queue& queue) {
    if (queue.stopping) throw Error(Code::busy, "the daemon is stopping");
    queue.wanted.push_back({std::move(asked), current, std::move(done)});
  });
  signal_event(wake_);
}

void Renewals::run() noexcept {
  for (bool stopping = false; !stopping;) {
    try {
      std::optional<Wanted> next;
      queue_.with([&](Queue& queue) {
        if (!queue.wanted.empty()) {
          next = std::move(queue.wanted.front());
          queue.wanted.pop_front();
        }
        stopping = queue.stopping && !next;
      });
      if (next) {
        answer(*std::move(next));
      } else if (!stopping) {
        if (!is_hurried()) run_due(clock_());
        wait();
      }
    } catch (...) {
      spdlog::error("renewals met what they should not: {}", what_was_thrown());
      pollfd awoken{wake_.get(), POLLIN, 0};
      ::poll(&awoken, 1, kLookAgainMs);
    }
  }
}

void Renewals::wait() {
  const auto next = readers_.with([](Store& store) { return store.next_identity_due(); });
  itimerspec when{};
  when.it_value.tv_sec = std::clamp<std::int64_t>(next.value_or(kFarAwayS), 1, kFarAwayS);
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when, nullptr);
  std::array<pollfd, 2> fds = {pollfd{wake_.get(), POLLIN, 0}, pollfd{timer_.get(), POLLIN, 0}};
  // In a hurry nothing is begun, however due it is.
  if (::poll(fds.data(), is_hurried() ? 1 : fds.size(), -1) <= 0) return;
  if (fds[0].revents != 0) drain(wake_);
  if (fds[1].revents != 0) drain(timer_); // or ECANCELED: the clock was set
}

void Renewals::run_due(UnixTime now) {
  for (;;) {
    const auto due =
        readers_.with([&](Store& store) { return store.identities_due(now, kMostReadAtOnce); });
    for (const Identity& identity : due) {
      if (is_hurried()) return;
      try {
        if (identity.pending) {
          // Whatever was stored before a publication that succeeded is published by it.
          const auto problem = changes_.status().problem;
          if (problem) throw Error(Code::not_published, "its files stay as they are: " + *problem);
          finish(identity);
        } else {
          const Store::Asked asked{{::geteuid(), ::getpid(), "trustd"},
                                   "two thirds of its lifetime are over",
                                   std::nullopt};
          renew_now(asked, identity);
        }
      } catch (...) {
        postpone(identity, AlertKind::renewal, what_was_thrown());
      }
    }
    if (due.size() < kMostReadAtOnce) return;
  }
}

void Renewals::answer(Wanted wanted) noexcept {
  Renewed renewed;
  std::exception_ptr failure;
  try {
    const auto identity =
        readers_.with([&](Store& store) { return store.identity(wanted.current); });
    if (!identity) {
      throw Error(Code::not_found, "no identity has the fingerprint " + wanted.current.text(),
                  "trustctl identity list");
    }
    if (identity->directory.empty()) {
      throw Error(Code::conflict,
                  "the key of " + identity->label + " is not kept here, so it cannot be renewed",
                  "trustctl new … --from-ca --out DIR --force");
    }
    renewed = renew_now(wanted.asked, *identity);
  } catch (...) {
    failure = std::current_exception();
  }
  try {
    wanted.done(failure, renewed);
  } catch (...) {
    spdlog::error("an answer was lost: {}", what_was_thrown());
  }
}

std::optional<std::string> Renewals::submit(std::function<void(Store&)> change) {
  std::promise<Changes::Outcome> promise;
  auto future = promise.get_future();
  changes_.submit(std::move(change),
                  [&promise](Changes::Outcome outcome) { promise.set_value(std::move(outcome)); });
  Changes::Outcome outcome = future.get();
  if (outcome.failure) std::rethrow_exception(outcome.failure);
  return std::move(outcome.unpublished);
}

Renewals::Renewed Renewals::renew_now(const Store::Asked& asked, const Identity& identity) {
  const Fd directory = open_key_directory(identity.directory);
  const Identities::Minted minted = identities_.mint(identity);
  const std::string name = pair_name(minted.certificate.fingerprint());
  prepare_pair(directory.get(), name, minted.key.pem(identity.key_format),
               minted.certificate.pem());
  Renewed renewed;
  renewed.certificate_pem = minted.certificate.pem();
  try {
    const auto unpublished = submit([&](Store& store) {
      auto made = store.renew_identity(asked, identity.certificate.fingerprint, minted.certificate);
      renewed.identity = std::move(made.identity);
      renewed.change = made.change;
    });
    if (unpublished) {
      // finish() is tried again, and finds it published by then.
      renewed.warnings.push_back("its files stay as they are until it is published: " +
                                 *unpublished);
      postpone(renewed.identity, AlertKind::renewal, renewed.warnings.back());
      return renewed;
    }
  } catch (...) {
    remove_tree_at(directory.get(), name);
    throw;
  }
  spdlog::info("renewed {}: {} until {}", identity.label,
               renewed.identity.certificate.fingerprint.text(),
               rfc3339(renewed.identity.certificate.not_after));
  renewed.warnings = finish(renewed.identity);
  renewed.identity.pending = !renewed.warnings.empty();
  if (!renewed.identity.pending) renewed.identity.next_at = next_renewal_of(renewed.identity);
  return renewed;
}

std::vector<std::string> Renewals::finish(const Identity& identity) {
  const Fd directory = open_key_directory(identity.directory);
  const std::string name = pair_name(identity.certificate.fingerprint);
  const auto before = shown_pair(directory.get());
  if (before != name) {
    show_pair(directory.get(), name);
    // The one before stays until the next renewal, for those who have just read where it is.
    remove_pairs_but(directory.get(), {name, before.value_or(name)});
  }
  around_.settle(cause_of(AlertKind::renewal, identity));
  if (!identity.after_renew.empty()) {
    const Variables variables{{"TRUSTD_LABEL", identity.label},
                              {"TRUSTD_NAMES", joined(identity.names)},
                              {"TRUSTD_FINGERPRINT", identity.certificate.fingerprint.text()},
                              {"TRUSTD_NOT_AFTER", rfc3339(identity.certificate.not_after)},
                              {"TRUSTD_DIRECTORY", identity.directory},
                              {"TRUSTD_CERTIFICATE", file_of(identity, kCertificateFile)},
                              {"TRUSTD_KEY", file_of(identity, kKeyFile)}};
    std::optional<std::string> failure;
    try {
      failure = around_.run_hook(identity.after_renew, variables, hurry_.get());
    } catch (const std::exception& error) {
      failure = error.what();
    }
    if (failure) {
      postpone(identity, AlertKind::hook, *failure);
      return {shown(*failure)};
    }
    around_.settle(cause_of(AlertKind::hook, identity));
  }
  submit([id = identity.id, next = next_renewal_of(identity)](Store& store) {
    store.finish_identity(id, next);
  });
  return {};
}

void Renewals::postpone(const Identity& identity, AlertKind kind, const std::string& problem) {
  // A hook that was ended because the daemon ends did not fail.
  if (is_hurried()) return;
  spdlog::warn("{}: {}", identity.label, shown(problem));
  const UnixTime pause =
      std::min(kFirstRetryS << std::min(identity.failures, kMostDoublings), kLastRetryS);
  const UnixTime next = clock_() + pause;
  try {
    submit([&](Store& store) { store.note_identity_problem(identity.id, problem, next); });
  } catch (...) {
    spdlog::error("a problem could not be noted: {}", what_was_thrown());
  }
  around_.raise(cause_of(kind, identity), alert_of(kind, identity, problem));
}

} // namespace trust
