#pragma once
// Whether header, library and what the library runs on fit together.
//
// A host may carry an OpenSSL of its own and export its symbols (stock Node exports 2007); a
// library that is linked to the shared libssl then runs on the host's, silently, with whatever
// version and layout that has. So each of the libraries is asked through an ordinary call for
// something that lies in it, and it is looked at where that lies.

#include <cstdint>
#include <optional>

#include "capi/error.h"

namespace trust {

// Why the library cannot be used in this process; none if it can. Looked at once.
const std::optional<Failure>& unfit_process();

} // namespace trust
