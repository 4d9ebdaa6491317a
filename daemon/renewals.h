#pragma once
// Renews identities: those that are due, and those that somebody asks for. A renewal goes in this
// order, and what interrupts it is taken up again at the next start:
//
//   1. a new key and certificate are written beside the current pair;
//   2. the certificate is stored, trusted beside the old one, and published;
//   3. `current` is switched to the new pair;
//   4. the hook runs, again with growing pauses while it fails, and its failure is an alert.
//
// So whoever reads what is published trusts the new certificate before a server can present it.
//
// One thread of its own does it all, one after another: it sleeps until the earliest that is due,
// by a timer that follows the wall clock, and is told when that is set.

#include <deque>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "daemon/changes.h"
#include "daemon/command.h"
#include "daemon/identities.h"
#include "libtrust/alert.h"

namespace trust {

class Renewals {
 public:
  // How the rest of the daemon takes part.
  struct Around {
    // Runs a hook and waits for it; what went wrong, in a sentence, or nothing. `stop_fd` is
    // readable when there is no more time.
    std::function<std::optional<std::string>(const std::string& hook, const Variables& variables,
                                             int stop_fd)>
        run_hook;
    std::function<void(std::string cause, Alert alert)> raise;
    std::function<void(std::string cause)> settle;
  };

  Renewals(Identities& identities, Changes& changes, Readers& readers, Clock clock, Around around);
  ~Renewals();
  Renewals(const Renewals&) = delete;
  Renewals& operator=(const Renewals&) = delete;

  struct Renewed {
    Identity identity;
    Change change;
    std::string certificate_pem;
    std::vector<std::string> warnings; // what is still to come, and why
  };
  // `done` is called once, on the thread of the renewals: with what went wrong, or the outcome.
  using Done = std::function<void(std::exception_ptr failure, const Renewed& renewed)>;
  void renew(Store::Asked asked, const Fingerprint& current, Done done);
  // Something may be due earlier than what is waited for.
  void look_again() noexcept;

  // Does what is due at `now`, on the calling thread, while start() was not called.
  void run_due(UnixTime now);

  void start();
  // A hook that runs is ended, and run again at the next start; nothing more is begun by itself.
  void hurry() noexcept;
  // Answers what was asked for. Called once or more, by one thread.
  void stop() noexcept;

 private:
  struct Wanted {
    Store::Asked asked;
    Fingerprint current;
    Done done;
  };
  struct Queue {
    std::deque<Wanted> wanted;
    bool stopping = false;
  };

  void run() noexcept;
  void wait();
  void answer(Wanted wanted) noexcept;
  Renewed renew_now(const Store::Asked& asked, const Identity& identity);
  // The files, then the hook; what is left for later.
  std::vector<std::string> finish(const Identity& identity);
  void postpone(const Identity& identity, AlertKind kind, const std::string& problem);
  bool is_hurried() const noexcept;
  // One change of the store, made and published; what it threw, thrown. Why it is not published.
  std::optional<std::string> submit(std::function<void(Store&)> change);

  Identities& identities_;
  Changes& changes_;
  Readers& readers_;
  const Clock clock_;
  const Around around_;
  Guarded<Queue> queue_;
  Fd wake_, hurry_, timer_;
  std::thread thread_;
};

} // namespace trust
