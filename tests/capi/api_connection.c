/* Connections over sockets. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/capi/steps.h"
#include "tests/in_poll.h"

static int64_t milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int socket_to(uint16_t port) {
  struct sockaddr_in address = {0};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(connect(fd, (struct sockaddr*)&address, sizeof address) == 0);
  return fd;
}

/* Waits as a status says; another status is the answer. */
static trust_status waited(trust_conn* conn, trust_status status) {
  struct pollfd item = {trust_conn_fd(conn), 0, 0};
  if (status == TRUST_WANT_READ) item.events = POLLIN;
  if (status == TRUST_WANT_WRITE) item.events = POLLOUT;
  if (item.events != 0) CHECK(poll(&item, 1, 10000) == 1);
  return status;
}

static trust_status shaken(trust_conn* conn, trust_error** err) {
  trust_status status;
  *err = NULL;
  do {
    trust_error_free(*err);
    status = waited(conn, trust_conn_handshake(conn, err));
  } while (status == TRUST_WANT_READ || status == TRUST_WANT_WRITE);
  return status;
}

static void ConnectsReadsWritesAndCloses(void) {
  trust_store* store = opened();
  trust_conn* conn = connected(store, WORLD_ECHO, NULL);
  char byte;
  size_t count = 1;
  echoed(conn, "hello");
  EXPECT(TRUST_OK, trust_conn_close(conn, &err));
  EXPECT(TRUST_OK, trust_conn_close(conn, &err));
  EXPECT(TRUST_ERR_STATE, trust_conn_write(conn, "x", 1, &count, &err));
  CHECK(count == 0);
  count = 1;
  EXPECT(TRUST_EOF, trust_conn_read(conn, &byte, 1, &count, &err));
  CHECK(count == 0);
  EXPECT(TRUST_EOF, trust_conn_read(conn, &byte, 1, &count, &err));
  trust_conn_free(conn);
  trust_store_free(store);
}

static void ReadingGoesOnAfterClose(void) {
  trust_store* store = opened();
  trust_conn* conn = connected(store, WORLD_ECHO, NULL);
  char text[8] = {0};
  size_t count = 0;
  EXPECT(TRUST_OK, trust_conn_write(conn, "later", 5, &count, &err));
  EXPECT(TRUST_OK, trust_conn_close(conn, &err));
  EXPECT(TRUST_OK, trust_conn_read(conn, text, sizeof text - 1, &count, &err));
  CHECK_TEXT(text, "later");
  EXPECT(TRUST_EOF, trust_conn_read(conn, text, sizeof text, &count, &err));
  trust_conn_free(conn);
  trust_store_free(store);
}

static void BlockingWriteWritesAllOfIt(void) {
  enum { kLength = 300000 };
  trust_store* store = opened();
  trust_conn* conn = connected(store, WORLD_ECHO, NULL);
  char* const data = malloc(kLength);
  char* const back = malloc(kLength);
  size_t count = 0, got = 0;
  for (size_t i = 0; i < kLength; ++i) data[i] = (char)(i * 7);
  for (size_t sent = 0; sent < kLength; sent += 30000) { /* the echo is never too far behind */
    EXPECT(TRUST_OK, trust_conn_write(conn, data + sent, 30000, &count, &err));
    CHECK(count == 30000);
    while (got < sent + 30000) {
      EXPECT(TRUST_OK, trust_conn_read(conn, back + got, kLength - got, &count, &err));
      if (count == 0) break;
      got += count;
    }
  }
  CHECK(got == kLength && memcmp(data, back, kLength) == 0);
  free(data);
  free(back);
  trust_conn_free(conn);
  trust_store_free(store);
}

