/* NULL in every pointer slot of every function: an argument error, never a crash. */
#include <errno.h>

#include "tests/capi/steps.h"

static char junk[8];
#define JUNK(type) ((type*)(void*)junk)

/* A required pointer is NULL: refused, said so, and what would have been given is NULL. */
#define REFUSES(call) EXPECT(TRUST_ERR_ARGUMENT, call)
#define REFUSES_AND_CLEARS(out, call) \
  do {                                \
    REFUSES(call);                    \
    CHECK((out) == 0);                \
  } while (0)

static void NullToFree(void) {
  errno = 4242;
  trust_error_free(NULL);
  trust_store_free(NULL);
  trust_config_free(NULL);
  trust_conn_free(NULL);
  trust_conn_cancel(NULL);
  trust_pool_free(NULL);
  trust_pool_put(NULL, NULL, 1);
  trust_peer_free(NULL);
  trust_pins_free(NULL);
  CHECK(errno == 4242);
}

static void NullToGetters(void) {
  size_t length = 1;
  CHECK(trust_error_status(NULL) == 0);
  CHECK(trust_error_message(NULL) == NULL);
  CHECK(trust_error_hint(NULL) == NULL);
  CHECK(trust_error_errno(NULL) == 0);
  CHECK(trust_error_tls_alert(NULL) == 0);
  CHECK(trust_error_peer(NULL) == NULL);
  CHECK(trust_store_generation(NULL) == 0);
  CHECK(trust_store_directory(NULL) == NULL);
  CHECK(trust_store_bundle_path(NULL) == NULL);
  CHECK(trust_store_env_name(NULL, 0) == NULL);
  CHECK(trust_store_env_value(NULL, 0) == NULL);
  CHECK(trust_conn_fd(NULL) == -1);
  CHECK(trust_conn_pending(NULL) == 0);
  CHECK(trust_conn_tls_version(NULL) == NULL);
  CHECK(trust_conn_cipher(NULL) == NULL);
  CHECK(trust_conn_alpn(NULL) == NULL);
  CHECK(trust_conn_resumed(NULL) == 0);
  CHECK(trust_pool_idle(NULL) == 0);
  CHECK(trust_pool_created(NULL) == 0);
  CHECK(trust_pool_reused(NULL) == 0);
  CHECK(trust_pool_resumed(NULL) == 0);
  CHECK(trust_peer_host(NULL) == NULL);
  CHECK(trust_peer_port(NULL) == 0);
  CHECK(trust_peer_trusted_by(NULL) == 0);
  CHECK(trust_peer_pin_status(NULL) == 0);
  CHECK(trust_peer_generation(NULL) == 0);
  CHECK(trust_peer_fingerprint(NULL) == NULL);
  CHECK(trust_peer_pin(NULL) == NULL);
  CHECK(trust_peer_subject(NULL) == NULL);
  CHECK(trust_peer_issuer(NULL) == NULL);
  CHECK(trust_peer_not_before(NULL) == 0);
  CHECK(trust_peer_not_after(NULL) == 0);
  CHECK(trust_peer_path_not_after(NULL) == 0);
  CHECK(trust_peer_cert_count(NULL) == 0);
  CHECK(trust_peer_cert_der(NULL, 0, &length) == NULL && length == 0);
  CHECK(trust_peer_cert_der(NULL, 0, NULL) == NULL);
  CHECK(trust_peer_json(NULL) == NULL);
  CHECK(trust_pins_count(NULL) == 0);
  CHECK(trust_pins_pin(NULL, 0) == NULL);
  CHECK(trust_pins_note(NULL, 0) == NULL);
  CHECK(trust_pins_expires(NULL, 0) == 0);
  CHECK(trust_pins_enforced(NULL, 0) == 0);
  CHECK(trust_pins_backup(NULL, 0) == 0);
}

static void NullToStores(void) {
  trust_store* store = JUNK(trust_store);
  EXPECT(TRUST_OK, trust_store_open(world_store(), &store, &err));
  REFUSES(trust_store_open(world_store(), NULL, &err));
  REFUSES(trust_store_open(NULL, NULL, &err));
  REFUSES(trust_store_refresh(NULL, &err));
  trust_store_free(store);
}

