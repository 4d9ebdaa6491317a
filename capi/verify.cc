#include "capi/config.h"
#include "capi/guard.h"
#include "capi/input.h"
#include "capi/peer.h"
#include "capi/store.h"

extern "C" trust_status trust_verify(trust_store* store, const char* host, uint16_t port,
                                     const void* chain, size_t chain_len,
                                     const trust_config* config, trust_peer** out,
                                     trust_error** err) {
  if (out != nullptr) *out = nullptr;
  return trust::guarded(err, [&] {
    trust::require(store, "store");
    trust::require(out, "out");
    const trust::Host dialled = trust::host_of(host);
    const trust::ConnectionConfig options = trust::value_of(config);
    trust::hand_out(
        out, trust::verify(*store->value.store(), options.server_name.value_or(dialled), port,
                           trust::text_at(chain, chain_len, "chain"), options.judge));
    return trust_status{TRUST_OK};
  });
}
