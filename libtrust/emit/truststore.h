#pragma once
// The PKCS#12 file that Java reads as a trust store: each certificate in a bag with an alias of
// its own and Oracle's trustedKeyUsage attribute, without which Java sees an empty store. The
// certificates stand in the clear, for they are public; so is the password, and the MAC only
// finds damage. Sources: RFC 7292; sun.security.pkcs12.PKCS12KeyStore.
//
// Threads: pure but for the callbacks. The same certificates give the same bytes. Failure:
// Error{internal} if two aliases are the same or the second pass differs from the first;
// whatever the callbacks throw passes through.

#include <cstddef>
#include <functional>
#include <string_view>

#include "libtrust/certificate.h"

namespace trust {

inline constexpr std::string_view kTruststorePassword = "changeit";

// `alias`: UTF-8, unique without regard to case (Java lower-cases it and keeps one of two).
using TruststoreVisit = std::function<void(std::string_view alias, ByteView der)>;
// Calls the visitor for every certificate. It is called twice and must do the same both times:
// lengths stand before contents in DER, and no more than one certificate is held.
using TruststoreSource = std::function<void(const TruststoreVisit& visit)>;
using ByteSink = std::function<void(ByteView bytes)>;

// Writes the whole file to `sink`, piece by piece; the number of certificates in it. With none
// it is a valid file that Java takes for an empty store.
std::size_t write_truststore(const TruststoreSource& each, const ByteSink& sink);

} // namespace trust
