#pragma once
// Who is at the other end of a connection. Taken once, when the connection is accepted; a value
// that never changes afterwards, shared by the connection's requests and read by any thread.

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace trust {

inline constexpr uid_t kNobodyKnown = static_cast<uid_t>(-1);

struct Caller {
  bool unix_socket = false;
  // Of a UNIX socket only: what the kernel says of the process that called connect(). On TCP
  // nobody vouches for the peer, and `uid` is kNobodyKnown.
  uid_t uid = kNobodyKnown;
  gid_t gid = static_cast<gid_t>(-1);
  pid_t pid = 0;
  std::vector<gid_t> groups;  // supplementary groups, without `gid` unless listed there too
  std::string address;          // of TCP only: "127.0.0.1:51234"
  std::uint16_t local_port = 0; // of TCP only: the one that it came to

  bool in_group(gid_t wanted) const noexcept;

  // What /proc says the process runs, as claimed: the process may have exec'd another program
  // since it connected, or have ended (then empty). For the audit record, never for a decision.
  std::string executable() const;
};

// Reads SO_PEERCRED and SO_PEERGROUPS, or the address of a TCP peer, of a connected socket.
// Error{io} when the kernel will not say, as when the peer has gone already.
Caller peer_of(int socket);

} // namespace trust
