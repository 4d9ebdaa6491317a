#include "daemon/alerts.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "libtrust/error.h"

namespace trust {
namespace {

void submit(Changes& changes, const std::string& cause, std::function<void(Store&)> change) {
  const auto failed = [cause](const std::exception_ptr& failure) {
    if (!failure) return;
    try {
      std::rethrow_exception(failure);
    } catch (const std::exception& error) {
      spdlog::error("the alert \"{}\" could not be written down: {}", shown(cause), error.what());
    }
  };
  try {
    changes.submit(std::move(change),
                   [failed](const Changes::Outcome& outcome) { failed(outcome.failure); });
  } catch (...) {
    failed(std::current_exception());
  }
}

} // namespace

void raise_alert(Changes& changes, const std::string& cause, Alert alert) {
  submit(changes, cause,
         [cause, alert = std::move(alert)](Store& store) { store.raise(cause, alert); });
}

void settle_alert(Changes& changes, const std::string& cause) {
  submit(changes, cause, [cause](Store& store) { store.settle(cause); });
}

} // namespace trust
