/* An allocation that fails, whichever it is. One of C++, which is all of our own: TRUST_ERR_MEMORY
 * or, where it can be done without, success. One of C, in the libraries beneath: the same where
 * they say so, and some other failure with a message where they do not. Never a crash, and never
 * trust that was not there. OpenSSL and SQLite take their memory from the malloc that stands before
 * the C library's here, and each case says whose allocations have to have failed in it. What
 * OpenSSL makes of itself at its first use is made before: it does not try that twice. */
#include "tests/capi/fault_malloc.h"
#include "tests/capi/steps.h"

/* Whether a status is one that a failed allocation may have; says which it was if not. */
static int is_allowed(trust_status status, trust_error* error, enum fault_kind kind, long at,
                      const char* what) {
  if (status == TRUST_OK || status == TRUST_ERR_MEMORY) return 1;
  if (kind == FAULT_ALL && status < 0 && status != TRUST_ERR_INTERNAL && error != NULL &&
      trust_error_message(error)[0] != '\0') {
    return 1;
  }
  char text[512];
  snprintf(text, sizeof text, "%s: allocation %ld failed (kind %d): %s: %s", what, at, (int)kind,
           trust_status_name(status), error != NULL ? trust_error_message(error) : "");
  api_failed(__FILE__, __LINE__, text);
  return 0;
}

/* Of whom some allocations must have failed. */
enum { OURS = 0, OPENSSL = 1, SQLITE = 2 };

/* Every allocation of `steps` fails in turn, each alone, and again with all after it. The later
 * ones are taken by and by: there are thousands in a handshake. */
static void every_fault(const char* what, trust_status (*steps)(void* argument, trust_error** err),
                        void* argument, unsigned owners) {
  int wrong = 0, memory = 0;
  const long of_openssl = fault_count(FAULT_OF_OPENSSL), of_sqlite = fault_count(FAULT_OF_SQLITE);
  for (int mode = 0; mode < 4; ++mode) {
    const enum fault_kind kind = mode < 2 ? FAULT_NEW : FAULT_ALL;
    for (long at = 0; wrong < 20; at += 1 + at / 100) {
      trust_error* error = NULL;
      fault_arm(at, mode % 2 == 0, kind);
      const trust_status status = steps(argument, &error);
      const int failed = fault_disarm();
      wrong += !is_allowed(status, error, kind, at, what);
      if (status == TRUST_ERR_MEMORY) {
        ++memory;
        CHECK(trust_error_status(error) == TRUST_ERR_MEMORY);
        CHECK(trust_error_message(error)[0] != '\0' && trust_error_hint(error) != NULL);
      }
      if (!failed) CHECK(status == TRUST_OK);
      trust_error_free(error);
      if (!failed) break;
    }
  }
  CHECK(memory > 5); /* there was something to fail, and it did */
  if ((owners & OPENSSL) != 0) CHECK(fault_count(FAULT_OF_OPENSSL) > of_openssl + 20);
  if ((owners & SQLITE) != 0) CHECK(fault_count(FAULT_OF_SQLITE) > of_sqlite + 20);
}

static trust_status open_it(void* directory, trust_error** err) {
  trust_store* store = NULL;
  const trust_status status = trust_store_open(directory, &store, err);
  if ((status == TRUST_OK) != (store != NULL)) return TRUST_ERR_INTERNAL;
  trust_store_free(store);
  return status;
}

static void OpeningAStore(void) {
  trust_store_free(opened());
  every_fault("trust_store_open", open_it, (void*)(uintptr_t)world_store(), SQLITE);
}

static trust_status refresh_it(void* store, trust_error** err) {
  return trust_store_refresh(store, err);
}

static void ReadingANewGeneration(void) {
  trust_store* store = opened();
  for (long at = 0; at < 100; ++at) {
    trust_error* error = NULL;
    world_pin(at % 2 != 0 ? "a.test" : "b.test", 1, 1, 2000000000 + at);
    fault_arm(at, at % 3 != 0, at % 2 != 0 ? FAULT_NEW : FAULT_ALL);
    const trust_status status = refresh_it(store, &error);
    const int failed = fault_disarm();
    (void)is_allowed(status, error, FAULT_ALL, at, "trust_store_refresh");
    trust_error_free(error);
    EXPECT(TRUST_OK, trust_store_refresh(store, &err)); /* and it recovers */
    if (!failed) break;
  }
  trust_store_free(store);
}

struct configuring {
  const char* pin;
  const char* cert;
  const char* key;
};

