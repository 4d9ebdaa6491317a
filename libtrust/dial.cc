#include "libtrust/dial.h"

#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <exception>
#include <new>
#include <string_view>
#include <utility>

#include "libtrust/error.h"
#include "libtrust/handles.h"
#include "libtrust/socket_bio.h"
#include "libtrust/tcp.h"
#include "libtrust/tls_fault.h"

namespace trust {
namespace {

// What the handshake's callback finds. No exception may pass through OpenSSL.
struct Collector {
  const Endpoint& endpoint;
  std::vector<Certificate> chain;
  std::exception_ptr failure;
};

void collect(Collector& collector, STACK_OF(X509) * presented) {
  const int count = sk_X509_num(presented);
  const std::string server = collector.endpoint.text();
  if (count > static_cast<int>(kMaxChainCertificates)) {
    throw Error(Code::tls, server + " presents " + std::to_string(count) + " certificates; " +
                               std::to_string(kMaxChainCertificates) + " are the most");
  }
  for (int i = 0; i < count; ++i) {
    unsigned char* der = nullptr;
    const int length = i2d_X509(sk_X509_value(presented, i), &der);
    if (length <= 0) throw std::bad_alloc();
    const OpensslBytes owned(der);
    try {
      collector.chain.push_back(Certificate::from_der({der, static_cast<std::size_t>(length)}));
    } catch (const Error& error) {
      throw Error(Code::tls, "certificate " + std::to_string(i + 1) + " of " + server +
                                 " cannot be used: " + error.message());
    }
  }
}

int on_chain(X509_STORE_CTX* context, void* argument) noexcept {
  auto& collector = *static_cast<Collector*>(argument);
  try {
    collect(collector, X509_STORE_CTX_get0_untrusted(context));
    return 1;
  } catch (...) {
    collector.failure = std::current_exception();
    collector.chain.clear();
    X509_STORE_CTX_set_error(context, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
  }
}

SslCtxPtr context_for(Collector& collector) {
  SslCtxPtr context(SSL_CTX_new(TLS_client_method()));
  if (!context) throw std::bad_alloc();
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_max_cert_list(context.get(), static_cast<long>(kMaxChainBytes));
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  // Whoever looks is told of a weak key, rather than that the handshake failed.
  SSL_CTX_set_security_level(context.get(), 0);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(context.get(), on_chain, &collector);
  return context;
}

bool peer_broke_off(int ssl_error) {
  const unsigned long code = ERR_peek_error();
  const int reason = ERR_GET_REASON(code);
  const bool alert = ERR_GET_LIB(code) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET;
  const bool end = ERR_GET_LIB(code) == ERR_LIB_SSL && reason == SSL_R_UNEXPECTED_EOF_WHILE_READING;
  return alert || end || ssl_error == SSL_ERROR_SYSCALL;
}

void shake_hands(SSL* ssl, int fd, const Endpoint& endpoint, const Deadline& deadline,
                 const Collector& collector, const FirstBytes& first) {
  for (;;) {
    ERR_clear_error();
    errno = 0;
    const int result = SSL_connect(ssl);
    const int errno_then = errno;
    if (collector.failure) std::rethrow_exception(collector.failure);
    if (result == 1) return;
    refuse_foreign(endpoint, first, fd);
    short events = 0;
    const int ssl_error = SSL_get_error(ssl, result);
    switch (ssl_error) {
      case SSL_ERROR_WANT_READ: events = POLLIN; break;
      case SSL_ERROR_WANT_WRITE: events = POLLOUT; break;
      default:
        if (!collector.chain.empty() && peer_broke_off(ssl_error)) return;
        throw handshake_error(endpoint, ssl_error, errno_then);
    }
    if (!wait_for(fd, events, deadline)) {
      throw deadline.error(endpoint, "in the TLS handshake",
                           first.count > 0 ? "" : "does the server speak TLS on this port?");
    }
  }
}

} // namespace

Presented dial(const Endpoint& endpoint, std::chrono::milliseconds deadline,
               const std::optional<Host>& server_name) {
  DialOptions options;
  options.deadline = deadline;
  options.server_name = server_name;
  return dial(endpoint, options);
}

Presented dial(const Endpoint& endpoint, const DialOptions& options) {
  const Deadline deadline(options.deadline, options.stop_fd);
  const TcpConnection connection = connect_tcp(endpoint, deadline, options.refused);
  if (options.starttls) {
    start_tls(connection.fd.get(), endpoint, *options.starttls, deadline);
  }

  const ErrorQueueAside queue;
  Collector collector{endpoint, {}, {}};
  FirstBytes first;
  const SslCtxPtr context = context_for(collector);
  const SslPtr ssl(SSL_new(context.get()));
  if (!ssl) throw std::bad_alloc();
  BIO* const bio = socket_bio(connection.fd.get()).release();
  SSL_set_bio(ssl.get(), bio, bio);
  keep_first_bytes(bio, first);
  const Host& name = options.server_name ? *options.server_name : endpoint.host;
  if (!name.is_address() && SSL_set_tlsext_host_name(ssl.get(), name.text().c_str()) != 1) {
    throw std::bad_alloc();
  }
  shake_hands(ssl.get(), connection.fd.get(), endpoint, deadline, collector, first);
  if (collector.chain.empty()) {
    throw Error(Code::tls, endpoint.text() + " presents no certificate");
  }
  // No more is said: the peer reads the end of the stream.
  ::shutdown(connection.fd.get(), SHUT_WR);
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl.get());
  if (cipher == nullptr) cipher = SSL_get_pending_cipher(ssl.get());
  return {endpoint, std::move(collector.chain), SSL_get_version(ssl.get()),
          cipher != nullptr ? SSL_CIPHER_get_name(cipher) : "", connection.address.text()};
}

} // namespace trust
