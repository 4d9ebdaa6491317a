/* Verification of a chain, peers, and pins. */
#include <stdlib.h>
#include <time.h>

#include "tests/capi/steps.h"

static trust_peer* verified(trust_store* store, enum world_server which) {
  const char* const pem = world_chain_pem(which);
  trust_peer* peer = NULL;
  EXPECT(TRUST_OK, trust_verify(store, HOST, 443, pem, strlen(pem), NULL, &peer, &err));
  return peer;
}

static void APeerSaysEverything(void) {
  trust_store* store = opened();
  trust_peer* peer = verified(store, WORLD_ECHO);
  size_t length = 0;
  const int64_t now = (int64_t)time(NULL);
  CHECK_TEXT(trust_peer_host(peer), HOST);
  CHECK(trust_peer_port(peer) == 443);
  CHECK(trust_peer_trusted_by(peer) == TRUST_BY_ADDED_ROOT);
  CHECK(trust_peer_pin_status(peer) == TRUST_PIN_NONE);
  CHECK(trust_peer_generation(peer) == trust_store_generation(store));
  CHECK_TEXT(trust_peer_fingerprint(peer), world_fingerprint_of(WORLD_ECHO));
  CHECK(strlen(trust_peer_fingerprint(peer)) == 64);
  CHECK_TEXT(trust_peer_pin(peer), world_pin_of(WORLD_ECHO));
  CHECK_TEXT(trust_peer_subject(peer), "CN=dev.test");
  CHECK_TEXT(trust_peer_issuer(peer), "CN=World CA");
  CHECK(trust_peer_not_before(peer) < now && trust_peer_not_after(peer) > now);
  CHECK(trust_peer_path_not_after(peer) > now);
  CHECK(trust_peer_path_not_after(peer) <= trust_peer_not_after(peer));
  CHECK(trust_peer_cert_count(peer) == 2);
  for (size_t i = 0; i < 2; ++i) {
    const uint8_t* const der = trust_peer_cert_der(peer, i, &length);
    CHECK(der != NULL && length > 100 && der[0] == 0x30);
  }
  CHECK(trust_peer_cert_der(peer, 2, &length) == NULL && length == 0);
  CHECK_HAS(trust_peer_json(peer), "\"trusted_by\"");
  CHECK_HAS(trust_peer_json(peer), "added_root");
  CHECK_HAS(trust_peer_json(peer), world_fingerprint_of(WORLD_ECHO));
  CHECK(trust_peer_json(peer) == trust_peer_json(peer));
  trust_store_free(store);
  CHECK_TEXT(trust_peer_subject(peer), "CN=dev.test");
  trust_peer_free(peer);
}

static void ThePeerOutlivesItsConnection(void) {
  trust_store* store = opened();
  trust_conn* conn = connected(store, WORLD_ECHO, NULL);
  trust_peer* peer = NULL;
  EXPECT(TRUST_OK, trust_conn_peer(conn, &peer, &err));
  trust_conn_free(conn);
  trust_store_free(store);
  CHECK_TEXT(trust_peer_fingerprint(peer), world_fingerprint_of(WORLD_ECHO));
  trust_peer_free(peer);
}

static void TakesDerSimplyConcatenated(void) {
  trust_store* store = opened();
  trust_peer* peer = NULL;
  size_t length = 0;
  const uint8_t* const der = world_chain_der(WORLD_ECHO, &length);
  EXPECT(TRUST_OK, trust_verify(store, HOST, 443, der, length, NULL, &peer, &err));
  CHECK_TEXT(trust_peer_fingerprint(peer), world_fingerprint_of(WORLD_ECHO));
  trust_peer_free(peer);
  const size_t leaf = 4 + (size_t)(der[2] << 8 | der[3]);
  for (size_t cut = 1; cut < length; cut += 7) { /* and nothing that is cut off */
    if (length - cut == leaf) continue; /* which is a chain by itself */
    const trust_status status =
        trust_verify(store, HOST, 443, der, length - cut, NULL, &peer, NULL);
    CHECK(status < 0 && peer == NULL);
  }
  trust_store_free(store);
}

static void AnUntrustedPeerIsShown(void) {
  trust_store* store = opened();
  const char* const pem = world_chain_pem(WORLD_SELF_SIGNED);
  trust_peer* peer = (trust_peer*)&peer;
  trust_error* error = NULL;
  CHECK(trust_verify(store, HOST, 443, pem, strlen(pem), NULL, &peer, &error) ==
        TRUST_ERR_SELF_SIGNED);
  CHECK(peer == NULL);
  CHECK_TEXT(trust_peer_subject(trust_error_peer(error)), "CN=stranger");
  CHECK_HAS(trust_peer_json(trust_error_peer(error)), "self_signed");
  trust_error_free(error);
  trust_store_free(store);
}

static void WhatIsNoChainIsRefused(void) {
  static const char* const wrong[] = {
      "", "garbage", "-----BEGIN CERTIFICATE-----\n",
      "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"};
  trust_store* store = opened();
  trust_peer* peer = NULL;
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; ++i) {
    const trust_status status =
        trust_verify(store, HOST, 443, wrong[i], strlen(wrong[i]), NULL, &peer, NULL);
    CHECK(status == TRUST_ERR_ARGUMENT || status == TRUST_ERR_BAD_CHAIN);
    CHECK(peer == NULL);
  }
  enum { kTooLong = 9 * 1024 * 1024 };
  char* const many = calloc(kTooLong, 1);
  const trust_status status = trust_verify(store, HOST, 443, many, kTooLong, NULL, &peer, NULL);
  CHECK(status == TRUST_ERR_ARGUMENT || status == TRUST_ERR_BAD_CHAIN);
  free(many);
  trust_store_free(store);
}

