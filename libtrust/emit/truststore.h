#pragma once
// The PKCS#12 file that Java reads as a trust store: each certificate in a bag with an alias of
// its own and Oracle's trustedKeyUsage attribute, without which Java sees an empty store. The
// certificates stand in the clear, for they are public; so is the password, and the MAC only
// finds damage. Sources: RFC 7292; sun.security.pkcs12.PKCS12KeyStore.
//
// Threads: pure but for the callbacks. The same certificates give the same bytes. Failure:
// Error{internal} if there are more or less bytes than was said; whatever the callbacks throw
// passes through.

#include <cstddef>
#include <functional>
#include <string_view>

#include "libtrust/certificate.h"

namespace trust {

inline constexpr std::string_view kTruststorePassword = "changeit";

// One certificate as it lies in the file. `alias`: UTF-8, one of its own for each without regard to
// case (Java lower-cases it and keeps one of two).
Bytes truststore_bag(std::string_view alias, ByteView certificate);

using ByteSink = std::function<void(ByteView bytes)>;
// Gives all bags to `sink`, in pieces that may end anywhere.
using BagSource = std::function<void(const ByteSink& sink)>;

// Writes the whole file to `sink`, piece by piece. `bags_bytes`: of all the bags, since lengths
// stand before contents in DER. With none it is a valid file that Java takes for an empty store.
void write_truststore(std::size_t bags_bytes, const BagSource& bags, const ByteSink& sink);

} // namespace trust
