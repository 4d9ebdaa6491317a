/* Steps that many cases take. */
#pragma once

#include <stdio.h>
#include <string.h>
#include <trust.h>

#include "tests/capi/world.h"

#define HOST "127.0.0.1"

/* The status, with the error shown where it is not the one expected; frees the error. */
static inline int went(trust_status status, trust_error* err, trust_status expected,
                       const char* file, int line) {
  if (status != expected) {
    char text[1024];
    snprintf(text, sizeof text, "%s, expected %s: %s", trust_status_name(status),
             trust_status_name(expected), err != NULL ? trust_error_message(err) : "no error");
    api_failed(file, line, text);
  } else if ((status < 0) != (err != NULL)) {
    api_failed(file, line, "the error does not go with the status");
  } else if (err != NULL &&
             (trust_error_status(err) != status || trust_error_message(err)[0] == '\0' ||
              trust_error_hint(err) == NULL)) {
    api_failed(file, line, "the error does not say what the status says");
  }
  trust_error_free(err);
  return status == expected;
}
/* EXPECT(expected, call with &err). */
#define EXPECT(expected, call)                                     \
  do {                                                             \
    trust_error* err = (trust_error*)&err; /* is always written */ \
    const trust_status status_ = (call);                           \
    (void)went(status_, err, (expected), __FILE__, __LINE__);      \
  } while (0)

static inline trust_store* opened(void) {
  trust_store* store = NULL;
  EXPECT(TRUST_OK, trust_store_open(world_store(), &store, &err));
  return store;
}

static inline trust_conn* connected(trust_store* store, enum world_server which,
                                    const trust_config* config) {
  trust_conn* conn = NULL;
  EXPECT(TRUST_OK, trust_connect(store, HOST, world_port(which), config, &conn, &err));
  return conn;
}

/* Sends a text and reads it back. */
static inline void echoed(trust_conn* conn, const char* text) {
  char buffer[64] = {0};
  size_t sent = 0, got = 0, count = 0;
  EXPECT(TRUST_OK, trust_conn_write(conn, text, strlen(text), &sent, &err));
  CHECK(sent == strlen(text));
  while (got < sent) {
    EXPECT(TRUST_OK, trust_conn_read(conn, buffer + got, sizeof buffer - 1 - got, &count, &err));
    if (count == 0) break;
    got += count;
  }
  CHECK_TEXT(buffer, text);
}
