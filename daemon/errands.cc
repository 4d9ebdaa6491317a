#include "daemon/errands.h"

#include <pthread.h>

#include <csignal>
#include <iterator>
#include <string>
#include <utility>

#include "libtrust/error.h"

namespace trust {

Errands::~Errands() {
  std::list<Running> rest = running_.with([](auto& running) { return std::exchange(running, {}); });
  // Their places stay where they are in the list, so the last thing they do is still allowed.
  for (Running& one : rest) one.thread.join();
}

void Errands::run(std::function<void()> work) {
  std::list<Running> ended;
  running_.with([&](std::list<Running>& running) {
    for (auto one = running.begin(); one != running.end();) {
      const auto next = std::next(one);
      if (one->over) ended.splice(ended.end(), running, one);
      one = next;
    }
    if (running.size() >= most_) {
      throw Error(Code::busy, std::to_string(most_) + " servers are being dialled already",
                  "try again in a moment");
    }
    running.emplace_back();
    const auto place = std::prev(running.end());
    // Signals are for the thread that looks after the daemon.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      place->thread = std::thread([this, place, work = std::move(work)] {
        work();
        running_.with([&](const auto&) { place->over = true; });
      });
    } catch (...) {
      running.erase(place);
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
      throw;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  });
  for (Running& one : ended) one.thread.join();
}

} // namespace trust
