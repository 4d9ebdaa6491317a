/* How to connect. */
#include "tests/capi/steps.h"

#define REFUSED(call) EXPECT(TRUST_ERR_ARGUMENT, call)
#define TAKEN(call) EXPECT(TRUST_OK, call)

static void TimeoutsOfZeroAreRefused(void) {
  trust_config* config = trust_config_new();
  REFUSED(trust_config_set_connect_timeout_ms(config, 0, &err));
  REFUSED(trust_config_set_io_timeout_ms(config, 0, &err));
  TAKEN(trust_config_set_connect_timeout_ms(config, 1, &err));
  TAKEN(trust_config_set_connect_timeout_ms(config, UINT32_MAX, &err));
  TAKEN(trust_config_set_io_timeout_ms(config, UINT32_MAX, &err));
  trust_config_free(config);
}

static void ServerNamesAreHosts(void) {
  static const char* const wrong[] = {
      "",    ".dev.test",    "dev..test",        "127.1",      "0177.0.0.1",
      "a b", "dev.test:443", "https://dev.test", "*.dev.test", "d\xc3\xa9v.test"};
  trust_config* config = trust_config_new();
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; ++i) {
    REFUSED(trust_config_set_server_name(config, wrong[i], &err));
  }
  TAKEN(trust_config_set_server_name(config, "Dev.Test.", &err));
  TAKEN(trust_config_set_server_name(config, "::1", &err));
  trust_config_free(config);
}

static void ProtocolsAreNamesBetweenCommas(void) {
  char name[300];
  trust_config* config = trust_config_new();
  TAKEN(trust_config_set_alpn(config, "h2,http/1.1", &err));
  REFUSED(trust_config_set_alpn(config, "h2,,http/1.1", &err));
  REFUSED(trust_config_set_alpn(config, ",", &err));
  memset(name, 'a', sizeof name);
  name[256] = '\0';
  REFUSED(trust_config_set_alpn(config, name, &err));
  name[255] = '\0';
  TAKEN(trust_config_set_alpn(config, name, &err));
  trust_config_free(config);
}

static void VersionsAreTwelveAndThirteen(void) {
  trust_config* config = trust_config_new();
  for (int32_t version = -2; version < 20; ++version) {
    EXPECT(version == 12 || version == 13 ? TRUST_OK : TRUST_ERR_ARGUMENT,
           trust_config_set_min_tls(config, version, &err));
  }
  trust_config_free(config);
}

static void PinsAreHashesOfKeys(void) {
  trust_config* config = trust_config_new();
  TAKEN(trust_config_add_pin(config, world_pin_of(WORLD_ECHO), &err));
  REFUSED(trust_config_add_pin(config, "", &err));
  REFUSED(trust_config_add_pin(config, "sha256/", &err));
  REFUSED(trust_config_add_pin(config, "sha1/2jmj7l5rSw0yVb/vlWAYkK/YBwk=", &err));
  REFUSED(trust_config_add_pin(config, world_fingerprint_of(WORLD_ECHO), &err));
  trust_config_free(config);
}

static void ClientCertificatesAreReadAtOnce(void) {
  const char* const cert = world_client_pem();
  const char* const key = world_client_key();
  const char* const locked = world_client_key_encrypted();
  trust_config* config = trust_config_new();
  TAKEN(trust_config_set_client_cert(config, cert, strlen(cert), key, strlen(key), NULL, &err));
  TAKEN(trust_config_set_client_cert(config, cert, strlen(cert), locked, strlen(locked), "secret",
                                     &err));
  REFUSED(trust_config_set_client_cert(config, cert, strlen(cert), locked, strlen(locked), "wrong",
                                       &err));
  REFUSED(
      trust_config_set_client_cert(config, cert, strlen(cert), locked, strlen(locked), NULL, &err));
  REFUSED(trust_config_set_client_cert(config, "none", 4, key, strlen(key), NULL, &err));
  REFUSED(trust_config_set_client_cert(config, cert, strlen(cert), "none", 4, NULL, &err));
  const char* const other = world_chain_pem(WORLD_SELF_SIGNED); /* of another key */
  REFUSED(trust_config_set_client_cert(config, other, strlen(other), key, strlen(key), NULL, &err));
  trust_config_free(config);
}

static void LaterChangesAffectLaterUses(void) {
  trust_store* store = opened();
  trust_config* config = trust_config_new();
  trust_pool* pool = NULL;
  trust_conn* conn = NULL;
  TAKEN(trust_pool_new(store, config, &pool, &err));
  TAKEN(trust_config_set_require_pin(config, 1, &err));
  TAKEN(trust_pool_get(pool, HOST, world_port(WORLD_ECHO), &conn, &err));
  trust_conn_free(conn);
  EXPECT(TRUST_ERR_PIN_MISSING,
         trust_connect(store, HOST, world_port(WORLD_ECHO), config, &conn, &err));
  trust_config_free(config);
  TAKEN(trust_pool_get(pool, HOST, world_port(WORLD_ECHO), &conn, &err));
  echoed(conn, "without the configuration");
  trust_conn_free(conn);
  trust_pool_free(pool);
  trust_store_free(store);
}

API_CASES(config_cases, API_CASE(TimeoutsOfZeroAreRefused), API_CASE(ServerNamesAreHosts),
          API_CASE(ProtocolsAreNamesBetweenCommas), API_CASE(VersionsAreTwelveAndThirteen),
          API_CASE(PinsAreHashesOfKeys), API_CASE(ClientCertificatesAreReadAtOnce),
          API_CASE(LaterChangesAffectLaterUses));
