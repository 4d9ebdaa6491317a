// Whom we talk to: what happens until a connection is open, and what OpenSSL calls us back for.

#include <cerrno>
#include <new>
#include <utility>

#include "libtrust/connection_impl.h"
#include "libtrust/error.h"
#include "libtrust/socket_bio.h"

namespace trust {
namespace {

void must(bool succeeded) {
  if (!succeeded) throw std::bad_alloc(); // of these calls nothing else can fail
}

Connection::Impl& connection_of(const SSL* ssl) {
  return *static_cast<Connection::Impl*>(SSL_get_app_data(ssl));
}

// What OpenSSL makes the alert of.
int openssl_error_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::ok: return X509_V_OK;
    case Verdict::unknown_issuer: return X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
    case Verdict::self_signed: return X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT;
    case Verdict::expired: return X509_V_ERR_CERT_HAS_EXPIRED;
    case Verdict::not_yet_valid: return X509_V_ERR_CERT_NOT_YET_VALID;
    case Verdict::name_mismatch: return X509_V_ERR_HOSTNAME_MISMATCH;
    case Verdict::pin_mismatch:
    case Verdict::pin_missing:
    case Verdict::distrusted:
    case Verdict::out_of_scope:
    case Verdict::bad_chain: return X509_V_ERR_CERT_REJECTED;
    case Verdict::weak: return X509_V_ERR_EE_KEY_TOO_SMALL;
  }
  return X509_V_ERR_APPLICATION_VERIFICATION;
}

int on_chain(X509_STORE_CTX* context, void*) noexcept {
  const int index = SSL_get_ex_data_X509_STORE_CTX_idx();
  const auto* const ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(context, index));
  Connection::Impl& my = connection_of(ssl);
  X509_STORE_CTX_set_error(context, X509_V_ERR_APPLICATION_VERIFICATION);
  if (my.stage == Connection::Impl::Stage::open) return 0; // the peer stays who it is
  try {
    const ErrorQueueGuard queue;
    my.judge_presented(X509_STORE_CTX_get0_untrusted(context));
    X509_STORE_CTX_set_error(context, openssl_error_of(my.judged.peer->judgement.verdict));
    return my.judged.trusted() ? 1 : 0;
  } catch (...) {
    my.judged = {};
    my.callback_failure = std::current_exception();
    return 0;
  }
}

// The server asked for a certificate of ours. Until then none is where it could be sent from.
int on_certificate_request(SSL* ssl, void*) noexcept {
  Connection::Impl& my = connection_of(ssl);
  my.asked_for_certificate = true;
  if (!my.judged.trusted()) return 0;
  if (!my.config.client_certificate) return 1;
  try {
    const auto& chain = my.config.client_certificate->chain();
    bool used = SSL_use_certificate(ssl, chain.front().x509()) == 1 &&
                SSL_use_PrivateKey(ssl, my.config.client_certificate->key()) == 1;
    for (std::size_t i = 1; used && i < chain.size(); ++i) {
      used = SSL_add1_chain_cert(ssl, chain[i].x509()) == 1;
    }
    if (!used && !ran_out_of_memory()) {
      throw Error(Code::invalid, "the client certificate cannot be used with " +
                                     my.endpoint.text() + ": its key or signature is too weak");
    }
    must(used);
    return 1;
  } catch (...) {
    my.callback_failure = std::current_exception();
    return 0;
  }
}

int on_session(SSL* ssl, SSL_SESSION* session) noexcept {
  Connection::Impl& my = connection_of(ssl);
  const Judged& judged = my.stage != Connection::Impl::Stage::open && SSL_session_reused(ssl) == 1
                             ? my.offered
                             : my.judged;
  if (!my.config.resumption || !judged.trusted() || my.callback_failure) return 0;
  try {
    SSL_SESSION_up_ref(session);
    StoredSession stored{SslSessionPtr(session), judged.peer->presented};
    my.shared->sessions.put(my.key_of_session(*judged.view), std::move(stored));
  } catch (...) {
    // The next connection is made without.
  }
  return 0;
}

void on_info(const SSL* ssl, int where, int value) noexcept {
  if ((where & SSL_CB_ALERT) != 0) connection_of(ssl).alert = value & 0xff;
}

} // namespace

