/* What the library does to the process and the thread that it lives in: nothing. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/capi/steps.h"

static void TheErrorQueueIsLeftAsItWas(void) {
  trust_store* store = NULL;
  trust_conn* conn = NULL;
  trust_peer* peer = NULL;
  trust_error* error = NULL;
  world_leave_error();
  CHECK(trust_store_open(world_store(), &store, NULL) == TRUST_OK);
  CHECK(world_error_is_left());
  world_leave_error();
  CHECK(trust_verify(store, HOST, 0, "garbage", 7, NULL, &peer, NULL) < 0);
  CHECK(world_error_is_left());
  const uint16_t stranger = world_port(WORLD_SELF_SIGNED);
  world_leave_error();
  CHECK(trust_connect(store, HOST, stranger, NULL, &conn, &error) == TRUST_ERR_SELF_SIGNED);
  CHECK(world_error_is_left());
  world_leave_error();
  trust_error_free(error);
  CHECK(world_error_is_left());
  const uint16_t echo = world_port(WORLD_ECHO);
  world_leave_error();
  CHECK(trust_connect(store, HOST, echo, NULL, &conn, NULL) == TRUST_OK);
  CHECK(world_error_is_left());
  world_leave_error();
  echoed(conn, "hello");
  trust_conn_free(conn);
  trust_store_free(store);
  CHECK(world_error_is_left());
  trust_config* config = trust_config_new();
  world_leave_error();
  CHECK(trust_config_set_client_cert(config, "x", 1, "x", 1, NULL, NULL) == TRUST_ERR_ARGUMENT);
  CHECK(world_error_is_left());
  trust_config_free(config);
}

static void FreeingLeavesErrno(void) {
  trust_store* store = opened();
  trust_conn* conn = connected(store, WORLD_ECHO, NULL);
  trust_pool* pool = NULL;
  CHECK(trust_pool_new(store, NULL, &pool, NULL) == TRUST_OK);
  errno = 4242;
  trust_conn_cancel(conn);
  trust_pool_put(pool, conn, 1);
  trust_pool_free(pool);
  trust_store_free(store);
  CHECK(errno == 4242);
}

static void NoSignalsAction(void) {
  trust_store* store = opened();
  trust_conn* conn = connected(store, WORLD_ECHO, NULL);
  for (int number = 1; number < 32; ++number) {
    struct sigaction action;
    if (number == SIGKILL || number == SIGSTOP) continue;
    CHECK(sigaction(number, NULL, &action) == 0);
    /* Sanitizers watch these. */
    if (number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL) continue;
    if (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN) {
      api_failed(__FILE__, __LINE__, "a signal has a handler");
    }
  }
  trust_conn_free(conn);
  trust_store_free(store);
}

/* In the child: what fails is the exit status. */
static int child(trust_store* store, trust_pool* pool, uint16_t port) {
  trust_conn* conn = NULL;
  char text[4] = {0};
  size_t count = 0;
  if (trust_pool_idle(pool) != 0) return 1;
  if (trust_store_refresh(store, NULL) != TRUST_OK) return 2;
  if (trust_pool_get(pool, HOST, port, &conn, NULL) != TRUST_OK) return 3;
  if (trust_conn_write(conn, "abc", 3, &count, NULL) != TRUST_OK) return 4;
  if (trust_conn_read(conn, text, 3, &count, NULL) != TRUST_OK || text[0] != 'a') return 5;
  trust_pool_put(pool, conn, 1);
  if (trust_pool_idle(pool) != 1) return 6;
  if (trust_connect(store, HOST, port, NULL, &conn, NULL) != TRUST_OK) return 7;
  trust_conn_free(conn);
  trust_pool_free(pool);
  trust_store_free(store);
  return 0;
}

static void AChildHasTheStoreAndAPoolOfItsOwn(void) {
  trust_store* store = opened();
  trust_pool* pool = NULL;
  trust_conn* conn = NULL;
  int status = -1;
  const uint16_t port = world_port(WORLD_ECHO);
  EXPECT(TRUST_OK, trust_pool_new(store, NULL, &pool, &err));
  EXPECT(TRUST_OK, trust_pool_get(pool, HOST, port, &conn, &err));
  echoed(conn, "before");
  trust_pool_put(pool, conn, 1);
  CHECK(trust_pool_idle(pool) == 1);
  fflush(NULL);
  const pid_t pid = fork();
  if (pid == 0) _exit(child(store, pool, port));
  CHECK(waitpid(pid, &status, 0) == pid);
  CHECK(WIFEXITED(status));
  if (WEXITSTATUS(status) != 0) {
    char text[64];
    snprintf(text, sizeof text, "the child failed at step %d", WEXITSTATUS(status));
    api_failed(__FILE__, __LINE__, text);
  }
  EXPECT(TRUST_OK, trust_pool_get(pool, HOST, port, &conn, &err));
  CHECK(trust_pool_reused(pool) == 1);
  echoed(conn, "after: the child touched nothing of it");
  trust_conn_free(conn);
  trust_pool_free(pool);
  trust_store_free(store);
}

API_CASES(process_cases, API_CASE(TheErrorQueueIsLeftAsItWas), API_CASE(FreeingLeavesErrno),
          API_CASE(NoSignalsAction), API_CASE(AChildHasTheStoreAndAPoolOfItsOwn));
