#pragma once
// Labels: the names that people give to entries, and that files are named after. Pure.

#include <string>
#include <string_view>

#include "libtrust/certificate.h"
#include "libtrust/host.h"

namespace trust {

inline constexpr std::size_t kMaxLabelBytes = 63;

// Whether it is [a-z0-9][a-z0-9._-]{0,62}, not reserved (bundle, extra, hashed, p12) and not of
// hex digits only, which would be a fingerprint's beginning.
bool is_label(std::string_view text) noexcept;

// The text itself; Error{invalid} that says why if it is no label.
std::string parse_label(std::string_view text);

// Any text made into a label: lower-cased, what does not fit replaced by "-", cut; "" if nothing
// is left of it. Reserved words and hex digits get "-cert" appended.
std::string fitted_label(std::string_view text);

// Default labels; unique is what the store makes them. Of a server its host, with "-PORT" unless
// that is 443. Of a file the certificate's first name in the SAN, else its CN, else the file's
// stem, else "certificate".
std::string label_for(const Endpoint& endpoint);
std::string label_for(const Certificate& certificate, std::string_view file);

} // namespace trust
