#pragma once
// An entry as answers show it, with what published files make of it. Any thread, with a store of
// its own.

#include "daemon/service.h"
#include "libtrust/json.h"
#include "libtrust/store.h"

namespace trust {

// json_of(entry), and for an entry in force "emitted": {"as", "why", "wider_by"}.
Json entry_json(const Service& service, const Store& store, const Entry& entry);

} // namespace trust
