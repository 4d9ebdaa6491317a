#pragma once
// Whether a request was sent by a program that means us, and not by a web page. Pure.

#include <optional>

#include "daemon/message.h"
#include "libtrust/error.h"

namespace trust {

// Looks at the head alone, so it can refuse before the body is read, and is asked on the socket
// too: a forwarder from a port to the socket must not open it to browsers.
//   Host            TCP: 127.0.0.1, [::1] or localhost, with the port it came to. UNIX socket: one
//   of these
//                   or "trustd", with any port or none (clients put there what stood in their
//                   URL; a page that got here by DNS rebinding sends its own name).
//   Origin          absent, or http:// and exactly the Host.
//   Sec-Fetch-Site  absent, same-origin or none.
//   Content-Type    of POST, PUT, PATCH, and of whatever else has a body: application/json,
//                   application/x-pem-file or application/pkix-cert. A page cannot send these
//                   without asking first. charset=utf-8 may follow.
// Nothing when the request may go on, else Error{misdirected}, {bad_origin} or {media_type}.
std::optional<Error> refused_origin(const Request& head);

} // namespace trust
