#pragma once
// Tells of what ends: follows the entries, raises an alert at each threshold, and reminds of what
// was acknowledged for a while. A duty of the scheduler; everything it knows is in the database.

#include <string>

#include "daemon/changes.h"
#include "daemon/duty.h"
#include "daemon/readers.h"
#include "libtrust/threshold.h"

namespace trust {

class Expiry : public Duty {
 public:
  // `published`: where the emitted files are, for what an alert says that breaks.
  Expiry(Changes& changes, Readers& readers, Thresholds thresholds, std::string published);

  std::optional<UnixTime> next_due(UnixTime now) override;
  void do_due(UnixTime now) override;

 private:
  Changes& changes_;
  Readers& readers_;
  const Thresholds thresholds_;
  const std::string published_;
  bool thresholds_are_known_ = false;
  std::optional<UnixTime> last_done_;
};

} // namespace trust
