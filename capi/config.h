#pragma once
// A trust_config: how to connect.

#include "capi/handle.h"
#include "capi/trust.h"
#include "libtrust/connection_config.h"

struct trust_config : trust::Handle<trust::ConnectionConfig> {
  using Handle::Handle;
};

namespace trust {

// What a null configuration means.
inline ConnectionConfig value_of(const trust_config* config) {
  return config == nullptr ? ConnectionConfig{} : config->value;
}

} // namespace trust
