#include "daemon/sinks/webhook_url.h"

#include "libtrust/error.h"

namespace trust {
namespace {

constexpr std::size_t kMostUrlBytes = 2048;

Error wrong(const std::string& why) {
  return Error(Code::invalid, "the url of a webhook " + why,
               "url = \"https://HOST/PATH\" in trustd.toml");
}

bool is_loopback(const Host& host) {
  if (!host.is_address()) return host.text() == "localhost";
  return host.text() == "::1" || (host.address().size() == 4 && host.address()[0] == 127);
}

} // namespace

WebhookUrl WebhookUrl::parse(std::string_view text) {
  if (text.size() > kMostUrlBytes) throw wrong("is too long");
  WebhookUrl url;
  if (text.starts_with("https://")) {
    text.remove_prefix(8);
  } else if (text.starts_with("http://")) {
    url.tls = false;
    text.remove_prefix(7);
  } else {
    throw wrong("does not begin with https://");
  }
  for (const char c : text) {
    if (c <= ' ' || c >= '\x7f' || c == '"' || c == '<' || c == '>' || c == '\\') {
      throw wrong("has a character that must be percent-encoded");
    }
  }
  if (text.find('#') != text.npos) throw wrong("has a fragment");
  const std::size_t end = std::min(text.find_first_of("/?"), text.size());
  const std::string_view authority = text.substr(0, end);
  if (authority.find('@') != authority.npos) throw wrong("has a user in it");
  const Port usual = url.tls ? 443 : 80;
  url.endpoint = Endpoint::parse(authority, usual);
  if (!url.tls && !is_loopback(url.endpoint.host)) {
    throw wrong("would send in clear to " + url.endpoint.host.text() +
                ": http:// is for the loopback alone");
  }
  const std::string& host = url.endpoint.host.text();
  url.host_field = url.endpoint.host.is_address() && url.endpoint.host.address().size() == 16
                       ? "[" + host + "]"
                       : host;
  if (url.endpoint.port != usual) url.host_field += ":" + std::to_string(url.endpoint.port);
  url.target = std::string(text.substr(end));
  if (!url.target.starts_with('/')) url.target.insert(0, "/");
  return url;
}

} // namespace trust
