/* A host as Node is one: with -DOWN_OPENSSL it carries an OpenSSL of its own and exports it. */
#include <stdlib.h>

#include "tests/capi/host_visit.h"

#ifdef OWN_OPENSSL
#include <openssl/ssl.h>
#endif

int main(void) {
  char said[4096];
#ifdef OWN_OPENSSL
  if (SSL_CTX_new(TLS_client_method()) == NULL) return 1;
#endif
  visit(getenv("VISIT_LIBRARY"), getenv("VISIT_STORE"), getenv("VISIT_HOST"),
        atoi(getenv("VISIT_PORT")), said, sizeof said);
#ifdef OWN_OPENSSL /* which goes on when the library has gone */
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL* ssl = SSL_new(context);
  if (ssl == NULL) return 1;
  SSL_free(ssl);
  SSL_CTX_free(context);
#endif
  fputs(said, stdout);
  return 0;
}
