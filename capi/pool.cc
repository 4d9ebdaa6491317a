#include "libtrust/pool.h"
#include "capi/config.h"
#include "capi/connection.h"
#include "capi/guard.h"
#include "capi/input.h"
#include "capi/store.h"

struct trust_pool : trust::Handle<trust::Pool> {
  using Handle::Handle;
};

namespace {

trust::Pool& value_of(const trust_pool* pool) { return const_cast<trust_pool*>(pool)->value; }

// A count of a pool; 0 of none.
template <typename Count>
uint64_t count_of(const trust_pool* pool, Count&& count) noexcept {
  if (pool == nullptr) return 0;
  const trust::ErrnoAside errno_aside;
  const trust::ErrorQueueGuard queue;
  try {
    return count(value_of(pool));
  } catch (...) {
    return 0; // in a child that has no memory for a pool of its own: it has none of these
  }
}

} // namespace

extern "C" {

trust_status trust_pool_new(trust_store* store, const trust_config* config, trust_pool** out,
                            trust_error** err) {
  if (out != nullptr) *out = nullptr;
  return trust::guarded(err, [&] {
    trust::require(store, "store");
    trust::require(out, "out");
    trust::hand_out(out, store->value.store(), trust::value_of(config));
    return trust_status{TRUST_OK};
  });
}

void trust_pool_free(trust_pool* pool) { trust::release(pool); }

trust_status trust_pool_set_limits(trust_pool* pool, uint32_t max_per_host, uint32_t max_total,
                                   uint32_t idle_ms, trust_error** err) {
  return trust::guarded(err, [&] {
    trust::require(pool, "pool");
    pool->value.set_limits({max_per_host, max_total, std::chrono::milliseconds(idle_ms)});
    return trust_status{TRUST_OK};
  });
}

trust_status trust_pool_get(trust_pool* pool, const char* host, uint16_t port, trust_conn** out,
                            trust_error** err) {
  if (out != nullptr) *out = nullptr;
  return trust::guarded(err, [&] {
    trust::require(pool, "pool");
    trust::require(out, "out");
    trust::hand_out(out, pool->value.get(trust::endpoint_of(host, port)));
    return trust_status{TRUST_OK};
  });
}

void trust_pool_put(trust_pool* pool, trust_conn* conn, int32_t reusable) {
  if (conn == nullptr) return;
  const trust::ErrnoAside errno_aside;
  const trust::ErrorQueueGuard queue;
  if (pool != nullptr) pool->value.put(std::move(conn->value), reusable != 0);
  trust::release(conn);
}

uint64_t trust_pool_idle(const trust_pool* pool) {
  return count_of(pool, [](trust::Pool& value) { return value.idle(); });
}

uint64_t trust_pool_created(const trust_pool* pool) {
  return count_of(pool, [](trust::Pool& value) { return value.created(); });
}

uint64_t trust_pool_reused(const trust_pool* pool) {
  return count_of(pool, [](trust::Pool& value) { return value.reused(); });
}

uint64_t trust_pool_resumed(const trust_pool* pool) {
  return count_of(pool, [](trust::Pool& value) { return value.resumed(); });
}

} // extern "C"
