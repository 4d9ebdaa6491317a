#pragma once
// A trust_conn: one TLS connection, client side.

#include <memory>

#include "capi/handle.h"
#include "capi/trust.h"
#include "libtrust/connection.h"

struct trust_conn : trust::Handle<std::unique_ptr<trust::Connection>> {
  using Handle::Handle;
};
