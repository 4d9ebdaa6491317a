/* A published store, servers and a daemon's ear, for tests of the C library that are written in C.
 * One world a test; what fails in it is a failure of the test. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Cases ---- */
struct api_case {
  const char* name;
  void (*run)(void);
};
#define API_CASES(list, ...)           \
  extern const struct api_case list[]; \
  const struct api_case list[] = {__VA_ARGS__, {0, 0}}
#define API_CASE(name) \
  { #name, name }

/* What this program has; ends with NULL. Defined beside the cases. */
extern const struct api_case* const api_all_cases[];

void api_failed(const char* file, int line, const char* what);
/* Fails the case, says what was false, and goes on. */
#define CHECK(truth) ((truth) ? (void)0 : api_failed(__FILE__, __LINE__, #truth))
#define CHECK_TEXT(text, expected) api_check_text(__FILE__, __LINE__, #text, (text), (expected))
#define CHECK_HAS(text, part) api_check_has(__FILE__, __LINE__, #text, (text), (part))
void api_check_text(const char* file, int line, const char* what, const char* text,
                    const char* expected);
void api_check_has(const char* file, int line, const char* what, const char* text,
                   const char* part);

/* ---- The store ---- */
const char* world_store(void); /* the directory that holds `current` */
const char* world_directory(void); /* of the test's own */
void world_damage_store(void);
/* A CA that signed every server's certificate but the self-signed ones' is trusted; this distrusts
 * it, and publishes. */
void world_distrust(void);
/* Pins a pattern to a key that no server has, or (right != 0) to the CA's, and publishes.
 * `expires`: 0 for never; below 0: so many seconds from now. */
void world_pin(const char* pattern, int right, int enforce, int64_t expires);
void world_unpin(void); /* everything */

/* ---- Servers, on 127.0.0.1; each says back what it is told ---- */
enum world_server {
  WORLD_ECHO,        /* for 127.0.0.1 and dev.test; speaks ALPN "h2" and "http/1.1" */
  WORLD_TRUNCATES,   /* says "part", and goes without a word */
  WORLD_SILENT,      /* accepts, and never answers */
  WORLD_QUIET,       /* shakes hands, and never says anything */
  WORLD_TLS12,       /* no later version */
  WORLD_WANTS_US,    /* wants a client certificate, and says its CN */
  WORLD_SELF_SIGNED, /* nobody trusts it */
  WORLD_LEAF,        /* self-signed, and in the store as it is */
  WORLD_SERVERS
};
uint16_t world_port(enum world_server which);
/* The chain that it presents. */
const char* world_chain_pem(enum world_server which);
const uint8_t* world_chain_der(enum world_server which, size_t* length);
const char* world_pin_of(enum world_server which);         /* "sha256/…" of its leaf */
const char* world_fingerprint_of(enum world_server which); /* of its leaf */
/* How many connections it accepted. */
unsigned world_accepted(enum world_server which);
/* Ends the connections that are open. */
void world_hang_up(enum world_server which);

/* A client certificate with CN "client", and its key; encrypted with "secret". */
const char* world_client_pem(void);
const char* world_client_key(void);
const char* world_client_key_encrypted(void);

/* An echo server without a socket: takes bytes, gives those that it sends. */
size_t world_exchange(const void* in, size_t in_length, void* out, size_t capacity);
void world_exchange_anew(void);  /* another connection */
void world_exchange_close(void); /* says goodbye at the next exchange */

/* The datagram that came to report.sock beside the store; "" if none did. */
const char* world_report(void);

/* Puts an error into the thread's OpenSSL queue, and says whether that alone is in it. */
void world_leave_error(void);
int world_error_is_left(void);

#ifdef __cplusplus
}
#endif
