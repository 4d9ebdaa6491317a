#pragma once
// Certificates out of a Java keystore of the old kind (JKS), whose certificates stand there in
// clear: nothing is decrypted, keys are passed over, and the digest at the end, which wants a
// password, is not checked. Bounded; pure. Source: the OpenJDK's
// sun.security.provider.JavaKeyStore.

#include <optional>
#include <string_view>
#include <vector>

#include "libtrust/certificate.h"

namespace trust {

struct KeystoreContent {
  std::vector<Bytes> certificates; // DER, as they stand there
  bool has_private_key = false;
  bool is_whole = true; // false: it breaks off, or holds what cannot be passed over
};

// None if the bytes are no such keystore.
std::optional<KeystoreContent> read_keystore(std::string_view bytes);

} // namespace trust
