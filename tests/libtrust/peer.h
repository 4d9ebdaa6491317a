#pragma once
// Servers for a test, on a loopback port of their own, that behave or misbehave: what they do
// with each connection is a function. They end, and their threads with them, in the destructor.

#include <openssl/ssl.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "libtrust/handles.h"
#include "libtrust/host.h"
#include "tests/libtrust/mint.h"

namespace trust::testing {

// One accepted connection, blocking, without SIGPIPE.
class Line {
 public:
  explicit Line(Fd fd, int stop) : fd_(std::move(fd)), stop_(stop) {}

  int fd() const { return fd_.get(); }
  void send(std::string_view bytes) const;
  // What came, at least one byte; "" at the end of the stream or when the server ends.
  std::string receive() const;
  // Until the peer has gone, or the server ends.
  void wait_for_end() const;
  // Whether the peer goes, or the server ends, within that time.
  bool ends_within(int timeout_ms) const;
  // Until the server ends.
  void stall() const;
  // Until there is something to read; false if the server ends first.
  bool wait_readable() const;

 private:
  Fd fd_;
  int stop_;
};

class Server {
 public:
  using Behaviour = std::function<void(const Line&)>;

  // On 127.0.0.1, or on the given address. Connections one after another, or, if so said, each in
  // a thread of its own. `port` 0: any.
  explicit Server(Behaviour behaviour, const char* address = "127.0.0.1", bool concurrent = false,
                  Port port = 0);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  Port port() const { return port_; }
  Endpoint endpoint() const { return Endpoint::parse("127.0.0.1", port_); }

 private:
  Fd listener_;
  Fd stop_read_, stop_write_;
  Port port_ = 0;
  std::vector<std::thread> lines_;
  std::thread thread_;
};

struct TlsOptions {
  int min_version = 0; // as OpenSSL counts; 0: any, TLS 1.0 included
  int max_version = 0;
  bool wants_client_certificate = false;
  std::vector<Certificate> chain = {}; // behind the server's own
  std::string alpn = {}; // the one that is chosen if it is offered
  std::string ciphers = "ALL:@SECLEVEL=0"; // of TLS 1.2 and below
};

// A server context that presents `server`.
SslCtxPtr tls_context(const Minted& server, const TlsOptions& options = {});

// A handshake and nothing else; then waits for the peer to go.
Server::Behaviour tls(const Minted& server, const TlsOptions& options = {});

// A server's side of TLS. Ends when the peer or the server does.
class TlsLine {
 public:
  TlsLine(SSL_CTX* context, const Line& line);

  bool accept();
  std::string read(); // "" at the end, however it comes
  void write(std::string_view bytes);
  void close(); // says so
  SSL* ssl() const { return ssl_.get(); }
  const Line& line() const { return line_; }
  bool ended_properly() const; // the peer said so

 private:
  const Line& line_;
  SslPtr ssl_;
};

// After the handshake, if there is one.
Server::Behaviour tls_talk(std::shared_ptr<SSL_CTX> context, std::function<void(TlsLine&)> talk);
// Sends back what comes, until the peer ends; then ends too.
Server::Behaviour tls_echo(const Minted& server, const TlsOptions& options = {});

// The first `bytes` of the server's answer, then the end of the stream.
Server::Behaviour tls_broken_off(const Minted& server, std::size_t bytes,
                                 const TlsOptions& options = {});
// The first `bytes` of the server's answer, then silence.
Server::Behaviour tls_cut_off(const Minted& server, std::size_t bytes,
                              const TlsOptions& options = {});

} // namespace trust::testing
