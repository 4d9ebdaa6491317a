// trust.hpp - trust.h for C++17: handles that free themselves, errors as exceptions.
//
// Every handle is move-only and may be used as trust.h says of the C type beneath it, which get()
// lends. A failed call throws trust::Error or a class derived from it:
//
//   Untrusted   the peer was reached and is not trusted; peer() is what it presented
//   Truncated   the peer went away without closing TLS: data may be missing
//   TimedOut    a deadline passed
//   Cancelled   Connection::cancel was called
//
// Connection::read returns 0 when the peer closed properly, and only then.
#ifndef TRUST_HPP
#define TRUST_HPP

#include <trust.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace trust {
// Names of their own for the linker: a program may contain the library itself.
inline namespace v1 {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* handle) const noexcept {
    Free(handle);
  }
};
template <class T, auto Free>
using Handle = std::unique_ptr<T, Deleter<Free>>;

// What a peer presented and how it was judged. A copy: it depends on nothing.
struct Peer {
  std::string host;
  std::uint16_t port = 0;
  std::int32_t trusted_by = TRUST_BY_NOTHING;
  std::int32_t pin_status = TRUST_PIN_NONE;
  std::uint64_t generation = 0; // of the store that judged
  std::string fingerprint;      // of the leaf: 64 hex digits
  std::string pin;              // of the leaf: "sha256/<base64>"
  std::string subject;
  std::string issuer;
  std::int64_t not_before = 0; // Unix seconds
  std::int64_t not_after = 0;
  std::int64_t path_not_after = 0;             // when anything in the path first ends
  std::vector<std::vector<std::uint8_t>> path; // DER, leaf first; as presented if not verified
  std::string json;                            // as the REST API writes it

  static Peer copied(const trust_peer* from) {
    Peer peer;
    peer.host = text(trust_peer_host(from));
    peer.port = trust_peer_port(from);
    peer.trusted_by = trust_peer_trusted_by(from);
    peer.pin_status = trust_peer_pin_status(from);
    peer.generation = trust_peer_generation(from);
    peer.fingerprint = text(trust_peer_fingerprint(from));
    peer.pin = text(trust_peer_pin(from));
    peer.subject = text(trust_peer_subject(from));
    peer.issuer = text(trust_peer_issuer(from));
    peer.not_before = trust_peer_not_before(from);
    peer.not_after = trust_peer_not_after(from);
    peer.path_not_after = trust_peer_path_not_after(from);
    for (std::size_t index = 0; index < trust_peer_cert_count(from); ++index) {
      std::size_t length = 0;
      const std::uint8_t* der = trust_peer_cert_der(from, index, &length);
      peer.path.emplace_back(der, der + length);
    }
    peer.json = text(trust_peer_json(from));
    return peer;
  }

 private:
  static std::string text(const char* value) { return value == nullptr ? "" : value; }
};

// what() is the message, and below it the hint if there is one.
class Error : public std::runtime_error {
 public:
  Error(trust_status status, const std::string& message, const std::string& hint)
      : Error(Facts{status, message, hint, 0, 0, std::nullopt}) {}
  explicit Error(const trust_error* from) : Error(facts_of(from)) {}

  trust_status status() const noexcept { return facts_->status; }
  const char* name() const noexcept { return trust_status_name(facts_->status); }
  const std::string& message() const noexcept { return facts_->message; } // names host or file
  const std::string& hint() const noexcept { return facts_->hint; }       // "" if nothing helps
  std::int32_t system_errno() const noexcept { return facts_->system_errno; }
  std::int32_t tls_alert() const noexcept { return facts_->tls_alert; }
  // What an untrusted peer presented, else null.
  const Peer* peer() const noexcept { return facts_->peer ? &*facts_->peer : nullptr; }

 private:
  struct Facts {
    trust_status status;
    std::string message;
    std::string hint;
    std::int32_t system_errno;
    std::int32_t tls_alert;
    std::optional<Peer> peer;
  };
  explicit Error(Facts facts)
      : std::runtime_error(facts.hint.empty() ? facts.message
                                              : facts.message + "\nhint: " + facts.hint),
        facts_(std::make_shared<const Facts>(std::move(facts))) {}
  static Facts facts_of(const trust_error* from) {
    Facts facts{trust_error_status(from), trust_error_message(from),   trust_error_hint(from),
                trust_error_errno(from),  trust_error_tls_alert(from), std::nullopt};
    if (const trust_peer* peer = trust_error_peer(from)) facts.peer = Peer::copied(peer);
    return facts;
  }

