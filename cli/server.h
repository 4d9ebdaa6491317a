#pragma once
// Which daemon trustctl speaks to: the first socket that accepts and that root, the service's
// user or oneself serves. Whoever else put a socket there is not asked anything. Values and
// system calls; one thread.

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "libtrust/error.h"
#include "libtrust/handles.h"
#include "libtrust/layout.h"

namespace trust {

struct Server {
  SocketCandidate socket;
  uid_t uid = 0; // of a UNIX socket
  pid_t pid = 0; // of a UNIX socket; 0 where unknown

  bool is_tcp() const;
};

struct ServerConnection {
  Fd fd;
  uid_t uid = static_cast<uid_t>(-1);
  pid_t pid = 0;
};

// The first candidate that accepts and whose server may be believed; none if nobody accepts.
// Error{forbidden} if somebody else serves one and nobody better another.
std::optional<Server> find_server(const std::vector<SocketCandidate>& candidates);

// A new connection to the same server, checked anew. Error{no_daemon} if it is gone.
ServerConnection connect_again(const Server& server);

// What goes into `Host`.
std::string host_header(const Server& server);

Error nobody_answers(const std::vector<SocketCandidate>& candidates);

}  // namespace trust
