#pragma once
// What a server that speaks in clear first wants to hear before TLS begins: STARTTLS of SMTP (RFC
// 3207) and IMAP (RFC 3501), SSLRequest of PostgreSQL (its manual, 55.2.10).
//
// Whoever stands between can write into the part in clear. So nothing of it is believed but that
// TLS may begin, every read is bounded, and bytes that stand behind the answer which lets TLS
// begin are refused, as is whatever comes before it was asked for (CVE-2011-0411, CVE-2021-23222).
//
// Threads: any; each call stands alone. No signal (SIGPIPE).

#include <string_view>

#include "libtrust/host.h"
#include "libtrust/tcp.h"

namespace trust {

enum class StartTls { smtp, imap, postgres };
std::string_view name_of(StartTls protocol) noexcept; // "smtp"
StartTls parse_starttls(std::string_view text);       // Error{invalid}
Port default_port(StartTls protocol) noexcept;        // 25, 143, 5432

// Speaks with the server at the non-blocking socket `fd` until TLS may begin. Error{timeout} when
// the deadline passes, Error{tls} when the server does not offer TLS, breaks off or says what it
// should not. `endpoint` is for messages.
void start_tls(int fd, const Endpoint& endpoint, StartTls protocol, const Deadline& deadline);

} // namespace trust
