/* Statuses, versions and numbers. */
#include <stdlib.h>

#include "tests/capi/steps.h"

struct number {
  const char* name;
  int32_t is, stays;
};

/* Numbers are never reused, and never change: programs are compiled with them. */
static const struct number statuses[] = {
#define STATUS(name, number) \
  { #name, name, number }
    STATUS(TRUST_OK, 0),
    STATUS(TRUST_WANT_READ, 1),
    STATUS(TRUST_WANT_WRITE, 2),
    STATUS(TRUST_EOF, 3),
    STATUS(TRUST_ERR_ARGUMENT, -100),
    STATUS(TRUST_ERR_STATE, -101),
    STATUS(TRUST_ERR_VERSION, -102),
    STATUS(TRUST_ERR_STORE_MISSING, -200),
    STATUS(TRUST_ERR_STORE_INVALID, -201),
    STATUS(TRUST_ERR_STORE_ACCESS, -202),
    STATUS(TRUST_ERR_RESOLVE, -400),
    STATUS(TRUST_ERR_CONNECT, -401),
    STATUS(TRUST_ERR_TIMEOUT, -402),
    STATUS(TRUST_ERR_IO, -403),
    STATUS(TRUST_ERR_CANCELLED, -404),
    STATUS(TRUST_ERR_TLS, -500),
    STATUS(TRUST_ERR_TRUNCATED, -501),
    STATUS(TRUST_ERR_UNKNOWN_ISSUER, -600),
    STATUS(TRUST_ERR_SELF_SIGNED, -601),
    STATUS(TRUST_ERR_EXPIRED, -602),
    STATUS(TRUST_ERR_NOT_YET_VALID, -603),
    STATUS(TRUST_ERR_NAME_MISMATCH, -604),
    STATUS(TRUST_ERR_PIN_MISMATCH, -605),
    STATUS(TRUST_ERR_PIN_MISSING, -606),
    STATUS(TRUST_ERR_DISTRUSTED, -607),
    STATUS(TRUST_ERR_BAD_CHAIN, -608),
    STATUS(TRUST_ERR_WEAK, -609),
    STATUS(TRUST_ERR_OUT_OF_SCOPE, -610),
    STATUS(TRUST_ERR_MEMORY, -900),
    STATUS(TRUST_ERR_INTERNAL, -901),
};
static const size_t status_count = sizeof statuses / sizeof statuses[0];

static void NumbersAreFrozen(void) {
  for (size_t i = 0; i < status_count; ++i) {
    if (statuses[i].is != statuses[i].stays) api_failed(__FILE__, __LINE__, statuses[i].name);
  }
  CHECK(TRUST_BY_NOTHING == 0 && TRUST_BY_SYSTEM_ROOT == 1 && TRUST_BY_ADDED_ROOT == 2 &&
        TRUST_BY_ADDED_LEAF == 3);
  CHECK(TRUST_PIN_NONE == 0 && TRUST_PIN_MATCH == 1 && TRUST_PIN_MISMATCH == 2 &&
        TRUST_PIN_LAPSED == 3 && TRUST_PIN_REPORTED == 4);
  CHECK(TRUST_VERSION_NUMBER == 1000000 && sizeof(trust_status) == 4);
}

static void StatusNamesAreTheConstants(void) {
  for (size_t i = 0; i < status_count; ++i) {
    CHECK_TEXT(trust_status_name(statuses[i].is), statuses[i].name);
  }
}

static void StatusNameIsNeverNull(void) {
  for (trust_status status = -1000; status < 1000; ++status) {
    CHECK(trust_status_name(status) != NULL && trust_status_name(status)[0] != '\0');
  }
  CHECK(trust_status_name(INT32_MIN) != NULL && trust_status_name(INT32_MAX) != NULL);
}

static void UntrustedAreTheSixHundreds(void) {
  for (trust_status status = -1000; status < 10; ++status) {
    CHECK(trust_status_is_untrusted(status) == (status <= -600 && status >= -699));
  }
}

static void VersionIsTheHeaders(void) {
  CHECK(trust_version_number() == TRUST_VERSION_NUMBER);
  CHECK(strncmp(trust_version(), "1.0.0 (OpenSSL 3.", 17) == 0);
  CHECK(trust_version()[strlen(trust_version()) - 1] == ')');
}

static void CheckVersionWantsAtLeastWhatTheHeaderDeclares(void) {
  EXPECT(TRUST_OK, trust_check_version(TRUST_VERSION_NUMBER, &err));
  EXPECT(TRUST_ERR_VERSION, trust_check_version(TRUST_VERSION_NUMBER + 1, &err));
  EXPECT(TRUST_ERR_VERSION, trust_check_version(1001000, &err));
  EXPECT(TRUST_ERR_VERSION, trust_check_version(2000000, &err));
  EXPECT(TRUST_ERR_VERSION, trust_check_version(0, &err));
  EXPECT(TRUST_ERR_VERSION, trust_check_version(UINT32_MAX, &err));
  trust_error* error = NULL;
  CHECK(trust_check_version(1002003, &error) == TRUST_ERR_VERSION);
  CHECK_HAS(trust_error_message(error), "1.2.3");
  CHECK_HAS(trust_error_message(error), "1.0.0");
  trust_error_free(error);
}

API_CASES(value_cases, API_CASE(NumbersAreFrozen), API_CASE(StatusNamesAreTheConstants),
          API_CASE(StatusNameIsNeverNull), API_CASE(UntrustedAreTheSixHundreds),
          API_CASE(VersionIsTheHeaders), API_CASE(CheckVersionWantsAtLeastWhatTheHeaderDeclares));
