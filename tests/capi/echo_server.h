#pragma once
// A TLS server that says back what it is told, for any number of connections at once: over a
// loopback port of its own, or in memory. Ends with its threads in the destructor.

#include <openssl/ssl.h>

#include <atomic>
#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "libtrust/handles.h"
#include "tests/libtrust/mint.h"

namespace trust::testing {

struct EchoSettings {
  Minted server;
  std::vector<Certificate> chain = {}; // behind its own
  bool truncates = false;    // says "part" and goes, without close_notify
  bool silent = false;       // never answers, not even the handshake
  bool quiet = false;        // shakes hands and never says anything
  bool wants_client = false; // and says the CN of its certificate
  int max_version = 0;
};

class EchoServer {
 public:
  explicit EchoServer(const EchoSettings& settings);
  EchoServer(const EchoServer&) = delete;
  EchoServer& operator=(const EchoServer&) = delete;
  ~EchoServer();

  std::uint16_t port() const { return port_; }
  unsigned accepted() const { return accepted_; }
  // Ends every connection that is open, without a word of TLS.
  void hang_up();

 private:
  void serve(int fd) const;

  EchoSettings settings_;
  SslCtxPtr context_;
  Fd listener_;
  std::uint16_t port_ = 0;
  std::atomic<unsigned> accepted_{0};
  std::mutex mutex_; // guards what follows
  std::list<Fd> open_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

class MemoryServer {
 public:
  explicit MemoryServer(const EchoSettings& settings);

  // Takes what the client sent and goes as far as it can; what it has to send, up to `capacity`.
  std::size_t exchange(std::string_view in, char* out, std::size_t capacity);
  void close() { closes_ = true; }

 private:
  SslCtxPtr context_;
  SslPtr ssl_;
  bool closes_ = false;
};

} // namespace trust::testing
