#pragma once
// One connection to a server, to see what it presents. Trusts nothing: what comes back is what
// some machine at that address said, for a person to compare or for `judge` to decide upon.
//
// DNS, TCP and TLS handshake stand under one deadline. At least TLS 1.2; SNI for names; no client
// certificate; nothing is sent after the handshake. A server that presents its chain and then
// refuses us for want of a client certificate has presented it: that is success.
//
// Threads: any; each call stands alone. No signal (SIGPIPE), and the thread's OpenSSL error queue
// is left as it was. Failure: Error{resolve, connect, timeout, tls}, naming the endpoint; with a
// filter of addresses Error{forbidden}.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "libtrust/certificate.h"
#include "libtrust/host.h"
#include "libtrust/starttls.h"
#include "libtrust/tcp.h"

namespace trust {

inline constexpr std::chrono::milliseconds kDefaultDialDeadline{10'000};

struct Presented {
  Endpoint endpoint;
  std::vector<Certificate> chain; // as sent: the server's own first; never empty
  std::string tls_version;        // "TLSv1.3"
  std::string cipher;             // "TLS_AES_256_GCM_SHA384"
  std::string address;            // that answered, "127.0.0.1"
};

struct DialOptions {
  std::chrono::milliseconds deadline = kDefaultDialDeadline;
  std::optional<Host> server_name;   // announced in place of the endpoint's host
  std::optional<StartTls> starttls;  // speaks this before TLS begins, under the same deadline
  AddressFilter refused = nullptr;   // of addresses: as connect_tcp
  int stop_fd = -1;                  // as of Deadline; Error{cancelled} then
};
Presented dial(const Endpoint& endpoint, const DialOptions& options);

// `server_name`: announced in place of the endpoint's host.
Presented dial(const Endpoint& endpoint, std::chrono::milliseconds deadline = kDefaultDialDeadline,
               const std::optional<Host>& server_name = {});

} // namespace trust