  std::shared_ptr<const Facts> facts_; // shared, for copying an exception must not throw
};
class Untrusted : public Error {
  using Error::Error;
};
class Truncated : public Error {
  using Error::Error;
};
class TimedOut : public Error {
  using Error::Error;
};
class Cancelled : public Error {
  using Error::Error;
};

namespace detail {

[[noreturn]] inline void raise(trust_status status, trust_error* given) {
  const Handle<trust_error, trust_error_free> error(given);
  if (!error) throw Error(status, trust_status_name(status), "");
  if (trust_status_is_untrusted(status)) throw Untrusted(error.get());
  switch (status) {
    case TRUST_ERR_TRUNCATED: throw Truncated(error.get());
    case TRUST_ERR_TIMEOUT: throw TimedOut(error.get());
    case TRUST_ERR_CANCELLED: throw Cancelled(error.get());
    default: throw Error(error.get());
  }
}

// Calls a function whose last parameter is `err`. Zero or "not now" is returned.
template <class Function, class... Arguments>
trust_status call(Function function, Arguments... arguments) {
  trust_error* error = nullptr;
  const trust_status status = function(arguments..., &error);
  if (status < 0) raise(status, error);
  return status;
}

inline std::uint32_t milliseconds(std::chrono::milliseconds value) {
  if (value.count() < 0) return 0; // refused by the library, by name
  return value.count() > UINT32_MAX ? UINT32_MAX : static_cast<std::uint32_t>(value.count());
}

} // namespace detail

// How to connect. It narrows what the store trusts and cannot widen it. Copied when it is used.
class Config {
 public:
  Config() : handle_(trust_config_new()) {
    if (!handle_) throw std::bad_alloc();
  }
  // Name, TCP and handshake together.
  Config& connect_timeout(std::chrono::milliseconds value) {
    detail::call(trust_config_set_connect_timeout_ms, get(), detail::milliseconds(value));
    return *this;
  }
  // One silence within a blocking read or write.
  Config& io_timeout(std::chrono::milliseconds value) {
    detail::call(trust_config_set_io_timeout_ms, get(), detail::milliseconds(value));
    return *this;
  }
  Config& server_name(const std::string& name) {
    detail::call(trust_config_set_server_name, get(), name.c_str());
    return *this;
  }
  Config& alpn(const std::string& protocols) { // "h2,http/1.1"
    detail::call(trust_config_set_alpn, get(), protocols.c_str());
    return *this;
  }
  Config& min_tls(std::int32_t version) { // 12 or 13
    detail::call(trust_config_set_min_tls, get(), version);
    return *this;
  }
  Config& client_cert(std::string_view chain_pem, std::string_view key_pem,
                      const char* password = nullptr) {
    detail::call(trust_config_set_client_cert, get(), static_cast<const void*>(chain_pem.data()),
                 chain_pem.size(), static_cast<const void*>(key_pem.data()), key_pem.size(),
                 password);
    return *this;
  }
  Config& add_pin(const std::string& pin) {
    detail::call(trust_config_add_pin, get(), pin.c_str());
    return *this;
  }
  Config& require_pin(bool on = true) {
    detail::call(trust_config_set_require_pin, get(), on ? 1 : 0);
    return *this;
  }
  Config& resumption(bool on) {
    detail::call(trust_config_set_resumption, get(), on ? 1 : 0);
    return *this;
  }
  trust_config* get() const noexcept { return handle_.get(); }

 private:
  Handle<trust_config, trust_config_free> handle_;
};

struct PinEntry {
  std::string pin;
  std::string note;
  std::optional<std::int64_t> expires;
  bool enforced;
  bool backup;
};

// The published store. Any number of threads may use one.
class Store {
 public:
  // Without a directory: $TRUSTD_STORE, else the user's store, else the machine's.
  Store() : Store(static_cast<const char*>(nullptr)) {}
  explicit Store(const std::string& directory) : Store(directory.c_str()) {}

