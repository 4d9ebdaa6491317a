#include "libtrust/profile.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "libtrust/der.h"
#include "libtrust/handles.h"

namespace trust {
namespace {

using Path = std::span<const Certificate* const>;

bool has(const Certificate& certificate, int nid) {
  return X509_get_ext_by_NID(certificate.x509(), nid, -1) >= 0;
}

// RFC 5280 section 4.1.2.5: seconds, in UTC, without fractions.
bool is_plain_time(const ASN1_TIME* time) {
  const std::string_view text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(time)),
                              static_cast<std::size_t>(ASN1_STRING_length(time)));
  const std::size_t length = ASN1_STRING_type(time) == V_ASN1_UTCTIME ? 13 : 15;
  return text.size() == length && text.back() == 'Z';
}

const char* fault_of_any(const Certificate& certificate) {
  const X509* x509 = certificate.x509();
  if (!is_plain_time(X509_get0_notBefore(x509)) || !is_plain_time(X509_get0_notAfter(x509)))
    return "has dates that are not written as RFC 5280 wants them";
  return nullptr;
}

// Roots of long ago have serial numbers that none may have today.
const char* fault_of_serial(const Certificate& certificate) {
  const ASN1_INTEGER* serial = X509_get0_serialNumber(certificate.x509());
  const std::string_view digits = certificate.serial();
  if (ASN1_STRING_length(serial) > 20) return "has a serial number of more than 20 bytes";
  if (digits.find_first_not_of('0') == std::string_view::npos) return "has the serial number 0";
  if (digits.starts_with('-')) return "has a negative serial number";
  return nullptr;
}

// As it may stand in a certificate: a name, or one below "*.".
bool is_dns_name(std::string_view name) {
  if (name.starts_with("*.")) name.remove_prefix(2);
  return name.find('_') == std::string_view::npos && !name.ends_with('.') &&
         Host::try_parse(name).has_value();
}

std::string lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  return out;
}

// An address that is not written as RFC 3986 and RFC 5952 want it, but as inet_aton takes it.
std::optional<Host> loose_address(const std::string& text) {
  std::array<std::uint8_t, 16> bytes{};
  if (::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return Host::from_address(bytes);
  in_addr v4{};
  if (text.find(' ') != std::string::npos || ::inet_aton(text.c_str(), &v4) != 1) return {};
  std::memcpy(bytes.data(), &v4, sizeof v4);
  return Host::from_address({bytes.data(), sizeof v4});
}

std::string without_leading_zeros(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool first = i == 0 || text[i - 1] == '.' || (text[i - 1] == '0' && out.empty()) ||
                       (text[i - 1] == '0' && out.back() == '.');
    const bool more = i + 1 < text.size() && text[i + 1] != '.';
    if (!(text[i] == '0' && first && more)) out += text[i];
  }
  return out;
}

