#include "capi/store.h"

#include <optional>
#include <string>

#include "capi/guard.h"
#include "capi/version.h"
#include "libtrust/emit/env.h"

namespace {

const trust::PublishedStore& published(const trust_store* store) { return *store->value.store(); }

// Null past the end, and when there is no memory or nothing published to read it from.
const trust::EnvValue* variable(const trust_store* store, size_t index) noexcept {
  if (store == nullptr) return nullptr;
  const trust::ErrorQueueGuard queue;
  try {
    const auto& variables = published(store).environment();
    return index < variables.size() ? &variables[index] : nullptr;
  } catch (...) {
    return nullptr;
  }
}

} // namespace

extern "C" {

trust_status trust_store_open(const char* directory, trust_store** out, trust_error** err) {
  if (out != nullptr) *out = nullptr;
  return trust::guarded(err, [&] {
    trust::require(out, "out");
    if (const auto& failure = trust::unfit_process()) return trust::tell(err, *failure);
    std::optional<std::string> named;
    if (directory != nullptr) named = directory;
    trust::hand_out(out, trust::PublishedStore::open(named));
    return trust_status{TRUST_OK};
  });
}

void trust_store_free(trust_store* store) { trust::release(store); }

trust_status trust_store_refresh(trust_store* store, trust_error** err) {
  return trust::guarded(err, [&] {
    trust::require(store, "store");
    (void)published(store).refresh();
    return trust_status{TRUST_OK};
  });
}

uint64_t trust_store_generation(const trust_store* store) {
  return store == nullptr ? 0 : published(store).generation();
}

const char* trust_store_directory(const trust_store* store) {
  return store == nullptr ? nullptr : published(store).directory().c_str();
}

const char* trust_store_bundle_path(const trust_store* store) {
  return store == nullptr ? nullptr : published(store).bundle_path().c_str();
}

const char* trust_store_env_name(const trust_store* store, size_t index) {
  const trust::EnvValue* const found = variable(store, index);
  return found == nullptr ? nullptr : found->name.c_str();
}

const char* trust_store_env_value(const trust_store* store, size_t index) {
  const trust::EnvValue* const found = variable(store, index);
  return found == nullptr ? nullptr : found->value.c_str();
}

} // extern "C"
