#pragma once
// What the routes share: one for the life of the daemon, used from any thread. It owns nothing
// but what it keeps between requests.

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "daemon/auth.h"
#include "daemon/changes.h"
#include "daemon/config.h"
#include "daemon/errands.h"
#include "daemon/front.h"
#include "daemon/identities.h"
#include "daemon/pin_answers.h"
#include "daemon/published.h"
#include "daemon/readers.h"
#include "daemon/renewals.h"
#include "daemon/report_receiver.h"
#include "daemon/sinks/sinks.h"
#include "libtrust/guarded.h"
#include "libtrust/layout.h"

namespace trust {

// Servers that are dialled at once because somebody asked for it.
inline constexpr std::size_t kMostProbes = 8;

struct Service {
  Service(Config config_read, Layout places, Rights who_may, Clock time, Changes& changing,
          Readers& reading)
      : config(std::move(config_read)),
        layout(std::move(places)),
        rights(std::move(who_may)),
        clock(std::move(time)),
        changes(changing),
        readers(reading),
        published(layout.store, changing) {}

  const Config config;
  const Layout layout;
  const Rights rights;
  const Clock clock;
  Changes& changes;
  Readers& readers;
  Identities* identities = nullptr; // both together, or neither
  Renewals* renewals = nullptr;
  std::function<FrontCounts()> front_counts;   // none: not served by a front
  std::function<ReportCounts()> report_counts; // none: nobody can report
  Sinks* sinks = nullptr;                    // none: nobody is told
  int stop_fd = -1;                          // readable: nobody waits for what is dialled
  const std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();

  Published published;
  PinAnswers pin_answers{std::size_t{4} << 20};
  // Counting reads the whole table, so it is done once a generation.
  Guarded<std::pair<std::optional<GenerationNumber>, Counts>> counted;

  // Last, so that it ends while all the rest is there still.
  Errands errands{kMostProbes};
};

} // namespace trust
