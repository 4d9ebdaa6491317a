#pragma once
// One look at a server for those who watch it: dialled, judged by what is published, and what ends
// first of it. Nothing is sent after the handshake.
//
// Threads: any.

#include <chrono>
#include <string>
#include <utility>

#include "libtrust/host.h"
#include "libtrust/instant.h"
#include "libtrust/watch.h"

namespace trust {

class ServerLook {
 public:
  // `store`: the published directory that holds `current`.
  // `stop_fd`: the caller's; when it is readable, looks end with Error{cancelled}.
  explicit ServerLook(std::string store, int stop_fd = -1,
                      std::chrono::milliseconds deadline = std::chrono::seconds(8))
      : store_(std::move(store)), stop_fd_(stop_fd), deadline_(deadline) {}

  // Error{resolve, connect, timeout, tls, forbidden}: it presented nothing. Link-local, multicast
  // and unspecified addresses are not dialled.
  Seen operator()(const Endpoint& endpoint, UnixTime now) const;

 private:
  const std::string store_;
  const int stop_fd_;
  const std::chrono::milliseconds deadline_;
};

} // namespace trust