static void ReadGivesAtMostTheCapacityAndTheRestIsPending(void) {
  trust_store* store = opened();
  trust_conn* conn = connected(store, WORLD_ECHO, NULL);
  char text[4] = {0};
  size_t count = 0;
  CHECK(trust_conn_pending(conn) == 0);
  EXPECT(TRUST_OK, trust_conn_write(conn, "abcde", 5, &count, &err));
  EXPECT(TRUST_OK, trust_conn_read(conn, text, 2, &count, &err));
  CHECK(count == 2 && memcmp(text, "ab", 2) == 0);
  CHECK(trust_conn_pending(conn) == 3);
  EXPECT(TRUST_OK, trust_conn_read(conn, text, 4, &count, &err));
  CHECK(count == 3 && memcmp(text, "cde", 3) == 0);
  CHECK(trust_conn_pending(conn) == 0);
  trust_conn_free(conn);
  trust_store_free(store);
}

static void TheStoreMayBeFreedFirst(void) {
  trust_store* store = opened();
  trust_conn* conn = connected(store, WORLD_ECHO, NULL);
  trust_store_free(store);
  echoed(conn, "still here");
  trust_conn_free(conn);
}

static void NoDataMovesUnverified(void) {
  trust_store* store = opened();
  trust_conn* conn = NULL;
  trust_peer* peer = NULL;
  char byte;
  size_t count = 1;
  EXPECT(TRUST_OK, trust_conn_start(store, HOST, world_port(WORLD_ECHO), NULL, &conn, &err));
  EXPECT(TRUST_ERR_STATE, trust_conn_read(conn, &byte, 1, &count, &err));
  CHECK(count == 0);
  EXPECT(TRUST_ERR_STATE, trust_conn_write(conn, "x", 1, &count, &err));
  EXPECT(TRUST_ERR_STATE, trust_conn_peer(conn, &peer, &err));
  CHECK(trust_conn_tls_version(conn) == NULL && trust_conn_cipher(conn) == NULL);
  CHECK(trust_conn_alpn(conn) == NULL && trust_conn_resumed(conn) == 0);
  EXPECT(TRUST_OK, shaken(conn, &err));
  CHECK_TEXT(trust_conn_tls_version(conn), "TLSv1.3");
  CHECK(trust_conn_cipher(conn)[0] != '\0');
  CHECK_TEXT(trust_conn_alpn(conn), "");
  trust_conn_free(conn);
  trust_store_free(store);
}

static void NonBlockingNeverWaits(void) {
  trust_store* store = opened();
  trust_conn* conn = NULL;
  char text[8] = {0};
  size_t count = 1;
  trust_status status;
  EXPECT(TRUST_OK, trust_conn_start(store, HOST, world_port(WORLD_ECHO), NULL, &conn, &err));
  CHECK(trust_conn_fd(conn) >= 0);
  EXPECT(TRUST_OK, shaken(conn, &err));
  EXPECT(TRUST_WANT_READ, trust_conn_read(conn, text, sizeof text, &count, &err));
  CHECK(count == 0);
  EXPECT(TRUST_OK, trust_conn_write(conn, "now", 3, &count, &err));
  CHECK(count == 3);
  do {
    trust_error* err = NULL;
    status = waited(conn, trust_conn_read(conn, text, sizeof text - 1, &count, &err));
    trust_error_free(err);
  } while (status == TRUST_WANT_READ);
  CHECK(status == TRUST_OK);
  CHECK_TEXT(text, "now");
  EXPECT(TRUST_OK, trust_conn_set_blocking(conn, 1, &err));
  echoed(conn, "blocking");
  trust_conn_free(conn);
  trust_store_free(store);
}

static void NonBlockingWriteSaysWhenThereIsNoRoom(void) {
  static char block[65536];
  trust_store* store = opened();
  trust_conn* conn = connected(store, WORLD_ECHO, NULL);
  size_t count = 0;
  trust_status status = TRUST_OK;
  EXPECT(TRUST_OK, trust_conn_set_blocking(conn, 0, &err));
  for (int i = 0; i < 10000 && status == TRUST_OK; ++i) {
    trust_error* err = NULL;
    status = trust_conn_write(conn, block, sizeof block, &count, &err);
    CHECK(err == NULL);
    CHECK((status == TRUST_OK) == (count > 0));
    trust_error_free(err);
  }
  CHECK(status == TRUST_WANT_WRITE || status == TRUST_WANT_READ);
  trust_conn_free(conn);
  trust_store_free(store);
}