Connector::Shared::Shared() : context(SSL_CTX_new(TLS_client_method())) {
  must(context != nullptr);
  SSL_CTX* const made = context.get();
  // Whatever openssl.cnf says.
  must(SSL_CTX_set_min_proto_version(made, TLS1_2_VERSION) == 1);
  must(SSL_CTX_set_max_proto_version(made, 0) == 1);
  must(SSL_CTX_set_cipher_list(made, "DEFAULT:!aNULL:!eNULL:!PSK:!SRP") == 1);
  SSL_CTX_set_security_level(made, 2);
  SSL_CTX_set_options(made, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_clear_options(made, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_LEGACY_SERVER_CONNECT |
                                  SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
  SSL_CTX_set_mode(made, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                             SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_max_cert_list(made, static_cast<long>(kMaxChainBytes));
  SSL_CTX_set_verify(made, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(made, on_chain, nullptr);
  SSL_CTX_set_cert_cb(made, on_certificate_request, nullptr);
  SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(made, on_session);
  SSL_CTX_set_info_callback(made, on_info);
}

std::string Connection::Impl::key_of_session(const View& view) const {
  return session_key(view.header().store_id, endpoint, config);
}

Judged Connection::Impl::judge_again(const std::vector<Certificate>& presented) const {
  Judged made;
  made.view = store->view();
  made.at = store->now();
  made.peer = judge_peer(*store, *made.view, presented, name, endpoint.port, config.judge, made.at);
  return made;
}

void Connection::Impl::judge_presented(STACK_OF(X509) * presented) {
  judged = {};
  const auto view = store->view();
  std::vector<Certificate> chain;
  const int count = sk_X509_num(presented);
  for (int i = 0; i < count && chain.size() <= kMaxChainCertificates; ++i) {
    X509* const x509 = sk_X509_value(presented, i);
    unsigned char* der = nullptr;
    const int length = i2d_X509(x509, &der);
    must(length > 0);
    const OpensslBytes encoded(der);
    try {
      chain.push_back(view->certificate(x509, {der, static_cast<std::size_t>(length)}));
    } catch (const Error& error) {
      Judged unreadable{nullptr, view, store->now()};
      unreadable.peer = unreadable_peer(*view, name, endpoint.port,
                                        "certificate " + std::to_string(i + 1) + " of " +
                                            name.text() + " cannot be read: " + error.message());
      judged = std::move(unreadable);
      return;
    }
  }
  judged = judge_again(chain);
}

void Connection::Impl::offer_session() {
  if (!config.resumption) return;
  const std::string key = key_of_session(*store->view());
  const auto stored = shared->sessions.take(key);
  if (!stored) return;
  Judged again = judge_again(stored->presented);
  if (!again.trusted()) {
    shared->sessions.forget(key);
  } else if (SSL_set_session(ssl.get(), stored->session.get()) == 1) {
    offered = std::move(again);
  } else {
    ERR_clear_error(); // the handshake is made in full
  }
}

void Connection::Impl::begin_tls() {
  ssl.reset(SSL_new(shared->context.get()));
  must(ssl != nullptr);
  BioPtr reads = in_memory ? buffer_bio(in) : socket_bio(fd);
  BioPtr writes = buffer_bio(out);
  keep_first_bytes(reads.get(), first);
  SSL_set_bio(ssl.get(), reads.release(), writes.release());
  must(SSL_set_app_data(ssl.get(), this) == 1);
  if (!name.is_address()) must(SSL_set_tlsext_host_name(ssl.get(), name.text().c_str()) == 1);
  if (config.min_tls == 13) must(SSL_set_min_proto_version(ssl.get(), TLS1_3_VERSION) == 1);
  if (!config.alpn.empty()) {
    std::vector<unsigned char> wire;
    for (const std::string& protocol : config.alpn) {
      wire.push_back(static_cast<unsigned char>(protocol.size()));
      wire.insert(wire.end(), protocol.begin(), protocol.end());
    }
    must(SSL_set_alpn_protos(ssl.get(), wire.data(), static_cast<unsigned>(wire.size())) == 0);
  }
  offer_session();
}

Progress Connection::Impl::step() {
  fail_again();
  if (stage == Stage::open) return flush() ? Progress::done : Progress::want_write;
  try {
    if (stage == Stage::connecting) {
      auto connected = attempt->step();
      fd = connected ? connected->fd.get() : attempt->fd();
      if (!connected) return Progress::want_write;
      owned = std::move(connected->fd);
      attempt.reset();
      stage = Stage::shaking;
    }
    if (!ssl) begin_tls();
    return shake();
  } catch (const Refused&) {
    throw;
  } catch (const Error& error) {
    if (failure) throw;
    fail(error);
  } catch (const std::bad_alloc&) {
    fail_without_memory();
  }
}

Progress Connection::Impl::shake() {
  errno = 0;
  const int result = SSL_connect(ssl.get());
  const int errno_then = errno;
  const int ssl_error = SSL_get_error(ssl.get(), result);
  flush();
  if (callback_failure) std::rethrow_exception(callback_failure);
  if (out.ran_out_of_memory) throw std::bad_alloc();
  if (result == 1) return finish();
  if (judged.peer && !judged.trusted()) fail(judged.peer);
  refuse_foreign(endpoint, first, in_memory ? -1 : fd);
  if (ssl_error != SSL_ERROR_WANT_READ && ssl_error != SSL_ERROR_WANT_WRITE) {
    if (ran_out_of_memory || trust::ran_out_of_memory()) throw std::bad_alloc();
    Error error = handshake_error(endpoint, ssl_error, errno_then, asked_for_certificate);
    if (error.tls_alert() != 0) throw error;
    throw std::move(error).with_tls_alert(alert); // the one that we sent, if any
  }
  if (deadline.passed()) {
    throw deadline.error(endpoint, "in the TLS handshake",
                         first.count > 0 ? "" : "does the server speak TLS on this port?");
  }
  return out.empty() ? Progress::want_read : Progress::want_write;
}

Progress Connection::Impl::finish() {
  resumed = SSL_session_reused(ssl.get()) == 1;
  if (resumed) {
    judged = std::exchange(offered, {});
    // The store may have changed since it was offered.
    if (judged.peer && judged.view != store->view()) judged = judge_again(judged.peer->presented);
  }
  offered = {};
  if (!judged.peer) throw Error(Code::tls, endpoint.text() + " presents no certificate");
  if (!judged.trusted()) {
    shared->sessions.forget(key_of_session(*judged.view));
    fail(judged.peer);
  }
  require_sendable();

  BIO_set_callback_ex(SSL_get_rbio(ssl.get()), nullptr);
  tls_version = SSL_get_version(ssl.get());
  cipher = SSL_get_cipher_name(ssl.get());
  const unsigned char* protocol = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(ssl.get(), &protocol, &length);
  if (length > 0) alpn.assign(reinterpret_cast<const char*>(protocol), length);
  stage = Stage::open;
  return out.empty() || in_memory ? Progress::done : Progress::want_write;
}

} // namespace trust
