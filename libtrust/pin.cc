#include "libtrust/pin.h"

#include <algorithm>

#include "libtrust/error.h"

namespace trust {

Pin Pin::parse(std::string_view text) {
  constexpr std::string_view kPrefix = "sha256/";
  std::string_view rest = text;
  if (rest.starts_with(kPrefix)) {
    rest.remove_prefix(kPrefix.size());
    // As curl writes it. Base64 itself can begin with a slash, so the length tells.
    constexpr std::size_t kDigits = 44;
    if (rest.size() == kDigits + 1 && rest.starts_with('/')) rest.remove_prefix(1);
    const auto bytes = parse_base64(rest);
    if (bytes && bytes->size() == sizeof(Digest)) {
      Pin pin;
      std::copy(bytes->begin(), bytes->end(), pin.spki_hash.begin());
      return pin;
    }
  }
  throw Error(Code::invalid, '"' + shown(text) + "\" is not a pin",
              "a pin is sha256/ and the 44 characters of base64 of the key's SHA-256");
}

} // namespace trust