  void refresh() { detail::call(trust_store_refresh, get()); }
  std::uint64_t generation() const { return trust_store_generation(get()); }
  std::string directory() const { return trust_store_directory(get()); }
  std::string bundle_path() const { return trust_store_bundle_path(get()); }
  // What makes other programs trust the same.
  std::vector<std::pair<std::string, std::string>> environment() const {
    std::vector<std::pair<std::string, std::string>> found;
    for (std::size_t index = 0; const char* name = trust_store_env_name(get(), index); ++index)
      found.emplace_back(name, trust_store_env_value(get(), index));
    return found;
  }
  // Judges a chain, leaf first: PEM, or DER concatenated. Throws Untrusted.
  Peer verify(const std::string& host, std::uint16_t port, std::string_view chain,
              const Config* config = nullptr) {
    trust_peer* peer = nullptr;
    detail::call(trust_verify, get(), host.c_str(), port, static_cast<const void*>(chain.data()),
                 chain.size(), static_cast<const trust_config*>(config ? config->get() : nullptr),
                 &peer);
    const Handle<trust_peer, trust_peer_free> owner(peer);
    return Peer::copied(peer);
  }
  std::vector<PinEntry> pins(const std::string& host, std::uint16_t port) {
    trust_pins* pins = nullptr;
    detail::call(trust_pins_get, get(), host.c_str(), port, &pins);
    const Handle<trust_pins, trust_pins_free> owner(pins);
    std::vector<PinEntry> found;
    for (std::size_t index = 0; index < trust_pins_count(pins); ++index) {
      const std::int64_t expires = trust_pins_expires(pins, index);
      found.push_back({trust_pins_pin(pins, index), trust_pins_note(pins, index),
                       expires ? std::optional(expires) : std::nullopt,
                       trust_pins_enforced(pins, index) == 1, trust_pins_backup(pins, index) == 1});
    }
    return found;
  }
  trust_store* get() const noexcept { return handle_.get(); }

 private:
  explicit Store(const char* directory) {
    detail::call(trust_check_version, static_cast<std::uint32_t>(TRUST_VERSION_NUMBER));
    trust_store* store = nullptr;
    detail::call(trust_store_open, directory, &store);
    handle_.reset(store);
  }
  Handle<trust_store, trust_store_free> handle_;
};

// What a call on a connection that does not block came to.
enum class Progress { kDone, kWantRead, kWantWrite, kEof };

// One verified connection. It belongs to one thread at a time, but may be read by one while
// another writes, and cancelled from any.
class Connection {
 public:
  // Connects, verifies, and blocks from then on.
  Connection(const Store& store, const std::string& host, std::uint16_t port,
             const Config* config = nullptr) {
    take(trust_connect, store, host, port, config);
  }
  // The following do not block, and go on with handshake().
  static Connection start(const Store& store, const std::string& host, std::uint16_t port,
                          const Config* config = nullptr) {
    Connection connection;
    connection.take(trust_conn_start, store, host, port, config);
    return connection;
  }
  // Over a connected socket, which the caller closes after the connection is gone.
  static Connection start_fd(const Store& store, int fd, const std::string& host,
                             std::uint16_t port, const Config* config = nullptr) {
    Connection connection;
    trust_conn* made = nullptr;
    detail::call(trust_conn_start_fd, store.get(), static_cast<std::int32_t>(fd), host.c_str(),
                 port, settings(config), &made);
    connection.handle_.reset(made);
    return connection;
  }
  // The caller carries the encrypted bytes, with feed() and drain().
  static Connection start_memory(const Store& store, const std::string& host, std::uint16_t port,
                                 const Config* config = nullptr) {
    Connection connection;
    connection.take(trust_conn_start_memory, store, host, port, config);
    return connection;
  }
  // Of a pool; release() gives it back.
  static Connection adopt(trust_conn* made) {
    Connection connection;
    connection.handle_.reset(made);
    return connection;
  }

  Progress handshake() { return progress(detail::call(trust_conn_handshake, get())); }

  // Blocking: at least one byte, or 0 when the peer closed properly.
  std::size_t read(void* buffer, std::size_t capacity) {
    std::size_t length = 0;
    const trust_status status = detail::call(trust_conn_read, get(), buffer, capacity, &length);
    if (status == TRUST_WANT_READ || status == TRUST_WANT_WRITE)
      throw std::logic_error("read() of a connection that does not block: use try_read()");
    return length;
  }
  // Until the peer closes properly.
  std::string read_all() {
    std::string found;
    char buffer[16384];
    while (const std::size_t length = read(buffer, sizeof buffer)) found.append(buffer, length);
    return found;
  }
  // Blocking: all of it.
  void write(const void* data, std::size_t length) {
    std::size_t put = 0;
    if (detail::call(trust_conn_write, get(), data, length, &put) != TRUST_OK)
      throw std::logic_error("write() of a connection that does not block: use try_write()");
  }
  void write(std::string_view data) { write(data.data(), data.size()); }