static trust_status configure(void* argument, trust_error** err) {
  const struct configuring* const with = argument;
  trust_config* config = trust_config_new();
  if (config == NULL) { /* which has no error to give */
    fault_disarm();
    return TRUST_OK;
  }
  trust_status status = trust_config_set_server_name(config, "a-rather-long.name.dev.test", err);
  if (status == TRUST_OK) status = trust_config_set_alpn(config, "h2,http/1.1", err);
  if (status == TRUST_OK) status = trust_config_add_pin(config, with->pin, err);
  if (status == TRUST_OK) {
    status = trust_config_set_client_cert(config, with->cert, strlen(with->cert), with->key,
                                          strlen(with->key), NULL, err);
  }
  trust_config_free(config);
  return status;
}

static void MakingAConfiguration(void) {
  struct configuring with = {world_pin_of(WORLD_ECHO), world_client_pem(), world_client_key()};
  EXPECT(TRUST_OK, configure(&with, &err));
  every_fault("trust_config", configure, &with, OPENSSL);
}

struct verifying {
  trust_store* store;
  const char* chain;
};

static trust_status verify_it(void* argument, trust_error** err) {
  const struct verifying* const verifying = argument;
  trust_peer* peer = NULL;
  const trust_status status = trust_verify(verifying->store, HOST, 443, verifying->chain,
                                           strlen(verifying->chain), NULL, &peer, err);
  if ((status == TRUST_OK) != (peer != NULL)) return TRUST_ERR_INTERNAL;
  /* NULL, if there is no memory for it; and then it may be asked again. */
  const char* (*const texts[])(const trust_peer*) = {trust_peer_fingerprint, trust_peer_pin,
                                                     trust_peer_json};
  for (size_t i = 0; peer != NULL && i < sizeof texts / sizeof *texts; ++i) {
    const char* first = texts[i](peer);
    if (first != NULL && first[0] == '\0') return TRUST_ERR_INTERNAL;
    const char* second = texts[i](peer);
    if (first != NULL && second != first) return TRUST_ERR_INTERNAL;
  }
  trust_peer_free(peer);
  return status;
}

static void VerifyingAChain(void) {
  struct verifying verifying = {opened(), world_chain_pem(WORLD_ECHO)};
  EXPECT(TRUST_OK, verify_it(&verifying, &err));
  every_fault("trust_verify", verify_it, &verifying, OPENSSL);
  trust_store_free(verifying.store);
}

static trust_status verify_afresh(void* argument, trust_error** err) {
  const char* const* const directory_and_chain = argument;
  struct verifying verifying = {NULL, directory_and_chain[1]};
  trust_status status = trust_store_open(directory_and_chain[0], &verifying.store, err);
  if (status == TRUST_OK) status = verify_it(&verifying, err);
  trust_store_free(verifying.store);
  return status;
}

static void VerifyingAChainForTheFirstTime(void) {
  const char* directory_and_chain[] = {world_store(), world_chain_pem(WORLD_ECHO)};
  EXPECT(TRUST_OK, verify_afresh(directory_and_chain, &err));
  every_fault("trust_store_open and trust_verify", verify_afresh, directory_and_chain,
              OPENSSL | SQLITE);
}

static trust_status list_it(void* store, trust_error** err) {
  trust_pins* pins = NULL;
  const trust_status status = trust_pins_get(store, HOST, 443, &pins, err);
  if (status == TRUST_OK && trust_pins_count(pins) != 1) return TRUST_ERR_INTERNAL;
  trust_pins_free(pins);
  (void)trust_store_env_name(store, 0);
  return status;
}

static void ListingPins(void) {
  world_pin(HOST, 1, 1, 0);
  trust_store* store = opened();
  every_fault("trust_pins_get", list_it, store, OURS);
  trust_store_free(store);
}