static void ThePortSelectsPins(void) {
  char pattern[64];
  trust_store* store = NULL;
  trust_peer* peer = NULL;
  const char* const pem = world_chain_pem(WORLD_ECHO);
  snprintf(pattern, sizeof pattern, "%s:8443", HOST);
  world_pin(pattern, 0, 1, 0);
  store = opened();
  EXPECT(TRUST_OK, trust_verify(store, HOST, 443, pem, strlen(pem), NULL, &peer, &err));
  trust_peer_free(peer);
  EXPECT(TRUST_ERR_PIN_MISMATCH,
         trust_verify(store, HOST, 8443, pem, strlen(pem), NULL, &peer, &err));
  EXPECT(TRUST_ERR_PIN_MISMATCH, trust_verify(store, HOST, 0, pem, strlen(pem), NULL, &peer, &err));
  trust_store_free(store);
}

static void TheConfigurationNarrows(void) {
  const char* const pem = world_chain_pem(WORLD_ECHO);
  trust_store* store = opened();
  trust_config* config = trust_config_new();
  trust_peer* peer = NULL;
  EXPECT(TRUST_OK, trust_config_set_server_name(config, "elsewhere.test", &err));
  EXPECT(TRUST_ERR_NAME_MISMATCH,
         trust_verify(store, HOST, 443, pem, strlen(pem), config, &peer, &err));
  EXPECT(TRUST_OK, trust_config_set_server_name(config, "dev.test", &err));
  EXPECT(TRUST_OK, trust_verify(store, HOST, 443, pem, strlen(pem), config, &peer, &err));
  trust_peer_free(peer);
  EXPECT(TRUST_OK, trust_config_add_pin(config, world_pin_of(WORLD_LEAF), &err));
  EXPECT(TRUST_ERR_PIN_MISMATCH,
         trust_verify(store, HOST, 443, pem, strlen(pem), config, &peer, &err));
  trust_config_free(config);
  trust_store_free(store);
}

static void LapsedAndMatchingPinsAreSaid(void) {
  const int64_t now = (int64_t)time(NULL);
  world_pin(HOST, 1, 1, 0);
  trust_store* store = opened();
  trust_peer* peer = verified(store, WORLD_ECHO);
  CHECK(trust_peer_pin_status(peer) == TRUST_PIN_MATCH);
  trust_peer_free(peer);
  world_unpin();
  world_pin(HOST, 0, 1, -2);
  EXPECT(TRUST_OK, trust_store_refresh(store, &err));
  const char* const pem = world_chain_pem(WORLD_ECHO);
  trust_status status = TRUST_ERR_PIN_MISMATCH;
  for (int64_t until = now + 60; status < 0 && (int64_t)time(NULL) < until;) {
    status = trust_verify(store, HOST, 443, pem, strlen(pem), NULL, &peer, NULL);
  }
  CHECK(status == TRUST_OK && trust_peer_pin_status(peer) == TRUST_PIN_LAPSED);
  trust_peer_free(peer);
  trust_store_free(store);
}

static void PinsAreListed(void) {
  const int64_t end = (int64_t)time(NULL) + 1000;
  trust_pins* pins = NULL;
  world_pin("dev.test", 1, 1, end);
  world_pin("dev.test", 0, 0, 0);
  world_pin("**.test", 0, 1, 0); /* less specific: does not count */
  trust_store* store = opened();
  EXPECT(TRUST_OK, trust_pins_get(store, "dev.test", 443, &pins, &err));
  CHECK(trust_pins_count(pins) == 2);
  int enforced = 0, reporting = 0;
  for (size_t i = 0; i < trust_pins_count(pins); ++i) {
    CHECK(strncmp(trust_pins_pin(pins, i), "sha256/", 7) == 0);
    CHECK_TEXT(trust_pins_note(pins, i), "a note");
    CHECK(trust_pins_backup(pins, i) == 0);
    if (trust_pins_enforced(pins, i)) {
      ++enforced;
      CHECK(trust_pins_expires(pins, i) == end);
    } else {
      ++reporting;
      CHECK(trust_pins_expires(pins, i) == 0);
    }
  }
  CHECK(enforced == 1 && reporting == 1);
  CHECK(trust_pins_pin(pins, 2) == NULL && trust_pins_note(pins, 2) == NULL);
  CHECK(trust_pins_expires(pins, SIZE_MAX) == 0);
  trust_pins_free(pins);
  EXPECT(TRUST_OK, trust_pins_get(store, "other.example", 443, &pins, &err));
  CHECK(pins != NULL && trust_pins_count(pins) == 0);
  trust_pins_free(pins);
  trust_store_free(store);
}

API_CASES(verify_cases, API_CASE(APeerSaysEverything), API_CASE(ThePeerOutlivesItsConnection),
          API_CASE(TakesDerSimplyConcatenated), API_CASE(AnUntrustedPeerIsShown),
          API_CASE(WhatIsNoChainIsRefused), API_CASE(ThePortSelectsPins),
          API_CASE(TheConfigurationNarrows), API_CASE(LapsedAndMatchingPinsAreSaid),
          API_CASE(PinsAreListed));
