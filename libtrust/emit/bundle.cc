#include "libtrust/emit/bundle.h"

#include "libtrust/error.h"

namespace trust {
namespace {

// Text from a certificate as printable ASCII without the dashes that PEM is made of.
std::string plain(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const char c : shown(text)) {
    const auto byte = static_cast<unsigned char>(c);
    const bool dashes = c == '-' && !out.empty() && out.back() == '-';
    if (byte >= 0x20 && byte < 0x7f && !dashes) {
      out += c;
    } else {
      out += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 0xf]};
    }
  }
  return out;
}

} // namespace

std::string bundle_block(const Entry& entry, ByteView der, bool is_shadow) {
  std::string block = "# " + plain(entry.certificate.subject);
  if (!entry.label.empty()) block += " [" + plain(entry.label) + "]";
  if (is_shadow) block += entry.hosts.empty() ? " (self-issued shadow)" : " (scoped shadow)";
  block += '\n';
  block += pem_of(der);
  return block;
}

} // namespace trust
