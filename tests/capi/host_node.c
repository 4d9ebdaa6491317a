/* An addon for Node: `require` gives what a visit said. Node-API is declared here as far as it is
 * used, since its headers are not where Node is. */
#include <stdlib.h>

#include "tests/capi/host_visit.h"

typedef struct napi_env__* napi_env;
typedef struct napi_value__* napi_value;
int napi_create_string_utf8(napi_env env, const char* text, size_t length, napi_value* result);
napi_value napi_register_module_v1(napi_env env, napi_value exports);

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env,
                                                                          napi_value exports) {
  char said[4096];
  napi_value result = exports;
  visit(getenv("VISIT_LIBRARY"), getenv("VISIT_STORE"), getenv("VISIT_HOST"),
        atoi(getenv("VISIT_PORT")), said, sizeof said);
  napi_create_string_utf8(env, said, strlen(said), &result);
  return result;
}
