#pragma once
// What kind of key and signature a certificate has, and whether they are below the policy. Reads
// the encoding alone: no key is decoded, so that one which would be costly to compute with, or
// which OpenSSL does not know, is told before anything is computed. Pure.

#include <optional>
#include <string>

#include "libtrust/handles.h"

namespace trust {

struct KeyStrength {
  std::string kind;                    // "RSA 2048", "EC P-256", "Ed25519"
  std::optional<std::string> weakness; // to follow "it has"; none if it is strong enough
};

KeyStrength key_strength(const X509* x509);

// "a signature with SHA1", or none. OpenSSL may cache what it finds in `x509`.
std::optional<std::string> weak_signature(X509* x509);

// An algorithm's name as OpenSSL prints it, or its dotted numbers.
std::string algorithm_text(const ASN1_OBJECT* object);

} // namespace trust
