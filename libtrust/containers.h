#pragma once
// Certificates out of PKCS#7 and PKCS#12, for trustctl and for the daemon's decoder, a process
// without rights: the daemon itself takes PEM and DER, and stays without these parsers. Bounded
// before anything is computed (sizes, nesting, rounds of key derivation). Private keys inside are
// passed over, never decrypted, and said.
//
// Failure: Error{invalid} (damaged, a wrong password, an algorithm that OpenSSL lacks),
// Error{too_large}, naming the source.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libtrust/certificate.h"

namespace trust {

struct Contained {
  std::vector<Certificate> certificates; // in order; never empty
  std::vector<std::string> bad;          // why others in it cannot be used
  bool has_private_key = false;          // there is one, and it was not read
};

// Asked for at most once, and only if the file does not open without.
using AskPassword = std::function<std::string()>;

// None if the bytes are neither PKCS#7 (DER, BER or PEM) nor PKCS#12 (DER or BER): then they are
// for decode().
std::optional<Contained> read_container(std::string_view bytes, std::string_view source,
                                        const AskPassword& ask_password);

} // namespace trust
