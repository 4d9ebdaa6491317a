#pragma once
// What a TLS connection failed of, in words for a person, from what OpenSSL left behind. Called
// right after the failure, on the same thread.

#include <array>
#include <cstddef>
#include <string_view>

#include "libtrust/error.h"
#include "libtrust/handles.h"
#include "libtrust/host.h"

namespace trust {

// The first bytes that a server sent, kept as OpenSSL reads them.
struct FirstBytes {
  std::array<char, 5> bytes{};
  std::size_t count = 0;

  std::string_view view() const { return {bytes.data(), count}; }
};

// Fills `first` from now on; it must outlive the reading.
void keep_first_bytes(BIO* bio, FirstBytes& first);

// Error{tls} if what came first cannot be TLS. More of it is read from `fd`; -1: there is no more.
void refuse_foreign(const Endpoint& endpoint, const FirstBytes& first, int fd);

// Whether OpenSSL says that it had no memory.
bool ran_out_of_memory() noexcept;

// Why a handshake failed, from the oldest error of OpenSSL's queue. `ssl_error`: as SSL_get_error
// says; `errno_then`: of the last read or write; `asked_for_certificate`: whether the server wanted
// one of ours.
Error handshake_error(const Endpoint& endpoint, int ssl_error, int errno_then,
                      bool asked_for_certificate = false);

// The same of a connection whose handshake is done: Error{truncated} if the peer went away without
// closing TLS, else Error{tls, io}.
Error record_error(const Endpoint& endpoint, int ssl_error, int errno_then,
                   bool asked_for_certificate);

} // namespace trust
