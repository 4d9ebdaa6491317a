#include "daemon/sinks/signature.h"

#include <openssl/hmac.h>

#include <array>
#include <climits>

#include "libtrust/error.h"

namespace trust {

std::string signature_field(std::string_view secret, UnixTime at, std::string_view id,
                            std::string_view body) {
  const std::string time = std::to_string(at);
  std::string message = time + ".";
  message.append(id).append(".").append(body);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (secret.size() > INT_MAX ||
      ::HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
             reinterpret_cast<const unsigned char*>(message.data()), message.size(), digest.data(),
             &size) == nullptr) {
    throw Error(Code::internal, "HMAC-SHA256 failed");
  }
  std::string field = "t=" + time + ",id=" + std::string(id) + ",v1=";
  for (unsigned int i = 0; i < size; ++i) {
    constexpr const char* kDigits = "0123456789abcdef";
    field += kDigits[digest[i] >> 4];
    field += kDigits[digest[i] & 15];
  }
  return field;
}

} // namespace trust
