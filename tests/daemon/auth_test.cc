#include "daemon/auth.h"

#include <gtest/gtest.h>

namespace trust {
namespace {

constexpr uid_t kDaemon = 990;
constexpr gid_t kTrust = 77;
const std::string kToken(64, 'a');

Rights rights(bool tcp_write = false) { return {kDaemon, kTrust, kToken, tcp_write}; }

Caller on_socket(uid_t uid, gid_t gid = 1000, std::vector<gid_t> groups = {}) {
  Caller peer;
  peer.unix_socket = true;
  peer.uid = uid;
  peer.gid = gid;
  peer.groups = std::move(groups);
  return peer;
}

Caller on_tcp() { return {}; }

bool may(const Rights& rights, const Caller& peer, Access access,
         std::optional<std::string_view> authorization = {}) {
  return !refused_access(rights, peer, authorization, access);
}

TEST(Auth, RootTheDaemonAndTheGroupMayChange) {
  EXPECT_TRUE(may(rights(), on_socket(0), Access::change));
  EXPECT_TRUE(may(rights(), on_socket(kDaemon), Access::change));
  EXPECT_TRUE(may(rights(), on_socket(1000, kTrust), Access::change));
  EXPECT_TRUE(may(rights(), on_socket(1000, 1000, {4, kTrust}), Access::change));
  EXPECT_TRUE(may(rights(), on_socket(1000, 1000, {4, kTrust}), Access::insight));
}

TEST(Auth, AnybodyElseOnTheSocketMayOnlyRead) {
  EXPECT_TRUE(may(rights(), on_socket(1000), Access::open));
  EXPECT_TRUE(may(rights(), on_socket(1000), Access::read));
  EXPECT_FALSE(may(rights(), on_socket(1000), Access::insight));
  const auto refused = refused_access(rights(), on_socket(1000, 1000, {4}), {}, Access::change);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code(), Code::forbidden);
}

TEST(Auth, WithoutTheGroupNobodyIsAMemberOfIt) {
  Rights without = rights();
  without.trust_group.reset();
  EXPECT_FALSE(may(without, on_socket(1000, kTrust), Access::change));
}

TEST(Auth, ATokenDoesNotHelpOnTheSocket) {
  EXPECT_FALSE(may(rights(), on_socket(1000), Access::change, "Bearer " + kToken));
}

TEST(Auth, TcpWantsTheTokenForEverythingButHealth) {
  EXPECT_TRUE(may(rights(), on_tcp(), Access::open));
  for (const Access access : {Access::read, Access::insight, Access::change}) {
    const auto refused = refused_access(rights(true), on_tcp(), std::nullopt, access);
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->code(), Code::unauthorized);
  }
  EXPECT_TRUE(may(rights(), on_tcp(), Access::read, "Bearer " + kToken));
  EXPECT_TRUE(may(rights(), on_tcp(), Access::insight, "Bearer " + kToken));
}

TEST(Auth, NothingButTheWholeTokenIsTheToken) {
  for (const std::string& wrong : std::vector<std::string>{
           "", "Bearer ", kToken, "bearer " + kToken, "Basic " + kToken, "Bearer " + kToken + "a",
           "Bearer  " + kToken, "Bearer " + kToken.substr(1), "Bearer " + std::string(64, 'b')}) {
    EXPECT_FALSE(may(rights(true), on_tcp(), Access::read, wrong)) << wrong;
  }
}

TEST(Auth, WithoutATokenNobodyComesInByTcp) {
  Rights without = rights(true);
  without.token.clear();
  EXPECT_FALSE(may(without, on_tcp(), Access::read, "Bearer "));
}

TEST(Auth, TcpChangesOnlyWhenConfigured) {
  const auto refused = refused_access(rights(), on_tcp(), "Bearer " + kToken, Access::change);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code(), Code::forbidden);
  EXPECT_TRUE(may(rights(true), on_tcp(), Access::change, "Bearer " + kToken));
}

TEST(Auth, NobodyKnownIsNotADaemonWithThatNumber) {
  Caller peer = on_tcp();
  peer.uid = 0;
  EXPECT_FALSE(may(rights(true), peer, Access::change));
}

} // namespace
} // namespace trust
