#pragma once
// Identities of the daemon's answers as text for people. Pure but for printing.

#include <string>

#include "cli/context.h"
#include "libtrust/certificate.h"

namespace trust {

// Of an answer of the daemon. Error{internal} if it is none.
Certificate certificate_of(const std::string& pem);

void print_warnings(const Terminal& terminal, const Json& answer);

// What was done ("made", "renewed"), where its files are, and how to use them; if quiet, the paths
// of key and certificate alone.
void print_identity(const Terminal& terminal, const Json& identity, const std::string& done);

// The same of the local CA: what it may sign, and how to have it do so.
void print_ca(const Terminal& terminal, const Json& ca, const std::string& done);

} // namespace trust
