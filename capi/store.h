#pragma once
// A trust_store: the published store, and what makes connections by it.

#include <memory>

#include "capi/handle.h"
#include "capi/trust.h"
#include "libtrust/connection.h"
#include "libtrust/published_store.h"

struct trust_store : trust::Handle<trust::Connector> {
  using Handle::Handle;
};