/* A whole connection in memory: the server's part never fails. */
static trust_status talk_in_memory(void* store, trust_error** err) {
  static char out[20000], in[20000];
  trust_conn* conn = NULL;
  size_t length = 0, used = 0;
  trust_status status = trust_conn_start_memory(store, HOST, 443, NULL, &conn, err);
  int has_written = 0, has_read = 0;
  fault_hold();
  world_exchange_anew();
  fault_go_on();
  for (int i = 0; i < 40 && status >= 0 && !has_read; ++i) {
    if (!has_written) {
      status = trust_conn_handshake(conn, err);
      if (status == TRUST_OK) {
        status = trust_conn_write(conn, "hello", 5, &length, err);
        has_written = status == TRUST_OK;
      }
    } else {
      status = trust_conn_read(conn, in, sizeof in, &length, err);
      has_read = status == TRUST_OK;
    }
    if (status < 0 || has_read) break;
    status = trust_conn_drain(conn, out, sizeof out, &length, err);
    if (status < 0) break;
    fault_hold();
    const size_t answer = world_exchange(out, length, in, sizeof in);
    fault_go_on();
    if (answer > 0) status = trust_conn_feed(conn, in, answer, &used, err);
  }
  if (status >= 0) status = has_read ? TRUST_OK : TRUST_ERR_INTERNAL;
  if (status == TRUST_OK) {
    trust_peer* peer = NULL;
    status = trust_conn_peer(conn, &peer, err);
    trust_peer_free(peer);
  }
  trust_conn_free(conn);
  return status;
}

static void TalkingInMemory(void) {
  trust_store* store = opened();
  EXPECT(TRUST_OK, talk_in_memory(store, &err));
  every_fault("a connection in memory", talk_in_memory, store, OPENSSL);
  trust_store_free(store);
}

static trust_status talk(void* store, trust_error** err) {
  trust_conn* conn = NULL;
  size_t count = 0;
  char text[8];
  trust_status status = trust_connect(store, HOST, world_port(WORLD_ECHO), NULL, &conn, err);
  if (status == TRUST_OK) status = trust_conn_write(conn, "hello", 5, &count, err);
  if (status == TRUST_OK) status = trust_conn_read(conn, text, sizeof text, &count, err);
  trust_conn_free(conn);
  return status;
}

static void Connecting(void) {
  trust_store* store = opened();
  EXPECT(TRUST_OK, talk(store, &err));
  every_fault("trust_connect", talk, store, OPENSSL);
  trust_store_free(store);
}

static trust_status use_a_pool(void* store, trust_error** err) {
  trust_pool* pool = NULL;
  trust_conn* conn = NULL;
  size_t count = 0;
  char text[8];
  trust_status status = trust_pool_new(store, NULL, &pool, err);
  for (int i = 0; i < 2 && status == TRUST_OK; ++i) {
    status = trust_pool_get(pool, HOST, world_port(WORLD_ECHO), &conn, err);
    if (status == TRUST_OK) status = trust_conn_write(conn, "hello", 5, &count, err);
    if (status == TRUST_OK) status = trust_conn_read(conn, text, sizeof text, &count, err);
    trust_pool_put(pool, conn, status == TRUST_OK);
    conn = NULL;
  }
  trust_pool_free(pool);
  return status;
}

static void Pooling(void) {
  trust_store* store = opened();
  EXPECT(TRUST_OK, use_a_pool(store, &err));
  every_fault("trust_pool", use_a_pool, store, OPENSSL);
  trust_store_free(store);
}

/* Memory that is short may hide a refusal, and never turns it round. */
static trust_status be_refused(void* argument, trust_error** err) {
  const struct verifying* const verifying = argument;
  trust_peer* peer = NULL;
  const trust_status status = trust_verify(verifying->store, HOST, 443, verifying->chain,
                                           strlen(verifying->chain), NULL, &peer, err);
  if (status == TRUST_OK) return TRUST_ERR_INTERNAL;
  if (status != TRUST_ERR_SELF_SIGNED) return status;
  const trust_peer* const presented = err == NULL ? NULL : trust_error_peer(*err);
  if (presented == NULL || trust_peer_trusted_by(presented) != TRUST_BY_NOTHING) {
    return TRUST_ERR_INTERNAL;
  }
  const char* const json = trust_peer_json(presented);
  if (json != NULL && strstr(json, "\"trusted\":false") == NULL) return TRUST_ERR_INTERNAL;
  return TRUST_OK;
}

static void ARefusalStaysOne(void) {
  struct verifying verifying = {opened(), world_chain_pem(WORLD_SELF_SIGNED)};
  every_fault("a refusal", be_refused, &verifying, OPENSSL);
  trust_store_free(verifying.store);
}

API_CASES(fault_cases, API_CASE(OpeningAStore), API_CASE(ReadingANewGeneration),
          API_CASE(MakingAConfiguration), API_CASE(VerifyingAChain),
          API_CASE(VerifyingAChainForTheFirstTime), API_CASE(ListingPins),
          API_CASE(TalkingInMemory), API_CASE(Connecting), API_CASE(Pooling),
          API_CASE(ARefusalStaysOne));
const struct api_case* const api_all_cases[] = {fault_cases, NULL};
