#include "libtrust/keystore.h"

#include <string>

#include "libtrust/decode.h"

namespace trust {
namespace {

constexpr std::uint32_t kJks = 0xFEEDFEED;
constexpr std::uint32_t kJceks = 0xCECECECE;
constexpr std::uint32_t kPrivateKey = 1;
constexpr std::uint32_t kTrusted = 2;

// Big-endian, from the front; after the first that does not fit, nothing fits.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  bool good() const { return good_; }
  std::uint64_t number(std::size_t bytes) {
    std::uint64_t value = 0;
    for (const char c : take(bytes)) value = value << 8 | static_cast<std::uint8_t>(c);
    return value;
  }
  std::string_view take(std::uint64_t count) {
    if (!good_ || count > rest_.size()) {
      good_ = false;
      return {};
    }
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  std::string_view text() { return take(number(2)); }

 private:
  std::string_view rest_;
  bool good_ = true;
};

} // namespace

std::optional<KeystoreContent> read_keystore(std::string_view bytes) {
  Reader reader(bytes);
  const auto magic = static_cast<std::uint32_t>(reader.number(4));
  if (!reader.good() || (magic != kJks && magic != kJceks)) return std::nullopt;
  KeystoreContent content;
  const std::uint64_t version = reader.number(4);
  const std::uint64_t entries = reader.number(4);
  if (!reader.good() || version < 1 || version > 2) {
    content.is_whole = false;
    return content;
  }
  const auto take_certificate = [&] {
    if (version == 2) reader.text(); // its type, "X.509"
    const std::string_view der = reader.take(reader.number(4));
    if (!reader.good()) return;
    if (content.certificates.size() >= kMaxImportCertificates ||
        der.size() > kMaxCertificateBytes) {
      content.is_whole = false;
      return;
    }
    content.certificates.emplace_back(der.begin(), der.end());
  };
  for (std::uint64_t i = 0; i < entries && reader.good() && content.is_whole; ++i) {
    const std::uint64_t tag = reader.number(4);
    reader.text();    // alias
    reader.number(8); // date
    if (tag == kTrusted) {
      take_certificate();
    } else if (tag == kPrivateKey) {
      content.has_private_key = true;
      reader.take(reader.number(4));
      const std::uint64_t chain = reader.number(4);
      for (std::uint64_t j = 0; j < chain && reader.good() && content.is_whole; ++j) {
        take_certificate();
      }
    } else {
      content.is_whole = false; // a secret key is a serialized object without a length
    }
  }
  if (!reader.good()) content.is_whole = false;
  return content;
}

} // namespace trust
