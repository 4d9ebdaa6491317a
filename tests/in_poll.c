/* C that is C++ as well: the tests of the C++ binding compile it as such. */
#include "in_poll.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int is_in_poll(const char* thread) {
  char path[300], text[64];
  snprintf(path, sizeof path, "/proc/self/task/%s/syscall", thread);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0; /* "." and "..", and one that has just ended */
  const ssize_t length = read(fd, text, sizeof text - 1);
  close(fd);
  text[length < 0 ? 0 : length] = '\0';
  char* end = text;
  const long number = strtol(text, &end, 10); /* "running" is no number */
#ifdef SYS_poll
  if (end != text && number == SYS_poll) return 1;
#endif
  return end != text && number == SYS_ppoll;
}

int wait_until_in_poll(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  for (const time_t last = now.tv_sec + 10; now.tv_sec < last;) {
    DIR* const threads = opendir("/proc/self/task");
    int found = 0;
    if (threads == NULL) return 0;
    for (const struct dirent* each = readdir(threads); each != NULL && !found;) {
      found = is_in_poll(each->d_name);
      each = readdir(threads);
    }
    closedir(threads);
    if (found) return 1;
    sched_yield();
    clock_gettime(CLOCK_MONOTONIC, &now);
  }
  return 0;
}
