#pragma once
// The way between OpenSSL and a socket. OpenSSL's own uses write(2), which raises SIGPIPE when
// the peer is gone; a library in somebody else's process must not.

#include "libtrust/handles.h"

namespace trust {

// Reads and writes the non-blocking socket `fd`, which stays the caller's and must outlive it.
// A socket that is not ready is a retry; any other fault is left in errno. Throws
// std::bad_alloc.
BioPtr socket_bio(int fd);

} // namespace trust
