/* Connections without a socket: the caller carries the bytes. */
#include "tests/capi/steps.h"

static trust_conn* begun(trust_store* store) {
  trust_conn* conn = NULL;
  EXPECT(TRUST_OK, trust_conn_start_memory(store, HOST, 443, NULL, &conn, &err));
  return conn;
}

/* Carries what is there to the server and back, until neither side has more. */
static void carried(trust_conn* conn) {
  static char out[20000], in[20000];
  for (int quiet = 0; !quiet;) {
    size_t length = 0, used = 0, taken = 0;
    EXPECT(TRUST_OK, trust_conn_drain(conn, out, sizeof out, &length, &err));
    const size_t answer = world_exchange(out, length, in, sizeof in);
    quiet = length == 0 && answer == 0;
    while (taken < answer) {
      EXPECT(TRUST_OK, trust_conn_feed(conn, in + taken, answer - taken, &used, &err));
      if (used == 0) break;
      taken += used;
    }
    CHECK(taken == answer);
  }
}

static trust_conn* shaken(trust_store* store) {
  trust_conn* conn = begun(store);
  trust_status status = TRUST_WANT_READ;
  for (int i = 0; i < 10 && status != TRUST_OK; ++i) {
    trust_error* error = NULL;
    status = trust_conn_handshake(conn, &error);
    CHECK(error == NULL);
    trust_error_free(error);
    carried(conn);
  }
  CHECK(status == TRUST_OK);
  return conn;
}

static void ShakesHandsAndTalks(void) {
  trust_store* store = opened();
  trust_conn* conn = shaken(store);
  char text[16] = {0};
  size_t count = 0;
  CHECK(trust_conn_fd(conn) == -1);
  CHECK_TEXT(trust_conn_tls_version(conn), "TLSv1.3");
  EXPECT(TRUST_WANT_READ, trust_conn_read(conn, text, sizeof text, &count, &err));
  EXPECT(TRUST_OK, trust_conn_write(conn, "hello", 5, &count, &err));
  CHECK(count == 5);
  carried(conn);
  EXPECT(TRUST_OK, trust_conn_read(conn, text, sizeof text - 1, &count, &err));
  CHECK_TEXT(text, "hello");
  EXPECT(TRUST_ERR_STATE, trust_conn_set_blocking(conn, 1, &err));
  trust_conn_free(conn);
  trust_store_free(store);
}

static void NothingIsReadOrWrittenBeforeThePeerIsVerified(void) {
  trust_store* store = opened();
  trust_conn* conn = begun(store);
  char byte;
  size_t count = 1;
  EXPECT(TRUST_WANT_WRITE, trust_conn_handshake(conn, &err)); /* there is a greeting to carry */
  EXPECT(TRUST_ERR_STATE, trust_conn_write(conn, "x", 1, &count, &err));
  EXPECT(TRUST_ERR_STATE, trust_conn_read(conn, &byte, 1, &count, &err));
  trust_conn_free(conn);
  trust_store_free(store);
}

static void EndsProperly(void) {
  trust_store* store = opened();
  trust_conn* conn = shaken(store);
  char byte;
  size_t count = 0;
  world_exchange_close();
  carried(conn);
  EXPECT(TRUST_EOF, trust_conn_read(conn, &byte, 1, &count, &err));
  EXPECT(TRUST_OK, trust_conn_close(conn, &err));
  carried(conn);
  trust_conn_free(conn);
  trust_store_free(store);
}

static void ATransportThatEndsIsTruncation(void) {
  trust_store* store = opened();
  trust_conn* conn = shaken(store);
  char byte;
  size_t count = 1;
  EXPECT(TRUST_OK, trust_conn_feed(conn, NULL, 0, &count, &err));
  CHECK(count == 0);
  EXPECT(TRUST_ERR_TRUNCATED, trust_conn_read(conn, &byte, 1, &count, &err));
  trust_conn_free(conn);
  trust_store_free(store);
}

static void ARefusedPeerIsToldByAnAlert(void) {
  static char out[20000], in[20000];
  world_distrust();
  trust_store* store = opened();
  trust_conn* conn = begun(store);
  size_t length = 0, count = 0;
  trust_status status = TRUST_WANT_READ;
  for (int i = 0; i < 10 && status >= 0; ++i) {
    trust_error* error = NULL;
    status = trust_conn_handshake(conn, &error);
    trust_error_free(error);
    if (status < 0) break;
    EXPECT(TRUST_OK, trust_conn_drain(conn, out, sizeof out, &length, &err));
    length = world_exchange(out, length, in, sizeof in);
    trust_error* ignored = NULL; /* `*out_used` may come together with an error */
    status = trust_conn_feed(conn, in, length, &count, &ignored);
    trust_error_free(ignored);
  }
  CHECK(status == TRUST_ERR_DISTRUSTED);
  EXPECT(TRUST_OK, trust_conn_drain(conn, out, sizeof out, &length, &err));
  CHECK(length > 0);
  EXPECT(TRUST_ERR_DISTRUSTED, trust_conn_handshake(conn, &err));
  trust_conn_free(conn);
  trust_store_free(store);
}

static void SocketsAreNotFed(void) {
  trust_store* store = opened();
  trust_conn* conn = connected(store, WORLD_ECHO, NULL);
  char byte;
  size_t count = 1;
  EXPECT(TRUST_ERR_STATE, trust_conn_feed(conn, "x", 1, &count, &err));
  CHECK(count == 0);
  EXPECT(TRUST_ERR_STATE, trust_conn_drain(conn, &byte, 1, &count, &err));
  echoed(conn, "none the worse");
  trust_conn_free(conn);
  trust_store_free(store);
}

API_CASES(memory_cases, API_CASE(ShakesHandsAndTalks),
          API_CASE(NothingIsReadOrWrittenBeforeThePeerIsVerified), API_CASE(EndsProperly),
          API_CASE(ATransportThatEndsIsTruncation), API_CASE(ARefusedPeerIsToldByAnAlert),
          API_CASE(SocketsAreNotFed));