static void NullToConfigurations(void) {
  trust_config* config = trust_config_new();
  REFUSES(trust_config_set_connect_timeout_ms(NULL, 1, &err));
  REFUSES(trust_config_set_io_timeout_ms(NULL, 1, &err));
  REFUSES(trust_config_set_server_name(NULL, "dev.test", &err));
  REFUSES(trust_config_set_server_name(config, NULL, &err));
  REFUSES(trust_config_set_alpn(NULL, "h2", &err));
  REFUSES(trust_config_set_alpn(config, NULL, &err));
  REFUSES(trust_config_set_min_tls(NULL, 12, &err));
  REFUSES(trust_config_set_client_cert(NULL, junk, 1, junk, 1, NULL, &err));
  REFUSES(trust_config_set_client_cert(config, NULL, 1, junk, 1, NULL, &err));
  REFUSES(trust_config_set_client_cert(config, junk, 1, NULL, 1, NULL, &err));
  REFUSES(trust_config_set_client_cert(config, NULL, 0, NULL, 0, NULL, &err));
  REFUSES(trust_config_add_pin(NULL, "sha256/", &err));
  REFUSES(trust_config_add_pin(config, NULL, &err));
  REFUSES(trust_config_set_require_pin(NULL, 1, &err));
  REFUSES(trust_config_set_resumption(NULL, 1, &err));
  trust_config_free(config);
}

static void NullToVerification(void) {
  trust_store* store = opened();
  const char* const pem = world_chain_pem(WORLD_ECHO);
  const size_t length = strlen(pem);
  trust_peer* peer = JUNK(trust_peer);
  REFUSES_AND_CLEARS(peer, trust_verify(NULL, HOST, 0, pem, length, NULL, &peer, &err));
  peer = JUNK(trust_peer);
  REFUSES_AND_CLEARS(peer, trust_verify(store, NULL, 0, pem, length, NULL, &peer, &err));
  peer = JUNK(trust_peer);
  REFUSES_AND_CLEARS(peer, trust_verify(store, HOST, 0, NULL, length, NULL, &peer, &err));
  REFUSES(trust_verify(store, HOST, 0, pem, length, NULL, NULL, &err));
  CHECK(trust_verify(store, HOST, 0, pem, length, NULL, &peer, NULL) == TRUST_OK);
  CHECK(trust_peer_cert_der(peer, 0, NULL) == NULL);
  trust_peer_free(peer);
  trust_pins* pins = JUNK(trust_pins);
  REFUSES_AND_CLEARS(pins, trust_pins_get(NULL, HOST, 0, &pins, &err));
  pins = JUNK(trust_pins);
  REFUSES_AND_CLEARS(pins, trust_pins_get(store, NULL, 0, &pins, &err));
  REFUSES(trust_pins_get(store, HOST, 0, NULL, &err));
  trust_store_free(store);
}

