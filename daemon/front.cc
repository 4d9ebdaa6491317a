#include "daemon/front.h"

#include <utility>

#include "daemon/loop.h"

namespace trust {

Front::Front(Application& application, std::vector<Listener> listeners, const FrontLimits& limits)
    : loop_(std::make_unique<Loop>(application, std::move(listeners), limits)) {}

Front::~Front() = default;

void Front::run() { loop_->run(); }

void Front::stop() noexcept { loop_->mailbox().ask_to_stop(); }

void Front::wake_streams() noexcept { loop_->mailbox().ask_to_pull(); }

FrontCounts Front::counts() const noexcept { return loop_->counts(); }

} // namespace trust
