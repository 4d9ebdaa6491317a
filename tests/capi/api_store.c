/* The published store. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/capi/steps.h"

static void SaysWhatItOpened(void) {
  char path[512];
  trust_store* store = opened();
  CHECK_TEXT(trust_store_directory(store), world_store());
  snprintf(path, sizeof path, "%s/current/bundle.pem", world_store());
  CHECK_TEXT(trust_store_bundle_path(store), path);
  CHECK(access(trust_store_bundle_path(store), R_OK) == 0);
  CHECK(trust_store_generation(store) >= 1);
  trust_store_free(store);
}

static void EnvironmentIsWhatOtherToolsRead(void) {
  trust_store* store = opened();
  size_t count = 0;
  const char* bundle = NULL;
  const char* extra = NULL;
  while (trust_store_env_name(store, count) != NULL) {
    CHECK(trust_store_env_value(store, count) != NULL);
    if (strcmp(trust_store_env_name(store, count), "SSL_CERT_FILE") == 0)
      bundle = trust_store_env_value(store, count);
    if (strcmp(trust_store_env_name(store, count), "NODE_EXTRA_CA_CERTS") == 0)
      extra = trust_store_env_value(store, count);
    ++count;
  }
  CHECK(count > 5);
  CHECK_TEXT(bundle, trust_store_bundle_path(store));
  CHECK_HAS(extra, "/current/extra.pem");
  CHECK(trust_store_env_name(store, count) == NULL && trust_store_env_value(store, count) == NULL);
  CHECK(trust_store_env_name(store, SIZE_MAX) == NULL);
  CHECK(trust_store_env_name(store, 0) == trust_store_env_name(store, 0));
  trust_store_free(store);
}

static void TheVariableNamesTheStore(void) {
  trust_store* store = NULL;
  setenv("TRUSTD_STORE", world_store(), 1);
  EXPECT(TRUST_OK, trust_store_open(NULL, &store, &err));
  CHECK_TEXT(trust_store_directory(store), world_store());
  trust_store_free(store);
  setenv("TRUSTD_STORE", "/nowhere", 1);
  EXPECT(TRUST_ERR_STORE_MISSING, trust_store_open(NULL, &store, &err));
  CHECK(store == NULL);
  unsetenv("TRUSTD_STORE");
}

static void OneThatExistsAndCannotBeUsedIsNotPassedOver(void) {
  char home[512], public[600];
  trust_store* store = NULL;
  snprintf(home, sizeof home, "%s/home", world_directory());
  snprintf(public, sizeof public, "mkdir -p -m 755 %s/trustd/public/current", home);
  CHECK(system(public) == 0);
  setenv("XDG_STATE_HOME", home, 1);
  EXPECT(TRUST_ERR_STORE_INVALID, trust_store_open(NULL, &store, &err));
  unsetenv("XDG_STATE_HOME");
}

static void MissingIsSaidWithTheDirectoryAndWhatToDo(void) {
  trust_store* store = (trust_store*)&store;
  trust_error* err = NULL;
  CHECK(trust_store_open("/nowhere/at/all", &store, &err) == TRUST_ERR_STORE_MISSING);
  CHECK(store == NULL);
  CHECK_HAS(trust_error_message(err), "/nowhere/at/all");
  CHECK(trust_error_hint(err)[0] != '\0');
  CHECK(trust_error_peer(err) == NULL);
  CHECK(trust_error_tls_alert(err) == 0);
  trust_error_free(err);
}

static void DamageIsSaid(void) {
  trust_store* store = NULL;
  world_damage_store();
  EXPECT(TRUST_ERR_STORE_INVALID, trust_store_open(world_store(), &store, &err));
  CHECK(store == NULL);
}

static void AStoreThatOthersMayWriteToIsRefused(void) {
  trust_store* store = NULL;
  CHECK(chmod(world_store(), 0777) == 0);
  EXPECT(TRUST_ERR_STORE_ACCESS, trust_store_open(world_store(), &store, &err));
}

static void RefreshSeesEveryPublication(void) {
  trust_store* store = opened();
  uint64_t generation = trust_store_generation(store);
  for (int i = 0; i < 3; ++i) {
    char pattern[64];
    snprintf(pattern, sizeof pattern, "host%d.test", i);
    world_pin(pattern, 1, 1, 0);
    EXPECT(TRUST_OK, trust_store_refresh(store, &err));
    CHECK(trust_store_generation(store) > generation);
    generation = trust_store_generation(store);
  }
  EXPECT(TRUST_OK, trust_store_refresh(store, &err));
  CHECK(trust_store_generation(store) == generation);
  trust_store_free(store);
}

static void YesterdaysTrustIsNotUsed(void) {
  char current[512];
  trust_store* store = opened();
  trust_peer* peer = NULL;
  const char* const pem = world_chain_pem(WORLD_ECHO);
  snprintf(current, sizeof current, "%s/current", world_store());
  CHECK(unlink(current) == 0);
  EXPECT(TRUST_ERR_STORE_MISSING, trust_store_refresh(store, &err));
  EXPECT(TRUST_ERR_STORE_MISSING,
         trust_verify(store, HOST, 0, pem, strlen(pem), NULL, &peer, &err));
  CHECK(peer == NULL);
  CHECK_TEXT(trust_store_directory(store), world_store());
  trust_store_free(store);
}

static void StringsStayWhileTheStoreChanges(void) {
  trust_store* store = opened();
  const char* const directory = trust_store_directory(store);
  const char* const bundle = trust_store_bundle_path(store);
  const char* const name = trust_store_env_name(store, 0);
  const char* const value = trust_store_env_value(store, 0);
  world_pin("host.test", 1, 1, 0);
  EXPECT(TRUST_OK, trust_store_refresh(store, &err));
  CHECK(trust_store_directory(store) == directory && trust_store_bundle_path(store) == bundle);
  CHECK(trust_store_env_name(store, 0) == name && trust_store_env_value(store, 0) == value);
  trust_store_free(store);
}

API_CASES(store_cases, API_CASE(SaysWhatItOpened), API_CASE(EnvironmentIsWhatOtherToolsRead),
          API_CASE(TheVariableNamesTheStore), API_CASE(OneThatExistsAndCannotBeUsedIsNotPassedOver),
          API_CASE(MissingIsSaidWithTheDirectoryAndWhatToDo), API_CASE(DamageIsSaid),
          API_CASE(AStoreThatOthersMayWriteToIsRefused), API_CASE(RefreshSeesEveryPublication),
          API_CASE(YesterdaysTrustIsNotUsed), API_CASE(StringsStayWhileTheStoreChanges));
