/* Waits until a thread of this process sleeps in poll(), as a read does that has nothing to read:
 * for a test of what wakes it. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/* 0 if none did within ten seconds. */
int wait_until_in_poll(void);

#ifdef __cplusplus
}
#endif
