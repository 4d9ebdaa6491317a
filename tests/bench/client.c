/* One verified GET, and what the process then has resident, in KiB: as a plain OpenSSL client with
 * -DPLAIN (its trust is a file), else by the C library (it is a published store).
 *
 *   client TRUST HOST PORT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef PLAIN
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#else
#include <trust.h>
#endif

static const char kRequest[] = "GET / HTTP/1.0\r\n\r\n";

#ifdef PLAIN

static int get(const char* trust, const char* host, const char* port) {
  char buffer[4096];
  char address[300];
  SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
  if (SSL_CTX_load_verify_locations(context, trust, NULL) != 1) return 1;
  BIO* const bio = BIO_new_ssl_connect(context);
  SSL* ssl = NULL;
  BIO_get_ssl(bio, &ssl);
  X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
  snprintf(address, sizeof address, "%s:%s", host, port);
  BIO_set_conn_hostname(bio, address);
  if (BIO_do_connect(bio) != 1) return 1;
  if (BIO_write(bio, kRequest, sizeof kRequest - 1) <= 0) return 1;
  return BIO_read(bio, buffer, sizeof buffer) <= 0;
}

#else

static int get(const char* trust, const char* host, const char* port) {
  char buffer[4096];
  size_t count = 0;
  trust_store* store = NULL;
  trust_conn* conn = NULL;
  trust_error* err = NULL;
  if (trust_store_open(trust, &store, &err) != TRUST_OK ||
      trust_connect(store, host, (uint16_t)atoi(port), NULL, &conn, &err) != TRUST_OK ||
      trust_conn_write(conn, kRequest, sizeof kRequest - 1, &count, &err) != TRUST_OK ||
      trust_conn_read(conn, buffer, sizeof buffer, &count, &err) != TRUST_OK) {
    fprintf(stderr, "%s\n", trust_error_message(err));
    return 1;
  }
  return 0;
}

#endif

int main(int argc, char** argv) {
  char line[256];
  if (argc != 4 || get(argv[1], argv[2], argv[3]) != 0) return 1;
  FILE* const status = fopen("/proc/self/status", "r");
  if (status == NULL) return 1;
  while (fgets(line, sizeof line, status) != NULL) {
    if (strncmp(line, "VmRSS:", 6) == 0) printf("%ld\n", strtol(line + 6, NULL, 10));
  }
  return 0; /* what is open ends with the process */
}