static void NullToConnections(void) {
  trust_store* store = opened();
  const uint16_t port = world_port(WORLD_ECHO);
  trust_conn* conn = JUNK(trust_conn);
  REFUSES_AND_CLEARS(conn, trust_connect(NULL, HOST, port, NULL, &conn, &err));
  conn = JUNK(trust_conn);
  REFUSES_AND_CLEARS(conn, trust_connect(store, NULL, port, NULL, &conn, &err));
  REFUSES(trust_connect(store, HOST, port, NULL, NULL, &err));
  conn = JUNK(trust_conn);
  REFUSES_AND_CLEARS(conn, trust_conn_start(NULL, HOST, port, NULL, &conn, &err));
  conn = JUNK(trust_conn);
  REFUSES_AND_CLEARS(conn, trust_conn_start(store, NULL, port, NULL, &conn, &err));
  REFUSES(trust_conn_start(store, HOST, port, NULL, NULL, &err));
  conn = JUNK(trust_conn);
  REFUSES_AND_CLEARS(conn, trust_conn_start_fd(NULL, 0, HOST, port, NULL, &conn, &err));
  conn = JUNK(trust_conn);
  REFUSES_AND_CLEARS(conn, trust_conn_start_fd(store, 0, NULL, port, NULL, &conn, &err));
  REFUSES(trust_conn_start_fd(store, 0, HOST, port, NULL, NULL, &err));
  conn = JUNK(trust_conn);
  REFUSES_AND_CLEARS(conn, trust_conn_start_memory(NULL, HOST, port, NULL, &conn, &err));
  conn = JUNK(trust_conn);
  REFUSES_AND_CLEARS(conn, trust_conn_start_memory(store, NULL, port, NULL, &conn, &err));
  REFUSES(trust_conn_start_memory(store, HOST, port, NULL, NULL, &err));

  size_t count = 1;
  REFUSES(trust_conn_handshake(NULL, &err));
  REFUSES_AND_CLEARS(count, trust_conn_read(NULL, junk, 1, &count, &err));
  count = 1;
  REFUSES_AND_CLEARS(count, trust_conn_write(NULL, junk, 1, &count, &err));
  count = 1;
  REFUSES_AND_CLEARS(count, trust_conn_feed(NULL, junk, 1, &count, &err));
  count = 1;
  REFUSES_AND_CLEARS(count, trust_conn_drain(NULL, junk, 1, &count, &err));
  REFUSES(trust_conn_close(NULL, &err));
  REFUSES(trust_conn_set_blocking(NULL, 1, &err));
  trust_peer* peer = JUNK(trust_peer);
  REFUSES_AND_CLEARS(peer, trust_conn_peer(NULL, &peer, &err));

  conn = connected(store, WORLD_ECHO, NULL);
  REFUSES(trust_conn_peer(conn, NULL, &err));
  REFUSES(trust_conn_read(conn, junk, 1, NULL, &err));
  count = 1;
  REFUSES_AND_CLEARS(count, trust_conn_read(conn, NULL, 1, &count, &err));
  REFUSES(trust_conn_write(conn, junk, 1, NULL, &err));
  count = 1;
  REFUSES_AND_CLEARS(count, trust_conn_write(conn, NULL, 1, &count, &err));
  EXPECT(TRUST_OK, trust_conn_write(conn, NULL, 0, &count, &err));
  echoed(conn, "and it works still");
  trust_conn_free(conn);

  EXPECT(TRUST_OK, trust_conn_start_memory(store, HOST, port, NULL, &conn, &err));
  REFUSES(trust_conn_feed(conn, junk, 1, NULL, &err));
  count = 1;
  REFUSES_AND_CLEARS(count, trust_conn_feed(conn, NULL, 1, &count, &err));
  REFUSES(trust_conn_drain(conn, junk, 1, NULL, &err));
  count = 1;
  REFUSES_AND_CLEARS(count, trust_conn_drain(conn, NULL, 1, &count, &err));
  trust_conn_free(conn);
  trust_store_free(store);
}

static void NullToPools(void) {
  trust_store* store = opened();
  trust_pool* pool = JUNK(trust_pool);
  REFUSES_AND_CLEARS(pool, trust_pool_new(NULL, NULL, &pool, &err));
  REFUSES(trust_pool_new(store, NULL, NULL, &err));
  REFUSES(trust_pool_set_limits(NULL, 1, 1, 1, &err));
  EXPECT(TRUST_OK, trust_pool_new(store, NULL, &pool, &err));
  trust_conn* conn = JUNK(trust_conn);
  REFUSES_AND_CLEARS(conn, trust_pool_get(NULL, HOST, 443, &conn, &err));
  conn = JUNK(trust_conn);
  REFUSES_AND_CLEARS(conn, trust_pool_get(pool, NULL, 443, &conn, &err));
  REFUSES(trust_pool_get(pool, HOST, 443, NULL, &err));
  trust_pool_put(pool, NULL, 1);
  trust_pool_free(pool);
  trust_store_free(store);
}

