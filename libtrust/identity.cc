#include "libtrust/identity.h"

#include <algorithm>

#include "libtrust/error.h"

namespace trust {

std::vector<Pattern> parse_names(const std::vector<std::string>& texts) {
  std::vector<Pattern> names;
  for (const std::string& text : texts) {
    Pattern name = Pattern::parse(text);
    if (name.kind() == Pattern::Kind::subtree || name.kind() == Pattern::Kind::network) {
      throw Error(Code::invalid, name.text() + " is no name of a server",
                  "a certificate is for hosts, addresses and *.NAME");
    }
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(std::move(name));
    }
  }
  if (names.empty()) throw Error(Code::invalid, "a certificate needs a name");
  if (names.size() > kMostCertificateNames) {
    throw Error(Code::too_large,
                "a certificate has at most " + std::to_string(kMostCertificateNames) + " names");
  }
  return names;
}

std::string_view name_of(Identity::Kind kind) noexcept {
  switch (kind) {
    case Identity::Kind::server: return "server";
    case Identity::Kind::ca: return "ca";
  }
  return "";
}

} // namespace trust
