#include "daemon/auth.h"

#include <grp.h>
#include <openssl/crypto.h>

#include <cerrno>
#include <vector>

namespace trust {
namespace {

constexpr std::string_view kBearer = "Bearer ";
constexpr char kGroup[] = "trust";

bool shows_token(const Rights& rights, std::optional<std::string_view> authorization) {
  if (rights.token.empty() || !authorization || !authorization->starts_with(kBearer)) return false;
  const std::string_view shown_token = authorization->substr(kBearer.size());
  return shown_token.size() == rights.token.size() &&
         CRYPTO_memcmp(shown_token.data(), rights.token.data(), shown_token.size()) == 0;
}

std::optional<Error> refused_on_tcp(const Rights& rights,
                                    std::optional<std::string_view> authorization, Access access) {
  if (access == Access::open) return std::nullopt;
  if (!shows_token(rights, authorization)) {
    return Error(Code::unauthorized, "the token is missing or wrong",
                 "send the token of the daemon's state directory as \"Authorization: Bearer …\"");
  }
  if (access == Access::change && !rights.tcp_write) {
    return Error(Code::forbidden, "changes are not taken by TCP",
                 "use the socket, or set tcp_write = true in trustd.toml");
  }
  return std::nullopt;
}

} // namespace

std::optional<Error> refused_access(const Rights& rights, const Caller& peer,
                                    std::optional<std::string_view> authorization, Access access) {
  if (!peer.unix_socket) return refused_on_tcp(rights, authorization, access);
  if (access == Access::open || access == Access::read) return std::nullopt;
  if (peer.uid == 0 || peer.uid == rights.own_uid) return std::nullopt;
  if (rights.trust_group && peer.in_group(*rights.trust_group)) return std::nullopt;
  const std::string who = "user " + std::to_string(peer.uid);
  if (access == Access::insight) {
    return Error(Code::forbidden, who + " may not read this: it is for members of the group trust");
  }
  return Error(Code::forbidden, who + " may read, but not change what is trusted",
               "ask an administrator to make you a member of the group trust");
}

std::optional<gid_t> trust_group() {
  std::vector<char> buffer(1024);
  group entry{};
  group* found = nullptr;
  int status = 0;
  while ((status = ::getgrnam_r(kGroup, &entry, buffer.data(), buffer.size(), &found)) == ERANGE &&
         buffer.size() < (std::size_t{1} << 20)) {
    buffer.resize(buffer.size() * 2);
  }
  if (found == nullptr) return std::nullopt;
  return found->gr_gid;
}

} // namespace trust
