#include "daemon/origin.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "daemon/http_text.h"

namespace trust {
namespace {

constexpr std::array<std::string_view, 3> kLoopbackNames = {"127.0.0.1", "[::1]", "localhost"};
constexpr std::string_view kSocketName = "trustd";
constexpr std::array<std::string_view, 3> kContentTypes = {
    "application/json", "application/x-pem-file", "application/pkix-cert"};
constexpr std::uint16_t kHttpPort = 80; // the one that a URL and so a Host may leave out

bool same(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

bool is_port(std::string_view text) noexcept {
  return !text.empty() && text.size() <= 5 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_our_host(std::string_view host, const Caller& peer) {
  std::string_view name = host;
  std::string_view port;
  const std::size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && !host.ends_with(']')) {
    name = host.substr(0, colon);
    port = host.substr(colon + 1);
    if (!is_port(port)) return false;
  }
  const bool loopback = std::any_of(kLoopbackNames.begin(), kLoopbackNames.end(),
                                    [&](std::string_view known) { return same(name, known); });
  if (peer.unix_socket) return loopback || same(name, kSocketName);
  if (!loopback) return false;
  return port.empty() ? peer.local_port == kHttpPort : port == std::to_string(peer.local_port);
}

bool is_our_content_type(std::string_view value) {
  const std::size_t semicolon = value.find(';');
  std::string_view type = value.substr(0, semicolon);
  while (type.ends_with(' ')) type.remove_suffix(1);
  if (std::none_of(kContentTypes.begin(), kContentTypes.end(),
                   [&](std::string_view known) { return same(type, known); })) {
    return false;
  }
  if (semicolon == std::string_view::npos) return true;
  std::string_view parameter = value.substr(semicolon + 1);
  while (parameter.starts_with(' ')) parameter.remove_prefix(1);
  return same(parameter, "charset=utf-8") || same(parameter, "charset=\"utf-8\"");
}

} // namespace

std::optional<Error> refused_origin(const Request& head) {
  if (!is_our_host(head.host, *head.peer)) {
    return Error(Code::misdirected, "the request is for another host: " + shown(head.host));
  }
  if (head.origin && !same(*head.origin, "http://" + head.host)) {
    return Error(Code::bad_origin, "the request comes from a page of " + shown(*head.origin));
  }
  if (head.sec_fetch_site && *head.sec_fetch_site != "same-origin" &&
      *head.sec_fetch_site != "none") {
    return Error(Code::bad_origin, "the request comes from a page of another site");
  }
  const bool carries = head.method == "POST" || head.method == "PUT" || head.method == "PATCH";
  if ((carries || head.has_body) &&
      !(head.content_type && is_our_content_type(*head.content_type))) {
    return Error(Code::media_type,
                 "Content-Type is none of application/json, application/x-pem-file and "
                 "application/pkix-cert");
  }
  return std::nullopt;
}

} // namespace trust
