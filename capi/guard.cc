#include "capi/guard.h"

#include <exception>
#include <new>
#include <string>

#include "capi/peer.h"
#include "libtrust/error.h"
#include "libtrust/peer.h"

namespace trust {
namespace {

// OpenSSL tells of a failed allocation somewhere in its queue, beside what it made of it.
bool queue_tells_of_memory() noexcept {
  while (ERR_peek_error() != 0) {
    if (openssl_had_no_memory()) return true;
    ERR_get_error();
  }
  return false;
}

Failure failure_of(const Error& error) {
  return {facts(error.code()).c_status, error.message(),   error.hint(),
          error.error_number(),         error.tls_alert(), nullptr};
}

Failure failure_of(const Refused& refused) {
  Failure failure = failure_of(static_cast<const Error&>(refused));
  failure.status = facts(refused.peer()->judgement.verdict).c_status;
  failure.peer = std::make_unique<trust_peer>(refused.peer());
  return failure;
}

trust_status tell_of_bug(trust_error** err, const char* what) {
  return tell(err, {TRUST_ERR_INTERNAL, std::string("a bug in libtrust: ") + what,
                    "please report this message"});
}

} // namespace

trust_status failed(trust_error** err) noexcept {
  if (queue_tells_of_memory()) return tell_no_memory(err);
  try {
    try {
      throw;
    } catch (const Refused& refused) {
      return tell(err, failure_of(refused));
    } catch (const Error& error) {
      return tell(err, failure_of(error));
    } catch (const std::bad_alloc&) {
      return tell_no_memory(err);
    } catch (const std::exception& error) {
      return tell_of_bug(err, error.what());
    } catch (...) {
      return tell_of_bug(err, "an exception of an unknown type");
    }
  } catch (...) {
    return tell_no_memory(err); // to say what failed
  }
}

void require(const void* pointer, const char* parameter) {
  if (pointer != nullptr) return;
  throw Error(Code::invalid, std::string("the parameter ") + parameter + " is NULL");
}

} // namespace trust
