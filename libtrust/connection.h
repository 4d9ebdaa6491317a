#pragma once
// Verified TLS connections, client side: dialled, over a caller's socket, or in memory. A
// connection starts as not judged, and neither reads nor writes until its peer's chain, or the
// chain of the session that is resumed, was judged and trusted; a peer that is refused gets an
// alert, and neither our client certificate nor anything else. There is no way around that.
//
// At least TLS 1.2; no renegotiation, no early data; certificates of a peer within kMaxChainBytes
// and kMaxChainCertificates. No signal is raised or changed, and the calling thread's OpenSSL error
// queue is left as it was.
//
// Threads: a Connector any. A Connection one at a time, but: one may read while another writes, and
// cancel() may be called at any moment before the destructor. After fork() a child may go on with
// its Connector, not with a Connection.
// Failure: Refused (peer.h) if the peer is not trusted; Error{resolve, connect, timeout, io, tls,
// truncated, cancelled, state} and those of published_store.h; std::bad_alloc.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "libtrust/connection_config.h"
#include "libtrust/host.h"
#include "libtrust/peer.h"
#include "libtrust/per_process.h"
#include "libtrust/published_store.h"

namespace trust {

class Connector;

enum class Progress {
  done,
  want_read, // call again when fd() is readable; in memory: when more was fed
  want_write, // call again when fd() is writable; in memory: when what is there was drained
  end, // of reading: the peer closed the connection properly
};

struct Moved {
  Progress progress = Progress::done;
  std::size_t count = 0; // 0 unless done
};

class Connection {
 public:
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  // At once, closed or not: nothing is sent.
  ~Connection();

  // done once the peer is trusted. Blocking: not before that. Each call after a failure fails the
  // same way.
  Progress handshake();

  // At least one byte (none for an empty buffer), or end. Error{truncated} if the peer went away
  // without saying so; Error{timeout} after a silence of io_timeout, and may then be called again.
  Moved read(std::span<std::uint8_t> buffer);
  // Blocking: all of it. Else at least one byte, or want_*: then none of it was taken. What was
  // taken may be sent by the next call of any kind, so one that is followed by none belongs to be
  // followed by handshake(), which says want_write until all is out.
  Moved write(std::span<const std::uint8_t> data);
  // Says that no more will be sent; reading may go on. done, or want_write; again: done.
  Progress close();

  // Every call from now on, and those that other threads are in, fail with Error{cancelled}. Never
  // blocks.
  void cancel() noexcept;

  // Error{state} for one in memory.
  void set_blocking(bool on);
  // For poll(2); -1 in memory. May change until the handshake is done.
  int fd() const noexcept;
  // What read() gives without waiting.
  std::size_t pending() noexcept;

  // In memory alone, else Error{state}. How many of the encrypted bytes were taken; none at all:
  // the transport has ended.
  std::size_t feed(std::span<const std::uint8_t> data);
  // Encrypted bytes to send; 0: none left. Also after a failure.
  std::size_t drain(std::span<std::uint8_t> buffer);

  // Of the handshake: "" and false before it is done; the same from then on.
  const std::string& tls_version() const noexcept; // "TLSv1.3"
  const std::string& cipher() const noexcept;
  const std::string& alpn() const noexcept; // "" also if none was agreed
  bool resumed() const noexcept;
  // The trusted peer, as it was judged last; Error{state} before the handshake is done.
  std::shared_ptr<const Peer> peer() const;
  const Endpoint& endpoint() const noexcept; // that was dialled, or said to be

  // ---- for the pool --------------------------------------------------------
  // Whether nothing is unread or unsent and the peer is still there. Does not wait.
  bool is_quiet() noexcept;
  // Whether it would be trusted now as well, by the generation of now; throws if that cannot be
  // read.
  bool is_still_trusted();
  // Whether that one made it.
  bool is_of(const Connector& connector) const;
  // Closes the socket and touches nothing else: for a child that inherited it.
  void abandon() noexcept;

  struct Impl;
  explicit Connection(std::unique_ptr<Impl> impl); // Connector's

 private:
  std::unique_ptr<Impl> impl_;
};

// Makes connections by one store; they share TLS sessions.
class Connector {
 public:
  explicit Connector(std::shared_ptr<PublishedStore> store);
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;
  ~Connector();

  const std::shared_ptr<PublishedStore>& store() const noexcept { return store_; }

  // Blocking, and ready for use.
  std::unique_ptr<Connection> connect(const Endpoint& endpoint,
                                      const ConnectionConfig& config) const;
  // Non-blocking, but for looking up a name: go on with handshake().
  std::unique_ptr<Connection> start(const Endpoint& endpoint, const ConnectionConfig& config) const;
  // Over a connected stream socket, which becomes non-blocking and stays the caller's: it must
  // outlive the connection. Error{invalid} for anything else.
  std::unique_ptr<Connection> start_fd(int fd, const Endpoint& endpoint,
                                       const ConnectionConfig& config) const;
  std::unique_ptr<Connection> start_memory(const Endpoint& endpoint,
                                           const ConnectionConfig& config) const;

  struct Shared; // a TLS context and the sessions; connections keep it alive

 private:
  friend class Connection;
  std::unique_ptr<Connection::Impl> begin(const Endpoint& endpoint,
                                          const ConnectionConfig& config) const;

  std::shared_ptr<PublishedStore> store_;
  PerProcess<std::shared_ptr<Shared>> shared_;
};

} // namespace trust