static void TheCallerClosesItsSocket(void) {
  trust_store* store = opened();
  trust_conn* conn = NULL;
  const int fd = socket_to(world_port(WORLD_ECHO));
  EXPECT(TRUST_OK, trust_conn_start_fd(store, fd, HOST, world_port(WORLD_ECHO), NULL, &conn, &err));
  CHECK(trust_conn_fd(conn) == fd);
  CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
  EXPECT(TRUST_OK, shaken(conn, &err));
  EXPECT(TRUST_OK, trust_conn_set_blocking(conn, 1, &err));
  echoed(conn, "over mine");
  trust_conn_free(conn);
  CHECK(fcntl(fd, F_GETFD) >= 0);
  CHECK(close(fd) == 0);
  EXPECT(TRUST_ERR_ARGUMENT,
         trust_conn_start_fd(store, fd, HOST, world_port(WORLD_ECHO), NULL, &conn, &err));
  EXPECT(TRUST_ERR_ARGUMENT,
         trust_conn_start_fd(store, -1, HOST, world_port(WORLD_ECHO), NULL, &conn, &err));
  const int file = open("/dev/null", O_RDWR | O_CLOEXEC);
  EXPECT(TRUST_ERR_ARGUMENT,
         trust_conn_start_fd(store, file, HOST, world_port(WORLD_ECHO), NULL, &conn, &err));
  CHECK(conn == NULL);
  close(file);
  trust_store_free(store);
}

static void TruncationIsNotTheEnd(void) {
  trust_store* store = opened();
  trust_conn* conn = connected(store, WORLD_TRUNCATES, NULL);
  char text[8] = {0};
  size_t count = 0;
  EXPECT(TRUST_OK, trust_conn_read(conn, text, sizeof text - 1, &count, &err));
  CHECK_TEXT(text, "part");
  EXPECT(TRUST_ERR_TRUNCATED, trust_conn_read(conn, text, sizeof text, &count, &err));
  CHECK(count == 0);
  EXPECT(TRUST_ERR_TRUNCATED, trust_conn_read(conn, text, sizeof text, &count, &err));
  trust_conn_free(conn);
  trust_store_free(store);
}

/* SIGPIPE has its default action here, which would end the program. */
static void AClosedPeerIsAnErrorAndNoSignal(void) {
  trust_store* store = opened();
  trust_conn* conn = connected(store, WORLD_ECHO, NULL);
  echoed(conn, "here");
  world_hang_up(WORLD_ECHO);
  trust_status status = TRUST_OK;
  for (int i = 0; i < 1000 && status >= 0; ++i) {
    size_t count = 0;
    trust_error* err = NULL;
    status = trust_conn_write(conn, "gone", 4, &count, &err);
    trust_error_free(err);
  }
  CHECK(status == TRUST_ERR_IO || status == TRUST_ERR_TRUNCATED);
  trust_conn_free(conn);
  trust_store_free(store);
}

