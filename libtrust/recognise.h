#pragma once
// What bytes are that are no certificate, in words for the person who gave them. Guesses from
// outlines; reads nothing through. Pure; any thread.

#include <optional>
#include <string>
#include <string_view>

#include "libtrust/der.h"

namespace trust {

struct Looks {
  std::string what; // to follow "it is": "a certificate request, not a certificate"
  std::string hint;
  bool is_private_key = false;
};

// Of one whole DER sequence that is no certificate; none if it looks like nothing known. A key is
// recognised by its outline alone: whatever else is wrong with it, it must not be taken for
// something harmless.
std::optional<Looks> look_at_der(ByteView bytes);

// Of a PEM block by its label, which is not that of a certificate.
Looks look_at_label(std::string_view label);

// Of a whole input that is neither DER nor has a PEM block.
Looks look_at(std::string_view bytes);

// Whether the header of a DER sequence announces more than there is.
bool is_cut_short(ByteView bytes);

// Whether it is text, by its beginning.
bool is_text(std::string_view bytes);

inline bool is_white_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
std::string without_white_space(std::string_view text);

} // namespace trust
