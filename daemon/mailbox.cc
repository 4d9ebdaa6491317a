#include "daemon/mailbox.h"

#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <utility>

namespace trust {
namespace {

// What the copies of one completion share.
class Ticket {
 public:
  Ticket(std::shared_ptr<Mailbox> mailbox, std::uint64_t connection)
      : mailbox_(std::move(mailbox)), connection_(connection) {}
  ~Ticket() {
    if (used_.load(std::memory_order_acquire)) return;
    try {
      complete(problem(500, "internal", "the request was given up inside trustd"));
    } catch (const std::exception& error) {
      spdlog::error("an answer is lost: {}", error.what());
    }
  }
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;

  void complete(Response response) {
    if (used_.exchange(true, std::memory_order_acq_rel)) return;
    mailbox_->post({connection_, std::move(response)});
  }

 private:
  std::shared_ptr<Mailbox> mailbox_;
  std::uint64_t connection_;
  std::atomic<bool> used_{false};
};

} // namespace

Mailbox::Mailbox() : event_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (!event_) throw system_error("cannot make an eventfd", errno);
}

void Mailbox::wake() noexcept {
  const std::uint64_t one = 1;
  // It fails only when the counter is full, and then it is readable already.
  [[maybe_unused]] const ssize_t written = write(event_.get(), &one, sizeof one);
}

void Mailbox::post(Delivery delivery) {
  const bool first = deliveries_.with([&](std::vector<Delivery>& waiting) {
    waiting.push_back(std::move(delivery));
    return waiting.size() == 1;
  });
  if (first) wake();
}

void Mailbox::ask_to_stop() noexcept {
  const int saved = errno;
  stop_.store(true, std::memory_order_release);
  wake();
  errno = saved;
}

void Mailbox::ask_to_pull() noexcept {
  if (!pull_.exchange(true, std::memory_order_acq_rel)) wake();
}

std::vector<Mailbox::Delivery> Mailbox::collect() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = read(event_.get(), &count, sizeof count);
  return deliveries_.with(
      [](std::vector<Delivery>& waiting) { return std::exchange(waiting, {}); });
}

void start_later(const std::shared_ptr<Mailbox>& mailbox, std::uint64_t connection,
                 const Later& later) {
  const auto ticket = std::make_shared<Ticket>(mailbox, connection);
  try {
    later.start([ticket](Response response) { ticket->complete(std::move(response)); });
  } catch (const Error& error) {
    ticket->complete(problem(error));
  } catch (const std::exception& error) {
    spdlog::error("a request failed when it was started: {}", error.what());
    ticket->complete(
        problem(500, "internal", "the request failed inside trustd; the log says why"));
  }
}

} // namespace trust