// Whether the common name means one of the names of the SAN and is written otherwise: programs that
// look at the one and at the other would not agree.
bool spells_a_name_otherwise(const Certificate& leaf) {
  const std::string& name = leaf.common_name();
  const auto& names = leaf.dns_names();
  if (name.empty() || std::find(names.begin(), names.end(), name) != names.end()) return false;
  const std::string lower = lowered(name);
  if (std::any_of(names.begin(), names.end(),
                  [&](const std::string& other) { return lowered(other) == lower; }))
    return true;
  // International names are A-labels.
  const bool ascii = std::none_of(name.begin(), name.end(),
                                  [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
  if (!ascii && name.find('.') != std::string::npos && name.find(' ') == std::string::npos)
    return true;
  // Zeros before a number are octal to some and nothing to others.
  const auto octal = loose_address(name), decimal = Host::try_parse(without_leading_zeros(name));
  return std::any_of(leaf.addresses().begin(), leaf.addresses().end(), [&](const Host& address) {
    return address.text() != name && (address == octal || address == decimal);
  });
}

// Read by hand: it is a list of pairs, and not an empty one.
bool has_malformed_access(const Certificate& certificate) {
  const int at = X509_get_ext_by_NID(certificate.x509(), NID_info_access, -1);
  if (at < 0) return false;
  const ASN1_OCTET_STRING* value = X509_EXTENSION_get_data(X509_get_ext(certificate.x509(), at));
  DerReader outer(
      {ASN1_STRING_get0_data(value), static_cast<std::size_t>(ASN1_STRING_length(value))});
  const auto list = outer.next(der::kSequence);
  if (!list || !outer.done() || list->content.empty()) return true;
  for (DerReader items(list->content); !items.done();) {
    const auto item = items.next(der::kSequence);
    DerReader fields(item ? item->content : ByteView{});
    if (!fields.next(der::kObject) || !fields.next() || !fields.done()) return true;
  }
  return false;
}

const char* fault_of_leaf(const Certificate& leaf) {
  if (!leaf.is_ca() && has(leaf, NID_name_constraints)) return "has name constraints and is no CA";
  for (const std::string& name : leaf.dns_names())
    if (!is_dns_name(name)) return "has a name in its SAN that is no DNS name";
  if (spells_a_name_otherwise(leaf))
    return "has a common name that spells a name of its SAN otherwise";
  const int san = X509_get_ext_by_NID(leaf.x509(), NID_subject_alt_name, -1);
  const bool critical =
      san >= 0 && X509_EXTENSION_get_critical(X509_get_ext(leaf.x509(), san)) == 1;
  if (critical && X509_NAME_entry_count(X509_get_subject_name(leaf.x509())) > 0)
    return "has a subject, and a SAN that is critical";
  if (leaf.is_ca() && !leaf.could_sign()) return "is said to be a CA and may not sign";
  if (has_malformed_access(leaf)) return "has an AIA that cannot be read";
  return nullptr;
}

const char* fault_of_anchor(const Certificate& anchor) {
  if (!anchor.is_self_issued()) return nullptr;
  const ASN1_OCTET_STRING* authority = X509_get0_authority_key_id(anchor.x509());
  const ASN1_OCTET_STRING* subject = X509_get0_subject_key_id(anchor.x509());
  if (authority != nullptr && subject != nullptr && ASN1_OCTET_STRING_cmp(authority, subject) != 0)
    return "is issued by itself and names another's key";
  return nullptr;
}

const char* fault_of(Path path, std::size_t index, PathLedger& ledger) {
  const Certificate& certificate = *path[index];
  if (const char* fault = fault_of_any(certificate)) return fault;
  const bool is_anchor = index + 1 == path.size();
  if (!is_anchor)
    if (const char* fault = fault_of_serial(certificate)) return fault;
  if (is_anchor && index > 0)
    if (const char* fault = fault_of_anchor(certificate)) return fault;
  if (index != 0) return nullptr;
  if (!ledger.fault_of_leaf) ledger.fault_of_leaf = fault_of_leaf(certificate);
  return *ledger.fault_of_leaf;
}

} // namespace

std::optional<PathFault> check_purpose(Path path, bool client) {
  const std::uint32_t wanted = client ? XKU_SSL_CLIENT : XKU_SSL_SERVER;
  for (std::size_t i = 0; i < path.size(); ++i) {
    X509* const x509 = path[i]->x509();
    const bool limited = (X509_get_extension_flags(x509) & EXFLAG_XKUSAGE) != 0;
    if (limited && (X509_get_extended_key_usage(x509) & wanted) == 0)
      return PathFault{Verdict::bad_chain, i,
                       client ? "is not meant for TLS clients" : "is not meant for TLS servers"};
  }
  // A CA that serves by itself says what it signs, and is taken as it is.
  constexpr std::uint32_t kTls = KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT | KU_KEY_AGREEMENT;
  const Certificate& leaf = *path.front();
  if (!leaf.is_ca() && (X509_get_key_usage(leaf.x509()) & kTls) == 0)
    return PathFault{Verdict::bad_chain, 0, "has a key that is not meant for TLS"};
  return std::nullopt;
}

std::optional<PathFault> check_profile(Path path, PathLedger& ledger) {
  for (std::size_t i = 0; i < path.size(); ++i)
    if (const char* fault = fault_of(path, i, ledger))
      return PathFault{Verdict::bad_chain, i, fault};
  return std::nullopt;
}

} // namespace trust
