#pragma once
// Where a webhook is: parsed once into a value that cannot be wrong. Failure is Error{invalid},
// which names nothing but the host: the path of such a URL is often its secret.

#include <string>
#include <string_view>

#include "libtrust/host.h"

namespace trust {

struct WebhookUrl {
  bool tls = true;
  Endpoint endpoint;
  std::string host_field; // of the request: "hooks.test", "hooks.test:8443"
  std::string target;     // "/path?query"

  // "https://HOST[:PORT][/PATH][?QUERY]"; "http://" for loopback addresses and localhost alone. No
  // user, no fragment, no character that a request line cannot have.
  static WebhookUrl parse(std::string_view text);
};

} // namespace trust