static void ARefusedPeerIsShown(void) {
  trust_store* store = opened();
  trust_conn* conn = (trust_conn*)&conn;
  trust_error* error = NULL;
  CHECK(trust_connect(store, HOST, world_port(WORLD_SELF_SIGNED), NULL, &conn, &error) ==
        TRUST_ERR_SELF_SIGNED);
  CHECK(conn == NULL);
  CHECK_HAS(trust_error_message(error), HOST);
  CHECK(trust_error_hint(error)[0] != '\0');
  const trust_peer* peer = trust_error_peer(error);
  CHECK_TEXT(trust_peer_host(peer), HOST);
  CHECK(trust_peer_port(peer) == world_port(WORLD_SELF_SIGNED));
  CHECK(trust_peer_trusted_by(peer) == TRUST_BY_NOTHING);
  CHECK_TEXT(trust_peer_fingerprint(peer), world_fingerprint_of(WORLD_SELF_SIGNED));
  CHECK_TEXT(trust_peer_subject(peer), "CN=stranger");
  CHECK(trust_peer_cert_count(peer) == 1);
  trust_error_free(error);
  trust_config* config = trust_config_new();
  EXPECT(TRUST_OK, trust_config_set_server_name(config, "elsewhere.test", &err));
  EXPECT(TRUST_ERR_NAME_MISMATCH,
         trust_connect(store, HOST, world_port(WORLD_ECHO), config, &conn, &err));
  trust_config_free(config);
  trust_store_free(store);
}

static void ALeafIsTrustedAsItIs(void) {
  trust_store* store = opened();
  trust_conn* conn = connected(store, WORLD_LEAF, NULL);
  trust_peer* peer = NULL;
  EXPECT(TRUST_OK, trust_conn_peer(conn, &peer, &err));
  CHECK(trust_peer_trusted_by(peer) == TRUST_BY_ADDED_LEAF);
  trust_peer_free(peer);
  trust_conn_free(conn);
  trust_store_free(store);
}

static void TheServersNameStandsInForTheHost(void) {
  trust_store* store = opened();
  trust_config* config = trust_config_new();
  trust_peer* peer = NULL;
  EXPECT(TRUST_OK, trust_config_set_server_name(config, "Dev.Test", &err));
  trust_conn* conn = connected(store, WORLD_ECHO, config);
  EXPECT(TRUST_OK, trust_conn_peer(conn, &peer, &err));
  CHECK_TEXT(trust_peer_host(peer), "dev.test");
  trust_peer_free(peer);
  trust_conn_free(conn);
  world_pin("dev.test", 0, 1, 0); /* and pins are looked up under it */
  EXPECT(TRUST_OK, trust_store_refresh(store, &err));
  EXPECT(TRUST_ERR_PIN_MISMATCH,
         trust_connect(store, HOST, world_port(WORLD_ECHO), config, &conn, &err));
  trust_config_free(config);
  trust_store_free(store);
}

static void ProtocolsAreAgreed(void) {
  trust_store* store = opened();
  trust_config* config = trust_config_new();
  EXPECT(TRUST_OK, trust_config_set_alpn(config, "http/1.1", &err));
  trust_conn* conn = connected(store, WORLD_ECHO, config);
  CHECK_TEXT(trust_conn_alpn(conn), "http/1.1");
  trust_conn_free(conn);
  EXPECT(TRUST_OK, trust_config_set_alpn(config, "spdy/9", &err));
  conn = connected(store, WORLD_ECHO, config);
  CHECK_TEXT(trust_conn_alpn(conn), "");
  trust_conn_free(conn);
  trust_config_free(config);
  trust_store_free(store);
}

static void TheLeastVersionIsKept(void) {
  trust_store* store = opened();
  trust_config* config = trust_config_new();
  trust_conn* conn = connected(store, WORLD_TLS12, NULL);
  CHECK_TEXT(trust_conn_tls_version(conn), "TLSv1.2");
  trust_conn_free(conn);
  EXPECT(TRUST_OK, trust_config_set_min_tls(config, 13, &err));
  trust_error* error = NULL;
  CHECK(trust_connect(store, HOST, world_port(WORLD_TLS12), config, &conn, &error) ==
        TRUST_ERR_TLS);
  CHECK(trust_error_tls_alert(error) == 70); /* protocol_version */
  trust_error_free(error);
  trust_config_free(config);
  trust_store_free(store);
}

