#include "tests/capi/echo_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <stdexcept>

#include "tests/libtrust/peer.h"

namespace trust::testing {
namespace {

int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_length,
                    const unsigned char* in, unsigned int in_length, void*) {
  static const unsigned char ours[] = "\x02h2\x08http/1.1";
  return SSL_select_next_proto(const_cast<unsigned char**>(out), out_length, ours, sizeof ours - 1,
                               in, in_length) == OPENSSL_NPN_NEGOTIATED
             ? SSL_TLSEXT_ERR_OK
             : SSL_TLSEXT_ERR_NOACK;
}

int take_any_client(int, X509_STORE_CTX*) { return 1; }

SslCtxPtr context_of(const EchoSettings& settings) {
  TlsOptions options;
  options.chain = settings.chain;
  options.max_version = settings.max_version;
  SslCtxPtr context = tls_context(settings.server, options);
  SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, nullptr);
  static const unsigned char id[] = "echo";
  SSL_CTX_set_session_id_context(context.get(), id, sizeof id);
  if (settings.wants_client) {
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       take_any_client);
  }
  return context;
}

std::string client_name(SSL* ssl) {
  const X509Ptr certificate(SSL_get1_peer_certificate(ssl));
  std::array<char, 64> name{};
  if (certificate) {
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, name.data(),
                              static_cast<int>(name.size()));
  }
  return name.data();
}

} // namespace

EchoServer::EchoServer(const EchoSettings& settings)
    : settings_(settings), context_(context_of(settings)) {
  listener_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  must(::bind(listener_.get(), any, length) == 0, "bind");
  must(::listen(listener_.get(), 64) == 0, "listen");
  must(::getsockname(listener_.get(), any, &length) == 0, "getsockname");
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] {
    sigset_t pipe_signal; // OpenSSL's sockets raise it
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, nullptr); // of the threads below as well
    for (;;) {
      Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!fd) return;
      const int on = 1;
      ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      ++accepted_;
      const std::lock_guard lock(mutex_);
      open_.push_back(std::move(fd));
      threads_.emplace_back([this, raw = open_.back().get()] {
        serve(raw);
        ::shutdown(raw, SHUT_RDWR);
        OPENSSL_thread_stop();
      });
    }
  });
}

EchoServer::~EchoServer() {
  ::shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  hang_up();
  for (std::thread& thread : threads_) thread.join();
}

void EchoServer::hang_up() {
  const std::lock_guard lock(mutex_);
  for (const Fd& fd : open_) ::shutdown(fd.get(), SHUT_RDWR);
}

void EchoServer::serve(int fd) const {
  std::array<char, 16384> buffer{};
  if (settings_.silent) {
    while (::recv(fd, buffer.data(), buffer.size(), 0) > 0) {
    }
    return;
  }
  const SslPtr ssl(SSL_new(context_.get()));
  SSL_set_fd(ssl.get(), fd);
  if (SSL_accept(ssl.get()) != 1) return;
  if (settings_.truncates) {
    SSL_write(ssl.get(), "part", 4);
    return;
  }
  if (settings_.wants_client) {
    const std::string name = client_name(ssl.get());
    SSL_write(ssl.get(), name.data(), static_cast<int>(name.size()));
  }
  for (;;) {
    const int length = SSL_read(ssl.get(), buffer.data(), static_cast<int>(buffer.size()));
    if (length <= 0) break;
    if (!settings_.quiet) SSL_write(ssl.get(), buffer.data(), length);
  }
  if (SSL_get_shutdown(ssl.get()) == SSL_RECEIVED_SHUTDOWN) SSL_shutdown(ssl.get());
}

MemoryServer::MemoryServer(const EchoSettings& settings)
    : context_(context_of(settings)), ssl_(SSL_new(context_.get())) {
  BIO* const in = BIO_new(BIO_s_mem());
  BIO* const out = BIO_new(BIO_s_mem());
  BIO_set_mem_eof_return(in, -1);
  BIO_set_mem_eof_return(out, -1);
  SSL_set_bio(ssl_.get(), in, out);
  SSL_set_accept_state(ssl_.get());
}

std::size_t MemoryServer::exchange(std::string_view in, char* out, std::size_t capacity) {
  BIO_write(SSL_get_rbio(ssl_.get()), in.data(), static_cast<int>(in.size()));
  std::array<char, 16384> buffer{};
  for (;;) {
    const int length = SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()));
    if (length <= 0) break;
    SSL_write(ssl_.get(), buffer.data(), length);
  }
  if (closes_ || SSL_get_shutdown(ssl_.get()) == SSL_RECEIVED_SHUTDOWN) SSL_shutdown(ssl_.get());
  ERR_clear_error();
  const int given = BIO_read(SSL_get_wbio(ssl_.get()), out, static_cast<int>(capacity));
  return static_cast<std::size_t>(std::max(given, 0));
}

} // namespace trust::testing
