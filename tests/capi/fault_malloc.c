#define _GNU_SOURCE
#include "tests/capi/fault_malloc.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local long left; /* until one fails */
static _Thread_local int is_armed, is_held, only_one, has_failed;
static _Thread_local enum fault_kind kind;

static atomic_long counts[FAULT_OF_OTHERS + 1];

static void count(const void* caller) {
  Dl_info place;
  enum fault_owner owner = FAULT_OF_OTHERS;
  if (dladdr(caller, &place) != 0 && place.dli_fname != NULL) {
    if (strstr(place.dli_fname, "libcrypto.so") || strstr(place.dli_fname, "libssl.so")) {
      owner = FAULT_OF_OPENSSL;
    } else if (strstr(place.dli_fname, "libsqlite3.so")) {
      owner = FAULT_OF_SQLITE;
    }
  }
  ++counts[owner];
}

long fault_count(enum fault_owner owner) { return counts[owner]; }

static int fails(void) {
  if (!is_armed || is_held) return 0;
  if (left > 0) {
    --left;
    return 0;
  }
  if (only_one) is_armed = 0;
  has_failed = 1;
  errno = ENOMEM;
  return 1;
}

static int c_fails(const void* caller) {
  if (kind != FAULT_ALL || !fails()) return 0;
  count(caller);
  return 1;
}

int fault_of_new(void) { return fails(); }

void fault_arm(long at, int once, enum fault_kind which) {
  only_one = once;
  kind = which;
  has_failed = 0;
  left = at;
  is_armed = 1;
}

void fault_hold(void) { is_held = 1; }
void fault_go_on(void) { is_held = 0; }

int fault_disarm(void) {
  is_armed = 0;
  return has_failed;
}

/* The C library's own, by the names it keeps for those who stand before it. */
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* memory, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
void __libc_free(void* memory);

void* fault_safe_malloc(size_t size) { return __libc_malloc(size); }

#define CALLER __builtin_return_address(0)
void* malloc(size_t size) { return c_fails(CALLER) ? NULL : __libc_malloc(size); }
void* calloc(size_t times, size_t size) {
  return c_fails(CALLER) ? NULL : __libc_calloc(times, size);
}
void* realloc(void* memory, size_t size) {
  return c_fails(CALLER) ? NULL : __libc_realloc(memory, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  return c_fails(CALLER) ? NULL : __libc_memalign(alignment, size);
}
void* memalign(size_t alignment, size_t size) {
  return c_fails(CALLER) ? NULL : __libc_memalign(alignment, size);
}
int posix_memalign(void** out, size_t alignment, size_t size) {
  void* const memory = c_fails(CALLER) ? NULL : __libc_memalign(alignment, size);
  if (memory == NULL) return ENOMEM;
  *out = memory;
  return 0;
}
void free(void* memory) { __libc_free(memory); }
