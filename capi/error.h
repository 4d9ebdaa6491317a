#pragma once
// A trust_error: why a call failed, as the caller keeps it. It never changes; any thread may read.

#include <cstdint>
#include <memory>
#include <string>

#include "capi/trust.h"

namespace trust {

struct Failure {
  trust_status status = TRUST_ERR_INTERNAL;
  std::string message;
  std::string hint;
  std::int32_t system_errno = 0;
  std::int32_t tls_alert = 0;
  std::shared_ptr<trust_peer> peer = nullptr; // what was presented; null: there was none
};

// Gives `failure` to the caller, if the caller wants it; its status.
trust_status tell(trust_error** err, Failure failure);

// The same when there is no memory: allocates nothing.
trust_status tell_no_memory(trust_error** err) noexcept;

} // namespace trust
