#pragma once
// Who may do what. Pure: the peer as the kernel vouches for it, or the token it showed, and what
// it asks for, decide; nothing that the peer says of itself does.

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "daemon/peer.h"
#include "libtrust/error.h"

namespace trust {

enum class Access {
  open,   // anybody who can connect, on TCP too: /healthz
  read,   // whoever can open the socket
  insight, // reads what only those who may change may see: the audit, other people's processes
  change,
};

struct Rights {
  uid_t own_uid = 0;                // the daemon's
  std::optional<gid_t> trust_group; // of the group `trust`, if there is one
  std::string token;                // empty: nobody comes in by TCP
  bool tcp_write = false;
};

// Nothing when the peer may, else Error{forbidden} or Error{unauthorized}. `authorization` is the
// field of the request, compared in constant time.
std::optional<Error> refused_access(const Rights& rights, const Caller& peer,
                                    std::optional<std::string_view> authorization, Access access);

// The number of the group `trust`, by its name; none if this machine has no such group.
std::optional<gid_t> trust_group();

} // namespace trust
