#include "libtrust/profile.h"

#include <openssl/x509v3.h>

#include <algorithm>
#include <string_view>

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

// A common name that a program of old would take for the server's name.
bool looks_like_host(std::string_view name) {
  if (name.find_first_of(" /@") != std::string_view::npos) return false;
  return name.find_first_of(".:") != std::string_view::npos || name.starts_with("0x");
}

bool among_names(const Certificate& leaf, std::string_view name) {
  const auto& names = leaf.dns_names();
  if (std::find(names.begin(), names.end(), name) != names.end()) return true;
  return std::any_of(leaf.addresses().begin(), leaf.addresses().end(),
                     [&](const Host& address) { return address.text() == name; });
}

const char* fault_of_leaf(const Certificate& leaf) {
  if (!leaf.is_ca() && has(leaf, NID_name_constraints)) return "has name constraints and is no CA";
  for (const std::string& name : leaf.dns_names())
    if (!is_dns_name(name)) return "has a name in its SAN that is no DNS name";
  const std::string& name = leaf.common_name();
  if (leaf.has_names() && looks_like_host(name) && !among_names(leaf, name))
    return "has a common name that is a host and is not in its SAN";
  return nullptr;
}

const char* fault_of(Path path, std::size_t index) {
  const Certificate& certificate = *path[index];
  if (const char* fault = fault_of_any(certificate)) return fault;
  const bool is_anchor = index + 1 == path.size();
  if (!is_anchor)
    if (const char* fault = fault_of_serial(certificate)) return fault;
  return index == 0 ? fault_of_leaf(certificate) : nullptr;
}

} // namespace

std::optional<PathFault> check_profile(Path path) {
  for (std::size_t i = 0; i < path.size(); ++i)
    if (const char* fault = fault_of(path, i)) return PathFault{Verdict::bad_chain, i, fault};
  return std::nullopt;
}

} // namespace trust
