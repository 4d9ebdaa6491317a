#include "capi/connection.h"

#include "capi/config.h"
#include "capi/guard.h"
#include "capi/input.h"
#include "capi/peer.h"
#include "capi/store.h"
#include "libtrust/error.h"

namespace {

trust_status status_of(trust::Progress progress) noexcept {
  switch (progress) {
    case trust::Progress::done: return TRUST_OK;
    case trust::Progress::want_read: return TRUST_WANT_READ;
    case trust::Progress::want_write: return TRUST_WANT_WRITE;
    case trust::Progress::end: return TRUST_EOF;
  }
  return TRUST_ERR_INTERNAL;
}

// A new connection to host and port: `make` is called with connector, endpoint and configuration.
template <typename Make>
trust_status made(trust_store* store, const char* host, uint16_t port, const trust_config* config,
                  trust_conn** out, trust_error** err, Make&& make) noexcept {
  if (out != nullptr) *out = nullptr;
  return trust::guarded(err, [&] {
    trust::require(store, "store");
    trust::require(out, "out");
    trust::hand_out(out,
                    make(store->value, trust::endpoint_of(host, port), trust::value_of(config)));
    return trust_status{TRUST_OK};
  });
}

// One call on a connection.
template <typename Use>
trust_status used(trust_conn* conn, trust_error** err, Use&& use) noexcept {
  return trust::guarded(err, [&] {
    trust::require(conn, "conn");
    return use(*conn->value);
  });
}

// The same of one that moves bytes; `*out_len` says how many.
template <typename Move>
trust_status moved(trust_conn* conn, size_t* out_len, trust_error** err, Move&& move) noexcept {
  if (out_len != nullptr) *out_len = 0;
  return used(conn, err, [&](trust::Connection& connection) {
    trust::require(out_len, "out_len");
    const trust::Moved result = move(connection);
    *out_len = result.count;
    return status_of(result.progress);
  });
}

// Facts of a handshake are null before it is complete.
const char* text_or_null(const std::string& text) noexcept {
  return text.empty() ? nullptr : text.c_str();
}

} // namespace

extern "C" {

trust_status trust_connect(trust_store* store, const char* host, uint16_t port,
                           const trust_config* config, trust_conn** out, trust_error** err) {
  return made(store, host, port, config, out, err,
              [](const trust::Connector& connector, const auto& endpoint, const auto& options) {
                return connector.connect(endpoint, options);
              });
}

trust_status trust_conn_start(trust_store* store, const char* host, uint16_t port,
                              const trust_config* config, trust_conn** out, trust_error** err) {
  return made(store, host, port, config, out, err,
              [](const trust::Connector& connector, const auto& endpoint, const auto& options) {
                return connector.start(endpoint, options);
              });
}

trust_status trust_conn_start_fd(trust_store* store, int32_t fd, const char* host, uint16_t port,
                                 const trust_config* config, trust_conn** out, trust_error** err) {
  return made(store, host, port, config, out, err,
              [fd](const trust::Connector& connector, const auto& endpoint, const auto& options) {
                return connector.start_fd(fd, endpoint, options);
              });
}

trust_status trust_conn_start_memory(trust_store* store, const char* host, uint16_t port,
                                     const trust_config* config, trust_conn** out,
                                     trust_error** err) {
  return made(store, host, port, config, out, err,
              [](const trust::Connector& connector, const auto& endpoint, const auto& options) {
                return connector.start_memory(endpoint, options);
              });
}

trust_status trust_conn_handshake(trust_conn* conn, trust_error** err) {
  return used(conn, err,
              [](trust::Connection& connection) { return status_of(connection.handshake()); });
}

trust_status trust_conn_read(trust_conn* conn, void* buffer, size_t capacity, size_t* out_len,
                             trust_error** err) {
  return moved(conn, out_len, err, [&](trust::Connection& connection) {
    return connection.read(trust::buffer_at(buffer, capacity, "buffer"));
  });
}

trust_status trust_conn_write(trust_conn* conn, const void* data, size_t len, size_t* out_len,
                              trust_error** err) {
  return moved(conn, out_len, err, [&](trust::Connection& connection) {
    return connection.write(trust::bytes_at(data, len, "data"));
  });
}

trust_status trust_conn_close(trust_conn* conn, trust_error** err) {
  return used(conn, err,
              [](trust::Connection& connection) { return status_of(connection.close()); });
}

void trust_conn_free(trust_conn* conn) { trust::release(conn); }

void trust_conn_cancel(trust_conn* conn) {
  if (conn == nullptr) return;
  const trust::ErrnoAside errno_aside;
  conn->value->cancel();
}

trust_status trust_conn_set_blocking(trust_conn* conn, int32_t on, trust_error** err) {
  return used(conn, err, [on](trust::Connection& connection) {
    connection.set_blocking(on != 0);
    return trust_status{TRUST_OK};
  });
}

int32_t trust_conn_fd(const trust_conn* conn) { return conn == nullptr ? -1 : conn->value->fd(); }

size_t trust_conn_pending(const trust_conn* conn) {
  if (conn == nullptr) return 0;
  const trust::ErrorQueueGuard queue;
  return conn->value->pending();
}

trust_status trust_conn_feed(trust_conn* conn, const void* data, size_t len, size_t* out_used,
                             trust_error** err) {
  return moved(conn, out_used, err, [&](trust::Connection& connection) {
    return trust::Moved{trust::Progress::done, connection.feed(trust::bytes_at(data, len, "data"))};
  });
}

trust_status trust_conn_drain(trust_conn* conn, void* buffer, size_t capacity, size_t* out_len,
                              trust_error** err) {
  return moved(conn, out_len, err, [&](trust::Connection& connection) {
    return trust::Moved{trust::Progress::done,
                        connection.drain(trust::buffer_at(buffer, capacity, "buffer"))};
  });
}

const char* trust_conn_tls_version(const trust_conn* conn) {
  return conn == nullptr ? nullptr : text_or_null(conn->value->tls_version());
}

const char* trust_conn_cipher(const trust_conn* conn) {
  return conn == nullptr ? nullptr : text_or_null(conn->value->cipher());
}

const char* trust_conn_alpn(const trust_conn* conn) {
  if (conn == nullptr || conn->value->tls_version().empty()) return nullptr;
  return conn->value->alpn().c_str();
}

int32_t trust_conn_resumed(const trust_conn* conn) {
  return conn != nullptr && conn->value->resumed() ? 1 : 0;
}

trust_status trust_conn_peer(const trust_conn* conn, trust_peer** out, trust_error** err) {
  if (out != nullptr) *out = nullptr;
  return trust::guarded(err, [&] {
    trust::require(conn, "conn");
    trust::require(out, "out");
    trust::hand_out(out, conn->value->peer());
    return trust_status{TRUST_OK};
  });
}

} // extern "C"