/* `err` may be NULL: every fallible function, failing and succeeding. */
static void NullForTheError(void) {
  trust_store* store = NULL;
  trust_conn* conn = NULL;
  trust_pool* pool = NULL;
  trust_peer* peer = NULL;
  trust_pins* pins = NULL;
  trust_config* config = trust_config_new();
  const char* const pem = world_chain_pem(WORLD_ECHO);
  const uint16_t port = world_port(WORLD_ECHO);
  size_t count = 0;
  char byte = 0;
  CHECK(trust_check_version(0, NULL) == TRUST_ERR_VERSION);
  CHECK(trust_check_version(TRUST_VERSION_NUMBER, NULL) == TRUST_OK);
  CHECK(trust_store_open("/nowhere", &store, NULL) == TRUST_ERR_STORE_MISSING);
  CHECK(trust_store_open(world_store(), &store, NULL) == TRUST_OK);
  CHECK(trust_store_refresh(store, NULL) == TRUST_OK);
  CHECK(trust_store_refresh(NULL, NULL) == TRUST_ERR_ARGUMENT);
  CHECK(trust_config_set_connect_timeout_ms(config, 0, NULL) == TRUST_ERR_ARGUMENT);
  CHECK(trust_config_set_io_timeout_ms(config, 0, NULL) == TRUST_ERR_ARGUMENT);
  CHECK(trust_config_set_server_name(config, "", NULL) == TRUST_ERR_ARGUMENT);
  CHECK(trust_config_set_alpn(config, ",", NULL) == TRUST_ERR_ARGUMENT);
  CHECK(trust_config_set_min_tls(config, 11, NULL) == TRUST_ERR_ARGUMENT);
  CHECK(trust_config_set_client_cert(config, "", 0, "", 0, NULL, NULL) == TRUST_ERR_ARGUMENT);
  CHECK(trust_config_add_pin(config, "", NULL) == TRUST_ERR_ARGUMENT);
  CHECK(trust_config_set_require_pin(NULL, 0, NULL) == TRUST_ERR_ARGUMENT);
  CHECK(trust_config_set_resumption(config, 1, NULL) == TRUST_OK);
  CHECK(trust_verify(store, HOST, 0, "", 0, NULL, &peer, NULL) < 0);
  CHECK(trust_verify(store, HOST, 0, pem, strlen(pem), config, &peer, NULL) == TRUST_OK);
  trust_peer_free(peer);
  CHECK(trust_connect(store, "", port, NULL, &conn, NULL) == TRUST_ERR_ARGUMENT);
  CHECK(trust_conn_start_fd(store, -1, HOST, port, NULL, &conn, NULL) == TRUST_ERR_ARGUMENT);
  CHECK(trust_conn_start(store, "", port, NULL, &conn, NULL) == TRUST_ERR_ARGUMENT);
  CHECK(trust_conn_start_memory(store, "", port, NULL, &conn, NULL) == TRUST_ERR_ARGUMENT);
  CHECK(trust_connect(store, HOST, port, config, &conn, NULL) == TRUST_OK);
  CHECK(trust_conn_handshake(conn, NULL) == TRUST_OK);
  CHECK(trust_conn_write(conn, "x", 1, &count, NULL) == TRUST_OK);
  CHECK(trust_conn_read(conn, &byte, 1, &count, NULL) == TRUST_OK && byte == 'x');
  CHECK(trust_conn_feed(conn, "x", 1, &count, NULL) == TRUST_ERR_STATE);
  CHECK(trust_conn_drain(conn, &byte, 1, &count, NULL) == TRUST_ERR_STATE);
  CHECK(trust_conn_set_blocking(conn, 0, NULL) == TRUST_OK);
  CHECK(trust_conn_peer(NULL, &peer, NULL) == TRUST_ERR_ARGUMENT && peer == NULL);
  CHECK(trust_conn_close(NULL, NULL) == TRUST_ERR_ARGUMENT);
  CHECK(trust_pool_new(store, config, &pool, NULL) == TRUST_OK);
  CHECK(trust_pool_set_limits(pool, 1, 1, 1, NULL) == TRUST_OK);
  trust_conn* other = NULL;
  CHECK(trust_pool_get(pool, "", port, &other, NULL) == TRUST_ERR_ARGUMENT);
  CHECK(trust_pins_get(store, "", 0, &pins, NULL) == TRUST_ERR_ARGUMENT);
  CHECK(trust_pins_get(store, HOST, 0, &pins, NULL) == TRUST_OK);
  trust_pins_free(pins);
  trust_pool_put(pool, conn, 1);
  trust_pool_free(pool);
  trust_config_free(config);
  trust_store_free(store);
}

API_CASES(null_cases, API_CASE(NullToFree), API_CASE(NullToGetters), API_CASE(NullToStores),
          API_CASE(NullToConfigurations), API_CASE(NullToVerification), API_CASE(NullToConnections),
          API_CASE(NullToPools), API_CASE(NullForTheError));