static void WeAreShownToAServerThatAsks(void) {
  const char* const cert = world_client_pem();
  const char* const key = world_client_key();
  trust_store* store = opened();
  trust_config* config = trust_config_new();
  char name[16] = {0};
  size_t count = 0;
  EXPECT(TRUST_OK,
         trust_config_set_client_cert(config, cert, strlen(cert), key, strlen(key), NULL, &err));
  trust_conn* conn = connected(store, WORLD_WANTS_US, config);
  EXPECT(TRUST_OK, trust_conn_read(conn, name, sizeof name - 1, &count, &err));
  CHECK_TEXT(name, "client");
  trust_conn_free(conn);
  trust_config_free(config);
  trust_store_free(store);
}

static void PinsOfTheStoreRefuseWithAMessageForAPerson(void) {
  trust_store* store = opened();
  trust_conn* conn = connected(store, WORLD_ECHO, NULL);
  trust_conn_free(conn);
  world_pin(HOST, 0, 1, 0);
  EXPECT(TRUST_OK, trust_store_refresh(store, &err));
  trust_error* error = NULL;
  CHECK(trust_connect(store, HOST, world_port(WORLD_ECHO), NULL, &conn, &error) ==
        TRUST_ERR_PIN_MISMATCH);
  CHECK_HAS(trust_error_message(error), HOST);
  CHECK_HAS(trust_error_hint(error), "trustctl");
  CHECK(trust_peer_pin_status(trust_error_peer(error)) == TRUST_PIN_MISMATCH);
  trust_error_free(error);
  const char* const report = world_report();
  CHECK_HAS(report, "\"pin_mismatch\"");
  CHECK_HAS(report, world_fingerprint_of(WORLD_ECHO));
  CHECK_TEXT(world_report(), "");
  trust_store_free(store);
}

static void ReportOnlyPinsReport(void) {
  trust_store* store = opened();
  trust_peer* peer = NULL;
  world_pin(HOST, 0, 0, 0);
  EXPECT(TRUST_OK, trust_store_refresh(store, &err));
  trust_conn* conn = connected(store, WORLD_ECHO, NULL);
  EXPECT(TRUST_OK, trust_conn_peer(conn, &peer, &err));
  CHECK(trust_peer_pin_status(peer) == TRUST_PIN_REPORTED);
  CHECK_HAS(world_report(), "\"report_only\"");
  trust_peer_free(peer);
  trust_conn_free(conn);
  trust_store_free(store);
}

static void AProgramsOwnPinsNarrow(void) {
  trust_store* store = opened();
  trust_config* config = trust_config_new();
  trust_conn* conn = NULL;
  EXPECT(TRUST_OK, trust_config_add_pin(config, world_pin_of(WORLD_ECHO), &err));
  EXPECT(TRUST_OK, trust_config_set_require_pin(config, 1, &err));
  conn = connected(store, WORLD_ECHO, config);
  trust_conn_free(conn);
  EXPECT(TRUST_ERR_SELF_SIGNED, /* no pin makes an untrusted chain trusted */
         trust_connect(store, HOST, world_port(WORLD_SELF_SIGNED), config, &conn, &err));
  EXPECT(TRUST_ERR_PIN_MISMATCH,
         trust_connect(store, HOST, world_port(WORLD_LEAF), config, &conn, &err));
  trust_config_free(config);
  config = trust_config_new();
  EXPECT(TRUST_OK, trust_config_set_require_pin(config, 1, &err));
  EXPECT(TRUST_ERR_PIN_MISSING,
         trust_connect(store, HOST, world_port(WORLD_ECHO), config, &conn, &err));
  trust_config_free(config);
  trust_store_free(store);
}

