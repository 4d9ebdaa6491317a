/* The first verified request of a process, through the C library:
 *
 *   bench_first_request STORE PORT      prints microseconds
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "capi/trust.h"

static const char kRequest[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

static double now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* `error`: where it is, for the call that writes it may be evaluated last. */
static void must(trust_status status, trust_error** error) {
  if (status >= 0) return;
  fprintf(stderr, "bench_first_request: %s\n", trust_error_message(*error));
  exit(1);
}

int main(int argc, char** argv) {
  trust_store* store;
  trust_config* config = trust_config_new();
  trust_conn* connection;
  trust_error* error;
  char buffer[1000];
  size_t count;
  double begin;
  if (argc != 3) return 2;
  begin = now_us();
  must(trust_store_open(argv[1], &store, &error), &error);
  must(trust_config_set_server_name(config, "localhost", &error), &error);
  must(trust_connect(store, "127.0.0.1", (uint16_t)atoi(argv[2]), config, &connection, &error),
       &error);
  must(trust_conn_write(connection, kRequest, strlen(kRequest), &count, &error), &error);
  must(trust_conn_read(connection, buffer, sizeof buffer, &count, &error), &error);
  printf("%.1f\n", now_us() - begin);
  trust_conn_free(connection);
  trust_config_free(config);
  trust_store_free(store);
  return 0;
}