  // Not blocking: `length` is what was moved.
  Progress try_read(void* buffer, std::size_t capacity, std::size_t& length) {
    return progress(detail::call(trust_conn_read, get(), buffer, capacity, &length));
  }
  Progress try_write(const void* data, std::size_t size, std::size_t& length) {
    return progress(detail::call(trust_conn_write, get(), data, size, &length));
  }
  // No more will be written; reading may go on.
  Progress close() { return progress(detail::call(trust_conn_close, get())); }
  // Calls in any thread throw Cancelled from now on.
  void cancel() noexcept { trust_conn_cancel(get()); }

  void blocking(bool on) { detail::call(trust_conn_set_blocking, get(), on ? 1 : 0); }
  int fd() const noexcept { return trust_conn_fd(get()); }
  std::size_t pending() const noexcept { return trust_conn_pending(get()); }

  // Memory connections: how much was taken of what arrived; what is to be sent, 0 if nothing.
  std::size_t feed(const void* data, std::size_t length) {
    std::size_t used = 0;
    detail::call(trust_conn_feed, get(), data, length, &used);
    return used;
  }
  std::size_t drain(void* buffer, std::size_t capacity) {
    std::size_t length = 0;
    detail::call(trust_conn_drain, get(), buffer, capacity, &length);
    return length;
  }

  std::string tls_version() const { return fact(trust_conn_tls_version(get())); }
  std::string cipher() const { return fact(trust_conn_cipher(get())); }
  std::string alpn() const { return fact(trust_conn_alpn(get())); }
  bool resumed() const noexcept { return trust_conn_resumed(get()) == 1; }
  Peer peer() const {
    trust_peer* peer = nullptr;
    detail::call(trust_conn_peer, static_cast<const trust_conn*>(get()), &peer);
    const Handle<trust_peer, trust_peer_free> owner(peer);
    return Peer::copied(peer);
  }

  trust_conn* get() const noexcept { return handle_.get(); }
  trust_conn* release() noexcept { return handle_.release(); }

 private:
  Connection() = default;
  template <class Function>
  void take(Function function, const Store& store, const std::string& host, std::uint16_t port,
            const Config* config) {
    trust_conn* made = nullptr;
    detail::call(function, store.get(), host.c_str(), port, settings(config), &made);
    handle_.reset(made);
  }
  static const trust_config* settings(const Config* config) {
    return config ? config->get() : nullptr;
  }
  static std::string fact(const char* value) { return value == nullptr ? "" : value; }
  static Progress progress(trust_status status) {
    switch (status) {
      case TRUST_WANT_READ: return Progress::kWantRead;
      case TRUST_WANT_WRITE: return Progress::kWantWrite;
      case TRUST_EOF: return Progress::kEof;
      default: return Progress::kDone;
    }
  }
  Handle<trust_conn, trust_conn_free> handle_;
};

// Idle connections, ready to use again; each is judged again before it is handed out. Any number
// of threads may use one.
class Pool {
 public:
  explicit Pool(const Store& store, const Config* config = nullptr) {
    trust_pool* pool = nullptr;
    detail::call(trust_pool_new, store.get(),
                 static_cast<const trust_config*>(config ? config->get() : nullptr), &pool);
    handle_.reset(pool);
  }
  void limits(std::uint32_t max_per_host, std::uint32_t max_total, std::chrono::milliseconds idle) {
    detail::call(trust_pool_set_limits, get(), max_per_host, max_total, detail::milliseconds(idle));
  }
  Connection take(const std::string& host, std::uint16_t port) {
    trust_conn* made = nullptr;
    detail::call(trust_pool_get, get(), host.c_str(), port, &made);
    return Connection::adopt(made);
  }
  // For a connection whose answer was read to its end. One that is not put back is simply closed.
  void put(Connection connection) noexcept { trust_pool_put(get(), connection.release(), 1); }
  std::uint64_t idle() const noexcept { return trust_pool_idle(get()); }
  std::uint64_t created() const noexcept { return trust_pool_created(get()); }
  std::uint64_t reused() const noexcept { return trust_pool_reused(get()); }
  std::uint64_t resumed() const noexcept { return trust_pool_resumed(get()); }
  trust_pool* get() const noexcept { return handle_.get(); }

 private:
  Handle<trust_pool, trust_pool_free> handle_;
};

} // namespace v1
} // namespace trust

#endif // TRUST_HPP
