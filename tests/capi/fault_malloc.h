/* An allocator that fails when it is told to: this program's malloc, and so of every library in it,
 * C++'s new, OpenSSL's and SQLite's as well. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

enum fault_kind {
  FAULT_NEW, /* C++'s own alone */
  FAULT_ALL /* C's as well: those of the libraries beneath */
};

/* From now on the allocation number `at` (from 0) of this thread fails, and, unless `once`, every
 * one after it. */
void fault_arm(long at, int once, enum fault_kind kind);
/* None fails and none is counted between these two. */
void fault_hold(void);
void fault_go_on(void);
/* No more. Whether one failed since. */
int fault_disarm(void);

/* Whose allocations failed since the program began: told by the code that asked for the memory. */
enum fault_owner { FAULT_OF_OPENSSL, FAULT_OF_SQLITE, FAULT_OF_OTHERS };
long fault_count(enum fault_owner owner);

/* For operator new: whether this one fails; and memory that does not. */
int fault_of_new(void);
void* fault_safe_malloc(unsigned long size);

#ifdef __cplusplus
}
#endif
