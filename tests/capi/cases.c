/* What capi_tests consists of. */
#include <stddef.h>

#include "tests/capi/world.h"

extern const struct api_case value_cases[], null_cases[], store_cases[], config_cases[],
    connection_cases[], memory_cases[], pool_cases[], verify_cases[], process_cases[], seed_cases[];

const struct api_case* const api_all_cases[] = {
    value_cases,      null_cases,   store_cases, config_cases,
    connection_cases, memory_cases, pool_cases,  verify_cases,
    process_cases,    seed_cases,   NULL};
