#pragma once
// bundle.pem and extra.pem: certificates in PEM, one after the other, each with a line before it
// that says whose it is. Pure.

#include <string>

#include "libtrust/certificate.h"
#include "libtrust/record.h"

namespace trust {

// What stands for `entry`: `der` is its certificate, or its shadow. The comment is plain ASCII and
// holds nothing that a reader could take for the beginning of a block.
std::string bundle_block(const Entry& entry, ByteView der, bool is_shadow);

} // namespace trust
