#include "daemon/published.h"

#include "libtrust/snapshot.h"

namespace trust {

std::shared_ptr<const View> Published::view() {
  // Asked before `current` is looked at, so that a publication in between is not missed.
  const GenerationNumber published = changes_.published();
  return held_.with([&](std::shared_ptr<const View>& held) {
    if (!held || held->header().generation != published) {
      held.reset();
      held = std::make_shared<const View>(Snapshot::open(directory_));
    }
    return held;
  });
}

} // namespace trust
