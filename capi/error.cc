#include "capi/error.h"

#include "capi/handle.h"
#include "capi/peer.h"

struct trust_error : trust::Handle<trust::Failure> {
  using Handle::Handle;
};

namespace trust {
namespace {

// Stands for every error that there was no memory for. Nothing is ever read through it: it needs no
// constructor, which a library in somebody else's process should not have.
alignas(trust_error) char no_memory_place[sizeof(trust_error)];

const trust_error* no_memory() noexcept {
  return reinterpret_cast<const trust_error*>(no_memory_place);
}

} // namespace

trust_status tell(trust_error** err, Failure failure) {
  const trust_status status = failure.status;
  if (err != nullptr) hand_out(err, std::move(failure));
  return status;
}

trust_status tell_no_memory(trust_error** err) noexcept {
  if (err != nullptr) *err = const_cast<trust_error*>(no_memory());
  return TRUST_ERR_MEMORY;
}

} // namespace trust

extern "C" {

const char* trust_status_name(trust_status status) {
  switch (status) {
    case TRUST_OK: return "TRUST_OK";
    case TRUST_WANT_READ: return "TRUST_WANT_READ";
    case TRUST_WANT_WRITE: return "TRUST_WANT_WRITE";
    case TRUST_EOF: return "TRUST_EOF";
    case TRUST_ERR_ARGUMENT: return "TRUST_ERR_ARGUMENT";
    case TRUST_ERR_STATE: return "TRUST_ERR_STATE";
    case TRUST_ERR_VERSION: return "TRUST_ERR_VERSION";
    case TRUST_ERR_STORE_MISSING: return "TRUST_ERR_STORE_MISSING";
    case TRUST_ERR_STORE_INVALID: return "TRUST_ERR_STORE_INVALID";
    case TRUST_ERR_STORE_ACCESS: return "TRUST_ERR_STORE_ACCESS";
    case TRUST_ERR_RESOLVE: return "TRUST_ERR_RESOLVE";
    case TRUST_ERR_CONNECT: return "TRUST_ERR_CONNECT";
    case TRUST_ERR_TIMEOUT: return "TRUST_ERR_TIMEOUT";
    case TRUST_ERR_IO: return "TRUST_ERR_IO";
    case TRUST_ERR_CANCELLED: return "TRUST_ERR_CANCELLED";
    case TRUST_ERR_TLS: return "TRUST_ERR_TLS";
    case TRUST_ERR_TRUNCATED: return "TRUST_ERR_TRUNCATED";
    case TRUST_ERR_UNKNOWN_ISSUER: return "TRUST_ERR_UNKNOWN_ISSUER";
    case TRUST_ERR_SELF_SIGNED: return "TRUST_ERR_SELF_SIGNED";
    case TRUST_ERR_EXPIRED: return "TRUST_ERR_EXPIRED";
    case TRUST_ERR_NOT_YET_VALID: return "TRUST_ERR_NOT_YET_VALID";
    case TRUST_ERR_NAME_MISMATCH: return "TRUST_ERR_NAME_MISMATCH";
    case TRUST_ERR_PIN_MISMATCH: return "TRUST_ERR_PIN_MISMATCH";
    case TRUST_ERR_PIN_MISSING: return "TRUST_ERR_PIN_MISSING";
    case TRUST_ERR_DISTRUSTED: return "TRUST_ERR_DISTRUSTED";
    case TRUST_ERR_BAD_CHAIN: return "TRUST_ERR_BAD_CHAIN";
    case TRUST_ERR_WEAK: return "TRUST_ERR_WEAK";
    case TRUST_ERR_OUT_OF_SCOPE: return "TRUST_ERR_OUT_OF_SCOPE";
    case TRUST_ERR_MEMORY: return "TRUST_ERR_MEMORY";
    case TRUST_ERR_INTERNAL: return "TRUST_ERR_INTERNAL";
  }
  return "an unknown trust_status"; // of a later version
}

int trust_status_is_untrusted(trust_status status) { return status <= -600 && status >= -699; }

trust_status trust_error_status(const trust_error* error) {
  if (error == nullptr) return TRUST_OK;
  if (error == trust::no_memory()) return TRUST_ERR_MEMORY;
  return error->value.status;
}

const char* trust_error_message(const trust_error* error) {
  if (error == nullptr) return nullptr;
  if (error == trust::no_memory()) return "there is not enough memory";
  return error->value.message.c_str();
}

const char* trust_error_hint(const trust_error* error) {
  if (error == nullptr) return nullptr;
  if (error == trust::no_memory()) return "";
  return error->value.hint.c_str();
}

int32_t trust_error_errno(const trust_error* error) {
  if (error == nullptr || error == trust::no_memory()) return 0;
  return error->value.system_errno;
}

int32_t trust_error_tls_alert(const trust_error* error) {
  if (error == nullptr || error == trust::no_memory()) return 0;
  return error->value.tls_alert;
}

const trust_peer* trust_error_peer(const trust_error* error) {
  if (error == nullptr || error == trust::no_memory()) return nullptr;
  return error->value.peer.get();
}

void trust_error_free(trust_error* error) {
  if (error != trust::no_memory()) trust::release(error);
}

} // extern "C"
