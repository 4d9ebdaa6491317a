#pragma once
// The edge between C++ and C. Every fallible function of trust.h is one call of guarded(): what its
// body throws becomes a status and a trust_error, and OpenSSL's error queue is left as it was.

#include "capi/error.h"
#include "capi/trust.h"
#include "libtrust/handles.h"

namespace trust {

// Makes a status and a trust_error of the exception that is being handled. OpenSSL's queue is still
// the one that the failure left.
trust_status failed(trust_error** err) noexcept;

// Error{invalid} naming the parameter if it is null.
void require(const void* pointer, const char* parameter);

template <typename Body>
trust_status guarded(trust_error** err, Body&& body) noexcept {
  if (err != nullptr) *err = nullptr;
  try {
    const ErrorQueueAside queue;
    try {
      return body();
    } catch (...) {
      return failed(err);
    }
  } catch (...) {
    return tell_no_memory(err); // to put the queue aside
  }
}

} // namespace trust
