/* Idle connections, ready to use again. */
#include "tests/capi/steps.h"

static trust_pool* pooled(trust_store* store) {
  trust_pool* pool = NULL;
  EXPECT(TRUST_OK, trust_pool_new(store, NULL, &pool, &err));
  return pool;
}

static trust_conn* got(trust_pool* pool, enum world_server which) {
  trust_conn* conn = NULL;
  EXPECT(TRUST_OK, trust_pool_get(pool, HOST, world_port(which), &conn, &err));
  return conn;
}

static void KeepsAConnectionAndHandsItOutAgain(void) {
  trust_store* store = opened();
  trust_pool* pool = pooled(store);
  trust_conn* first = got(pool, WORLD_ECHO);
  echoed(first, "one");
  CHECK(trust_pool_idle(pool) == 0 && trust_pool_created(pool) == 1);
  trust_pool_put(pool, first, 1);
  CHECK(trust_pool_idle(pool) == 1);
  trust_conn* second = got(pool, WORLD_ECHO);
  CHECK(trust_pool_idle(pool) == 0 && trust_pool_created(pool) == 1);
  CHECK(trust_pool_reused(pool) == 1);
  CHECK(world_accepted(WORLD_ECHO) == 1);
  echoed(second, "two");
  trust_pool_put(pool, second, 1);
  trust_pool_free(pool);
  trust_store_free(store);
}

static void NeverWaitsForOneThatIsInUse(void) {
  trust_store* store = opened();
  trust_pool* pool = pooled(store);
  trust_conn* conns[20];
  EXPECT(TRUST_OK, trust_pool_set_limits(pool, 2, 3, 60000, &err));
  for (int i = 0; i < 20; ++i) conns[i] = got(pool, WORLD_ECHO);
  CHECK(trust_pool_created(pool) == 20);
  for (int i = 0; i < 20; ++i) trust_pool_put(pool, conns[i], 1);
  CHECK(trust_pool_idle(pool) == 2);
  trust_pool_free(pool);
  trust_store_free(store);
}

static void LimitsHoldInAllAsWell(void) {
  trust_store* store = opened();
  trust_pool* pool = pooled(store);
  EXPECT(TRUST_OK, trust_pool_set_limits(pool, 8, 1, 60000, &err));
  trust_conn* first = got(pool, WORLD_ECHO);
  trust_conn* second = got(pool, WORLD_LEAF);
  trust_pool_put(pool, first, 1);
  trust_pool_put(pool, second, 1);
  CHECK(trust_pool_idle(pool) == 1);
  trust_pool_free(pool);
  trust_store_free(store);
}

static void KeepsNothingThatIsNotReusable(void) {
  trust_store* store = opened();
  trust_pool* pool = pooled(store);
  size_t count = 0;
  char byte;
  trust_pool_put(pool, got(pool, WORLD_ECHO), 0);
  CHECK(trust_pool_idle(pool) == 0);
  trust_conn* conn = got(pool, WORLD_ECHO); /* two of three bytes are left unread */
  EXPECT(TRUST_OK, trust_conn_write(conn, "abc", 3, &count, &err));
  EXPECT(TRUST_OK, trust_conn_read(conn, &byte, 1, &count, &err));
  trust_pool_put(pool, conn, 1);
  CHECK(trust_pool_idle(pool) == 0);
  conn = got(pool, WORLD_ECHO);
  EXPECT(TRUST_OK, trust_conn_close(conn, &err));
  trust_pool_put(pool, conn, 1);
  CHECK(trust_pool_idle(pool) == 0);
  trust_pool_put(NULL, got(pool, WORLD_ECHO), 1); /* freed */
  CHECK(trust_pool_idle(pool) == 0);
  trust_pool_free(pool);
  trust_store_free(store);
}

static void AConnectionThatThePeerClosedIsNotHandedOut(void) {
  trust_store* store = opened();
  trust_pool* pool = pooled(store);
  trust_conn* conn = got(pool, WORLD_ECHO);
  echoed(conn, "one");
  trust_pool_put(pool, conn, 1);
  world_hang_up(WORLD_ECHO);
  conn = got(pool, WORLD_ECHO);
  echoed(conn, "two");
  CHECK(trust_pool_reused(pool) == 0 && trust_pool_created(pool) == 2);
  trust_conn_free(conn);
  trust_pool_free(pool);
  trust_store_free(store);
}

static void ANewConnectionResumesASession(void) {
  trust_store* store = opened();
  trust_pool* pool = pooled(store);
  trust_conn* conn = got(pool, WORLD_ECHO);
  echoed(conn, "and a ticket came with it");
  trust_pool_put(pool, conn, 0);
  conn = got(pool, WORLD_ECHO);
  CHECK(trust_conn_resumed(conn) == 1 && trust_pool_resumed(pool) == 1);
  CHECK(trust_pool_created(pool) == 2 && trust_pool_reused(pool) == 0);
  trust_conn_free(conn);
  trust_pool_free(pool);
  trust_store_free(store);
}

static void IdleConnectionsAreJudgedAgain(void) {
  trust_store* store = opened();
  trust_pool* pool = pooled(store);
  trust_conn* conn = got(pool, WORLD_ECHO);
  trust_conn* held = got(pool, WORLD_ECHO);
  echoed(conn, "one");
  trust_pool_put(pool, conn, 1);
  world_distrust();
  EXPECT(TRUST_OK, trust_store_refresh(store, &err));
  EXPECT(TRUST_ERR_DISTRUSTED, trust_pool_get(pool, HOST, world_port(WORLD_ECHO), &conn, &err));
  CHECK(conn == NULL && trust_pool_idle(pool) == 0);
  echoed(held, "in my hands it is not judged again");
  trust_pool_put(pool, held, 1);
  trust_pool_free(pool);
  trust_store_free(store);
}

static void ThoseHandedOutOutliveThePool(void) {
  trust_store* store = opened();
  trust_pool* pool = pooled(store);
  trust_conn* conn = got(pool, WORLD_ECHO);
  trust_pool_free(pool);
  trust_store_free(store);
  echoed(conn, "still here");
  trust_conn_free(conn);
}

static void IdleForTooLongIsClosed(void) {
  trust_store* store = opened();
  trust_pool* pool = pooled(store);
  EXPECT(TRUST_OK, trust_pool_set_limits(pool, 8, 64, 0, &err));
  trust_conn* conn = got(pool, WORLD_ECHO);
  trust_pool_put(pool, conn, 1);
  conn = got(pool, WORLD_ECHO);
  CHECK(trust_pool_reused(pool) == 0 && trust_pool_created(pool) == 2);
  trust_conn_free(conn);
  trust_pool_free(pool);
  trust_store_free(store);
}

API_CASES(pool_cases, API_CASE(KeepsAConnectionAndHandsItOutAgain),
          API_CASE(NeverWaitsForOneThatIsInUse), API_CASE(LimitsHoldInAllAsWell),
          API_CASE(KeepsNothingThatIsNotReusable),
          API_CASE(AConnectionThatThePeerClosedIsNotHandedOut),
          API_CASE(ANewConnectionResumesASession), API_CASE(IdleConnectionsAreJudgedAgain),
          API_CASE(ThoseHandedOutOutliveThePool), API_CASE(IdleForTooLongIsClosed));
