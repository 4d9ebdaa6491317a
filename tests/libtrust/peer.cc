#include "tests/libtrust/peer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include <array>
#include <csignal>
#include <memory>
#include <stdexcept>

namespace trust::testing {
namespace {

// False if `stop` became readable first.
bool readable(int fd, int stop) {
  std::array<pollfd, 2> items{pollfd{fd, POLLIN, 0}, pollfd{stop, POLLIN, 0}};
  while (::poll(items.data(), items.size(), -1) < 0) {
  }
  return items[1].revents == 0;
}

} // namespace

void Line::send(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t count = ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

std::string Line::receive() const {
  if (!readable(fd(), stop_)) return {};
  std::array<char, 4096> buffer{};
  const ssize_t count = ::recv(fd(), buffer.data(), buffer.size(), 0);
  return count > 0 ? std::string(buffer.data(), static_cast<std::size_t>(count)) : std::string();
}

void Line::wait_for_end() const {
  while (!receive().empty()) {
  }
}

bool Line::ends_within(int timeout_ms) const {
  std::array<pollfd, 2> items{pollfd{fd(), POLLRDHUP, 0}, pollfd{stop_, POLLIN, 0}};
  return ::poll(items.data(), items.size(), timeout_ms) != 0;
}

void Line::stall() const { readable(stop_, stop_); }

bool Line::wait_readable() const { return readable(fd(), stop_); }

Server::Server(Behaviour behaviour, const char* address, bool concurrent, Port port) {
  const bool v6 = std::string_view(address).find(':') != std::string_view::npos;
  listener_ = Fd(::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 storage{};
  socklen_t length = sizeof storage;
  auto* const any = reinterpret_cast<sockaddr*>(&storage);
  if (v6) {
    storage.sin6_family = AF_INET6;
    storage.sin6_port = htons(port);
    ::inet_pton(AF_INET6, address, &storage.sin6_addr);
  } else {
    auto* const v4 = reinterpret_cast<sockaddr_in*>(&storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    ::inet_pton(AF_INET, address, &v4->sin_addr);
    length = sizeof *v4;
  }
  const int on = 1;
  ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  must(::bind(listener_.get(), any, length) == 0, "bind");
  must(::listen(listener_.get(), 128) == 0, "listen");
  must(::getsockname(listener_.get(), any, &length) == 0, "getsockname");
  port_ = ntohs(storage.sin6_port); // in the same place in both
  std::array<int, 2> pipe{};
  must(::pipe2(pipe.data(), O_CLOEXEC) == 0, "pipe");
  stop_read_ = Fd(pipe[0]);
  stop_write_ = Fd(pipe[1]);
  thread_ = std::thread([this, concurrent, behaviour = std::move(behaviour)] {
    sigset_t pipe_signal; // OpenSSL's sockets raise it
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, nullptr);
    while (readable(listener_.get(), stop_read_.get())) {
      Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!fd) continue;
      if (!concurrent) {
        behaviour(Line(std::move(fd), stop_read_.get()));
        continue;
      }
      lines_.emplace_back(
          [this, &behaviour, raw = fd.release()] { behaviour(Line(Fd(raw), stop_read_.get())); });
    }
    for (std::thread& line : lines_) line.join(); // they use the behaviour
  });
}

Server::~Server() {
  stop_write_.reset();
  thread_.join();
}

SslCtxPtr tls_context(const Minted& server, const TlsOptions& options) {
  SslCtxPtr context(must(SSL_CTX_new(TLS_server_method()), "a context"));
  SSL_CTX_set_security_level(context.get(), 0);
  SSL_CTX_set_min_proto_version(context.get(), options.min_version);
  SSL_CTX_set_max_proto_version(context.get(), options.max_version);
  SSL_CTX_set_cipher_list(context.get(), options.ciphers.c_str());
  must(SSL_CTX_use_certificate(context.get(), server.certificate.x509()) == 1, "a certificate");
  must(SSL_CTX_use_PrivateKey(context.get(), server.key.get()) == 1, "a key");
  for (const Certificate& certificate : options.chain) {
    must(SSL_CTX_add1_chain_cert(context.get(), certificate.x509()) == 1, "a chain");
  }
  SSL_CTX_set_mode(context.get(), SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_session_id_context(context.get(), reinterpret_cast<const unsigned char*>("test"), 4);
  if (!options.alpn.empty()) {
    SSL_CTX_set_alpn_select_cb(
        context.get(),
        [](SSL*, const unsigned char** out, unsigned char* length, const unsigned char* offered,
           unsigned offered_length, void* wanted) {
          const std::string_view name = static_cast<const char*>(wanted);
          for (unsigned i = 0; i < offered_length; i += offered[i] + 1U) {
            *out = offered + i + 1;
            *length = offered[i];
            if (name == std::string_view(reinterpret_cast<const char*>(*out), *length))
              return SSL_TLSEXT_ERR_OK;
          }
          return SSL_TLSEXT_ERR_NOACK;
        },
        const_cast<char*>(options.alpn == "h2" ? "h2" : "http/1.1"));
  }
  if (options.wants_client_certificate) {
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  return context;
}

Server::Behaviour tls(const Minted& server, const TlsOptions& options) {
  const std::shared_ptr<SSL_CTX> context(tls_context(server, options));
  return [context](const Line& line) {
    const SslPtr ssl(must(SSL_new(context.get()), "a connection"));
    SSL_set_fd(ssl.get(), line.fd());
    SSL_accept(ssl.get());
    line.wait_for_end();
    ERR_clear_error();
  };
}

TlsLine::TlsLine(SSL_CTX* context, const Line& line)
    : line_(line), ssl_(must(SSL_new(context), "a connection")) {
  SSL_set_fd(ssl_.get(), line.fd());
}

bool TlsLine::accept() {
  for (;;) {
    if (!line_.wait_readable()) return false;
    const int result = SSL_accept(ssl_.get());
    if (result == 1) return true;
    if (SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ) {
      ERR_clear_error();
      return false;
    }
  }
}

std::string TlsLine::read() {
  std::array<char, 16384> buffer{};
  if (SSL_pending(ssl_.get()) == 0 && !line_.wait_readable()) return {};
  const int count = SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()));
  ERR_clear_error();
  return count > 0 ? std::string(buffer.data(), static_cast<std::size_t>(count)) : std::string();
}

void TlsLine::write(std::string_view bytes) {
  if (!bytes.empty()) SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
  ERR_clear_error();
}

void TlsLine::close() {
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

bool TlsLine::ended_properly() const {
  return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
}

Server::Behaviour tls_talk(std::shared_ptr<SSL_CTX> context, std::function<void(TlsLine&)> talk) {
  return [context = std::move(context), talk = std::move(talk)](const Line& line) {
    TlsLine tls_line(context.get(), line);
    if (tls_line.accept()) talk(tls_line);
  };
}

Server::Behaviour tls_echo(const Minted& server, const TlsOptions& options) {
  return tls_talk(tls_context(server, options), [](TlsLine& line) {
    for (std::string text = line.read(); !text.empty(); text = line.read()) line.write(text);
    line.close();
  });
}

namespace {

// What a server answers to what comes first; "" if nothing does.
std::string first_answer(SSL_CTX* context, const Line& line) {
  const SslPtr ssl(must(SSL_new(context), "a connection"));
  BIO* const in = BIO_new(BIO_s_mem());
  BIO* const out = BIO_new(BIO_s_mem());
  BIO_set_mem_eof_return(in, -1);
  SSL_set_bio(ssl.get(), in, out);
  std::string answer;
  while (answer.empty()) {
    const std::string asked = line.receive();
    if (asked.empty()) break;
    BIO_write(in, asked.data(), static_cast<int>(asked.size()));
    SSL_accept(ssl.get());
    char* data = nullptr;
    const long length = BIO_get_mem_data(out, &data);
    answer.assign(data, static_cast<std::size_t>(length));
  }
  ERR_clear_error();
  return answer;
}

} // namespace

Server::Behaviour tls_cut_off(const Minted& server, std::size_t bytes, const TlsOptions& options) {
  const std::shared_ptr<SSL_CTX> context(tls_context(server, options));
  return [context, bytes](const Line& line) {
    line.send(std::string_view(first_answer(context.get(), line)).substr(0, bytes));
    line.wait_for_end();
  };
}

Server::Behaviour tls_broken_off(const Minted& server, std::size_t bytes,
                                 const TlsOptions& options) {
  const std::shared_ptr<SSL_CTX> context(tls_context(server, options));
  return [context, bytes](const Line& line) {
    line.send(std::string_view(first_answer(context.get(), line)).substr(0, bytes));
  };
}

} // namespace trust::testing
