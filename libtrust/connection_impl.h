#pragma once
// What a connection consists of, for the files that make it: connection.cc moves data,
// connection_handshake.cc verifies, connector.cc makes.
//
// OpenSSL reads from the socket itself, but writes into a queue that is sent by us: so a write that
// OpenSSL took is never to be repeated, and none of its calls waits.

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "libtrust/buffer_bio.h"
#include "libtrust/connection.h"
#include "libtrust/handles.h"
#include "libtrust/session_cache.h"
#include "libtrust/tcp.h"
#include "libtrust/tls_fault.h"

namespace trust {

struct Connector::Shared {
  Shared();

  SslCtxPtr context;
  SessionCache sessions;
};

// Who was judged, and by what: the same again within one second and generation is the same.
struct Judged {
  std::shared_ptr<const Peer> peer;
  std::shared_ptr<const View> view;
  UnixTime at = 0;

  bool trusted() const noexcept { return peer && peer->judgement.trusted(); }
};

struct Connection::Impl {
  enum class Stage { connecting, shaking, open };

  Impl(std::shared_ptr<PublishedStore> its_store, std::shared_ptr<Connector::Shared> its_shared,
       const Endpoint& its_endpoint, const ConnectionConfig& its_config);
  ~Impl();

  // ---- the handshake, under the mutex: connection_handshake.cc
  Progress step(); // each call after a failure fails the same way
  Progress shake();
  void begin_tls();
  void offer_session();
  void judge_presented(STACK_OF(X509) * presented); // by OpenSSL's callback
  Progress finish();
  Judged judge_again(const std::vector<Certificate>& presented) const;
  std::string key_of_session(const View& view) const;

  // ---- moving data, under the mutex: connection.cc
  bool flush() noexcept; // sends without waiting; whether all is out
  Progress read_some(std::span<std::uint8_t> buffer, std::size_t& count, short& events);
  std::size_t encrypt(std::span<const std::uint8_t> data);
  bool holds_unread();
  void require_open() const;
  void require_sendable() const;
  [[noreturn]] void fail(Error error);
  [[noreturn]] void fail(std::shared_ptr<const Peer> refused_peer);
  [[noreturn]] void fail_without_memory();
  void fail_again() const;

  // ---- without it
  void require_not_cancelled() const;
  int wake_fd(); // readable once the connection is cancelled
  // Error{timeout} after io_timeout: "HOST said nothing for 30 s".
  void wait_or_fail(short events, std::string_view otherwise);

  const std::shared_ptr<PublishedStore> store;
  const std::shared_ptr<Connector::Shared> shared;
  const Endpoint endpoint;
  const ConnectionConfig config;
  const Host name; // that is announced and verified
  const Deadline deadline;
  bool in_memory = false;

  Fd owned; // none if the socket is the caller's
  int fd = -1; // the same from the end of the handshake on
  std::atomic<bool> blocking = false;
  std::atomic<bool> cancelled = false;
  std::atomic<int> wake = -1; // made when a call first waits

  std::mutex mutex; // around each call of OpenSSL's, and all below
  Stage stage = Stage::shaking;
  std::optional<TcpAttempt> attempt;
  ByteQueue in; // of one in memory
  ByteQueue out;
  FirstBytes first;
  SslPtr ssl;
  Judged offered; // of the session that is offered
  Judged judged; // of this handshake; once it is done: whoever we talk to
  std::exception_ptr callback_failure;
  bool asked_for_certificate = false;
  int alert = 0; // the last one, whosever it was
  int send_errno = 0;
  bool closed = false;
  std::optional<Error> failure;
  std::shared_ptr<const Peer> refused;
  bool ran_out_of_memory = false;

  std::string tls_version;
  std::string cipher;
  std::string alpn;
  bool resumed = false;
};

} // namespace trust
