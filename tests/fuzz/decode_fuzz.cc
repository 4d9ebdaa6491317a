// Whatever the bytes are, decode answers with certificates or an Error of the caller's fault; what
// it accepts is accepted again by itself, and keeps its name.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "libtrust/decode.h"
#include "libtrust/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto decoded = trust::decode({reinterpret_cast<const char*>(data), size}, "input");
    for (const auto& [certificate, line] : decoded.certificates) {
      const auto again = trust::decode(certificate.pem(), "again").certificates;
      if (again.size() != 1) std::abort();
      if (again[0].certificate.fingerprint() != certificate.fingerprint()) std::abort();
      (void)certificate.x509();
      (void)certificate.verifies_itself();
    }
  } catch (const trust::Error& error) {
    if (error.code() == trust::Code::internal) std::abort();
  }
  return 0;
}
