#pragma once
// The form of the database and the numbered steps that lead to it. docs/store.md describes it.

#include "libtrust/sql.h"

namespace trust {

inline constexpr int kApplicationId = 0x74727374; // "trst"
inline constexpr int kSchemaVersion = 4;

// Brings a database to kSchemaVersion, each step in a transaction of its own; a new one also
// gets its store id. Error{store_invalid} if it is of another program or a newer version.
void migrate(Database& db);

// The same check without changing anything, for readers.
void check_schema(Database& db);

} // namespace trust