static void SessionsAreResumedUnlessToldNotTo(void) {
  trust_store* store = opened();
  trust_config* config = trust_config_new();
  trust_conn* conn = connected(store, WORLD_ECHO, NULL);
  CHECK(trust_conn_resumed(conn) == 0);
  echoed(conn, "and a ticket came with it");
  trust_conn_free(conn);
  conn = connected(store, WORLD_ECHO, NULL);
  CHECK(trust_conn_resumed(conn) == 1);
  echoed(conn, "again");
  trust_conn_free(conn);
  EXPECT(TRUST_OK, trust_config_set_resumption(config, 0, &err));
  conn = connected(store, WORLD_ECHO, config);
  CHECK(trust_conn_resumed(conn) == 0);
  trust_conn_free(conn);
  trust_config_free(config);
  trust_store_free(store);
}

static void DistrustTakesHoldWithinASecond(void) {
  trust_store* store = opened();
  trust_conn* conn = connected(store, WORLD_ECHO, NULL);
  echoed(conn, "and a ticket came with it");
  trust_conn_free(conn);
  world_distrust();
  const int64_t until = milliseconds() + 5000;
  trust_status status = TRUST_OK;
  while (status == TRUST_OK && milliseconds() < until) {
    trust_error* err = NULL;
    status = trust_connect(store, HOST, world_port(WORLD_ECHO), NULL, &conn, &err);
    trust_conn_free(conn);
    trust_error_free(err);
  }
  CHECK(status == TRUST_ERR_DISTRUSTED);
  CHECK(milliseconds() - until + 5000 < 2000);
  trust_store_free(store);
}

static void TimeoutsEndSilence(void) {
  trust_store* store = opened();
  trust_config* config = trust_config_new();
  trust_conn* conn = NULL;
  char byte;
  size_t count = 0;
  EXPECT(TRUST_OK, trust_config_set_connect_timeout_ms(config, 150, &err));
  EXPECT(TRUST_OK, trust_config_set_io_timeout_ms(config, 150, &err));
  int64_t begun = milliseconds();
  EXPECT(TRUST_ERR_TIMEOUT,
         trust_connect(store, HOST, world_port(WORLD_SILENT), config, &conn, &err));
  CHECK(milliseconds() - begun >= 140 && milliseconds() - begun < 5000);
  EXPECT(TRUST_OK, trust_config_set_connect_timeout_ms(config, 10000, &err));
  conn = connected(store, WORLD_QUIET, config);
  begun = milliseconds();
  EXPECT(TRUST_ERR_TIMEOUT, trust_conn_read(conn, &byte, 1, &count, &err));
  CHECK(milliseconds() - begun >= 140 && milliseconds() - begun < 5000);
  trust_conn_free(conn);
  trust_config_free(config);
  trust_store_free(store);
}

static void NobodyThereIsAnErrorWithItsNumber(void) {
  trust_store* store = opened();
  trust_conn* conn = NULL;
  trust_error* error = NULL;
  struct sockaddr_in address = {0};
  socklen_t length = sizeof address;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* bound, and does not listen */
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(bind(fd, (struct sockaddr*)&address, sizeof address) == 0);
  CHECK(getsockname(fd, (struct sockaddr*)&address, &length) == 0);
  CHECK(trust_connect(store, HOST, ntohs(address.sin_port), NULL, &conn, &error) ==
        TRUST_ERR_CONNECT);
  CHECK(trust_error_errno(error) == ECONNREFUSED);
  CHECK(trust_error_peer(error) == NULL);
  trust_error_free(error);
  close(fd);
  EXPECT(TRUST_ERR_RESOLVE, trust_connect(store, "no-such-host.invalid", 443, NULL, &conn, &err));
  EXPECT(TRUST_ERR_ARGUMENT, trust_connect(store, "127.1", 443, NULL, &conn, &err));
  EXPECT(TRUST_ERR_ARGUMENT, trust_connect(store, ".dev.test", 443, NULL, &conn, &err));
  EXPECT(TRUST_ERR_ARGUMENT, trust_connect(store, HOST, 0, NULL, &conn, &err));
  trust_store_free(store);
}

static void* cancel_what_waits(void* conn) {
  CHECK(wait_until_in_poll());
  trust_conn_cancel(conn);
  return NULL;
}

static void CancelEndsACallInAnotherThreadAndEveryLaterOne(void) {
  trust_store* store = opened();
  trust_conn* conn = connected(store, WORLD_QUIET, NULL);
  pthread_t thread;
  char byte;
  size_t count = 0;
  CHECK(pthread_create(&thread, NULL, cancel_what_waits, conn) == 0);
  const int64_t begun = milliseconds();
  EXPECT(TRUST_ERR_CANCELLED, trust_conn_read(conn, &byte, 1, &count, &err));
  CHECK(milliseconds() - begun < 10000);
  CHECK(pthread_join(thread, NULL) == 0);
  EXPECT(TRUST_ERR_CANCELLED, trust_conn_read(conn, &byte, 1, &count, &err));
  EXPECT(TRUST_ERR_CANCELLED, trust_conn_write(conn, "x", 1, &count, &err));
  EXPECT(TRUST_ERR_CANCELLED, trust_conn_close(conn, &err));
  trust_conn_cancel(conn);
  trust_conn_free(conn);
  trust_store_free(store);
}

struct reading {
  trust_conn* conn;
  size_t wanted, got;
};

static void* read_all(void* argument) {
  static char block[65536];
  struct reading* const reading = argument;
  while (reading->got < reading->wanted) {
    size_t count = 0;
    if (trust_conn_read(reading->conn, block, sizeof block, &count, NULL) != TRUST_OK) break;
    reading->got += count;
  }
  return NULL;
}

static void OneThreadReadsWhileAnotherWrites(void) {
  static char block[65536];
  trust_store* store = opened();
  trust_conn* conn = connected(store, WORLD_ECHO, NULL);
  struct reading reading = {conn, 40 * sizeof block, 0};
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, read_all, &reading) == 0);
  for (int i = 0; i < 40; ++i) {
    size_t count = 0;
    EXPECT(TRUST_OK, trust_conn_write(conn, block, sizeof block, &count, &err));
    CHECK(count == sizeof block);
  }
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK(reading.got == reading.wanted);
  trust_conn_free(conn);
  trust_store_free(store);
}

API_CASES(connection_cases, API_CASE(ConnectsReadsWritesAndCloses),
          API_CASE(ReadingGoesOnAfterClose), API_CASE(BlockingWriteWritesAllOfIt),
          API_CASE(ReadGivesAtMostTheCapacityAndTheRestIsPending),
          API_CASE(TheStoreMayBeFreedFirst), API_CASE(NoDataMovesUnverified),
          API_CASE(NonBlockingNeverWaits), API_CASE(NonBlockingWriteSaysWhenThereIsNoRoom),
          API_CASE(TheCallerClosesItsSocket), API_CASE(TruncationIsNotTheEnd),
          API_CASE(AClosedPeerIsAnErrorAndNoSignal), API_CASE(ARefusedPeerIsShown),
          API_CASE(ALeafIsTrustedAsItIs), API_CASE(TheServersNameStandsInForTheHost),
          API_CASE(ProtocolsAreAgreed), API_CASE(TheLeastVersionIsKept),
          API_CASE(WeAreShownToAServerThatAsks),
          API_CASE(PinsOfTheStoreRefuseWithAMessageForAPerson), API_CASE(ReportOnlyPinsReport),
          API_CASE(AProgramsOwnPinsNarrow), API_CASE(SessionsAreResumedUnlessToldNotTo),
          API_CASE(DistrustTakesHoldWithinASecond), API_CASE(TimeoutsEndSilence),
          API_CASE(NobodyThereIsAnErrorWithItsNumber),
          API_CASE(CancelEndsACallInAnotherThreadAndEveryLaterOne),
          API_CASE(OneThreadReadsWhileAnotherWrites));
