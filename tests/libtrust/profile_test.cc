// What a path must be, beyond signatures: RFC 5280's rules that OpenSSL checks, and those it leaves
// out.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libtrust/judge.h"
#include "libtrust/path.h"
#include "libtrust/profile.h"
#include "tests/libtrust/judged.h"
#include "tests/libtrust/mint.h"

namespace trust {
namespace {

using ::testing::HasSubstr;
using testing::Judged;
using testing::Key;
using testing::mint;
using testing::Mint;
using testing::Minted;
using Extensions = std::vector<std::pair<std::string, std::string>>;

Mint authority(const std::string& name, const Extensions& extensions = {}) {
  return {.common_name = name,
          .ca = true,
          .key_usage = "critical,keyCertSign,cRLSign",
          .extensions = extensions};
}

Mint server(const std::vector<std::string>& sans = {"DNS:api.dev.test"}) {
  return {.common_name = "a server", .sans = sans, .ca = false};
}

// Root -> CA -> leaf, the host asked.
Judgement judge_three(const Mint& ca, const Mint& leaf, const std::string& host = "api.dev.test") {
  const Minted top = mint(authority("Root"));
  const Minted middle = mint(ca, &top);
  const Minted last = mint(leaf, &middle);
  return Judged()
      .add(top.certificate, Trust::root)
      .judge({last.certificate, middle.certificate}, host);
}

Judgement judge_two(const Mint& root, const Mint& leaf, const std::string& host = "api.dev.test") {
  const Minted top = mint(root);
  return Judged().add(top.certificate, Trust::root).judge({mint(leaf, &top).certificate}, host);
}

struct ConstraintCase {
  const char* constraint;
  std::vector<std::string> sans;
  const char* host;
  const char* fault; // null: it is trusted
};

TEST(ProfileTest, NameConstraintsHoldForEveryNameThatALeafHas) {
  const ConstraintCase cases[] = {
      {"critical,permitted;DNS:dev.test", {"DNS:api.dev.test"}, "api.dev.test", nullptr},
      {"critical,permitted;DNS:dev.test", {"DNS:dev.test"}, "dev.test", nullptr},
      {"critical,permitted;DNS:dev.test",
       {"DNS:api.dev.test", "DNS:bank.test"},
       "api.dev.test",
       "do not permit"},
      {"critical,permitted;DNS:dev.test", {"DNS:notdev.test"}, "notdev.test", "do not permit"},
      {"critical,excluded;DNS:dev.test", {"DNS:api.dev.test"}, "api.dev.test", "do not permit"},
      {"critical,permitted;IP:10.0.0.0/255.0.0.0", {"IP:10.1.2.3"}, "10.1.2.3", nullptr},
      {"critical,permitted;IP:10.0.0.0/255.0.0.0", {"IP:11.1.2.3"}, "11.1.2.3", "do not permit"},
      // A type that is not named is free.
      {"critical,permitted;IP:10.0.0.0/255.0.0.0", {"DNS:api.dev.test"}, "api.dev.test", nullptr},
      // A wildcard covers, among others, what is forbidden.
      {"critical,excluded;DNS:bar.dev.test", {"DNS:*.dev.test"}, "foo.dev.test", "has a wildcard"},
      {"critical,excluded;DNS:x.bar.dev.test", {"DNS:*.dev.test"}, "foo.dev.test", nullptr},
      {"critical,permitted;DNS:foo.dev.test", {"DNS:*.dev.test"}, "foo.dev.test", "do not permit"},
      // What is not read alike by everybody.
      {"permitted;DNS:dev.test", {"DNS:api.dev.test"}, "api.dev.test", "not critical"},
      {"critical,permitted;DNS:.dev.test", {"DNS:api.dev.test"}, "api.dev.test", "a period"},
      {"critical,permitted;DNS:*.dev.test", {"DNS:api.dev.test"}, "api.dev.test", "a wildcard"},
      {"critical,permitted;IP:10.0.0.0/255.0.255.0", {"IP:10.0.0.1"}, "10.0.0.1", "no prefix"},
  };
  for (const ConstraintCase& each : cases) {
    SCOPED_TRACE(std::string(each.constraint) + " and " + each.sans.front());
    const Mint ca = authority("CA", {{"nameConstraints", each.constraint}});
    const Judgement judged = judge_three(ca, server(each.sans), each.host);
    EXPECT_EQ(judged.verdict, each.fault ? Verdict::bad_chain : Verdict::ok) << judged.detail;
    if (each.fault) {
      EXPECT_THAT(judged.detail, HasSubstr(each.fault));
    }
    // A root's own hold as well.
    EXPECT_EQ(judge_two(ca, server(each.sans), each.host).trusted(), each.fault == nullptr);
  }
}

TEST(ProfileTest, MoreComparisonsOfNamesThanTheBudgetAreRefused) {
  std::string constraint = "critical";
  for (int i = 0; i < 128; ++i) constraint += ",excluded;DNS:n" + std::to_string(i) + ".test";
  std::vector<std::string> sans{"DNS:api.dev.test"};
  while (sans.size() < 32) sans.push_back("DNS:s" + std::to_string(sans.size()) + ".dev.test");
  const Mint ca = authority("CA", {{"nameConstraints", constraint}});
  ASSERT_EQ(128 * sans.size(), kMostNameComparisons);
  EXPECT_EQ(judge_three(ca, server(sans)).verdict, Verdict::ok);
  sans.push_back("DNS:one.more.test");
  const Judgement judged = judge_three(ca, server(sans));
  EXPECT_EQ(judged.verdict, Verdict::bad_chain);
  EXPECT_THAT(judged.detail, HasSubstr("more name constraints"));
}

TEST(ProfileTest, ALeafIsMadeAsAServersCertificateIs) {
  const auto with = [](const std::string& name, const std::string& value) {
    Mint leaf = server();
    leaf.extensions = {{name, value}};
    return leaf;
  };
  const auto used = [](const std::string& usage, bool ca) {
    Mint leaf = server();
    leaf.key_usage = usage;
    leaf.ca = ca;
    return leaf;
  };
  const std::pair<const char*, Mint> refused[] = {
      {"is not meant for TLS servers", with("extendedKeyUsage", "clientAuth")},
      {"is not meant for TLS servers", with("extendedKeyUsage", "codeSigning,emailProtection")},
      {"has name constraints and is no CA",
       with("nameConstraints", "critical,permitted;DNS:dev.test")},
      {"has an AIA that cannot be read", with("1.3.6.1.5.5.7.1.1", "DER:6d616c66")},
      {"breaks a rule", with("1.2.3.4.5", "critical,DER:0500")},
      {"has a key that is not meant for TLS", used("critical,cRLSign", false)},
      {"breaks a rule", used("critical,digitalSignature,keyCertSign", false)},
      {"is said to be a CA and may not sign", used("critical,digitalSignature", true)},
      {"in its SAN that is no DNS name", server({"DNS:api.dev.test", "DNS:under_score.test"})},
      {"in its SAN that is no DNS name", server({"DNS:api.dev.test", "DNS:.dev.test"})},
      {"in its SAN that is no DNS name", server({"DNS:api.dev.test", "DNS:ba*.dev.test"})},
      {"SAN that is critical", server({"critical", "DNS:api.dev.test"})},
  };
  for (const auto& [fault, leaf] : refused) {
    const Judgement judged = judge_two(authority("Root"), leaf);
    EXPECT_EQ(judged.verdict, Verdict::bad_chain) << fault;
    EXPECT_THAT(judged.detail, HasSubstr(fault));
  }
  const Mint taken[] = {with("extendedKeyUsage", "serverAuth,clientAuth"),
                        used("critical,digitalSignature", false),
                        used("critical,keyCertSign,cRLSign", true), server()};
  for (const Mint& leaf : taken) {
    const Judgement judged = judge_two(authority("Root"), leaf);
    EXPECT_EQ(judged.verdict, Verdict::ok) << judged.detail;
  }
}

TEST(ProfileTest, ACommonNameThatSpellsANameOtherwiseIsRefused) {
  const auto judged = [](const std::string& name, const std::string& san, const char* host) {
    Mint leaf = server({san});
    leaf.common_name = name;
    return judge_two(authority("Root"), leaf, host).verdict;
  };
  EXPECT_EQ(judged("api.dev.test", "DNS:api.dev.test", "api.dev.test"), Verdict::ok);
  EXPECT_EQ(judged("A server of ours", "DNS:api.dev.test", "api.dev.test"), Verdict::ok);
  EXPECT_EQ(judged("other.test", "DNS:api.dev.test", "api.dev.test"), Verdict::ok);
  EXPECT_EQ(judged("10.0.0.1", "IP:10.0.0.1", "10.0.0.1"), Verdict::ok);
  EXPECT_EQ(judged("API.dev.test", "DNS:api.dev.test", "api.dev.test"), Verdict::bad_chain);
  EXPECT_EQ(judged("bücher.test", "DNS:xn--bcher-kva.test", "xn--bcher-kva.test"),
            Verdict::bad_chain);
  for (const char* loose :
       {"0x0A000001", "010.0.0.1", "10.000.00.001", "012.0.0.1", "10.1", "167772161"})
    EXPECT_EQ(judged(loose, "IP:10.0.0.1", "10.0.0.1"), Verdict::bad_chain) << loose;
  for (const char* loose : {"2001:DB8::1", "2001:db8:0:0:0:0:0:1"})
    EXPECT_EQ(judged(loose, "IP:2001:db8::1", "2001:db8::1"), Verdict::bad_chain) << loose;
}

TEST(ProfileTest, AnIssuerIsMadeAsACaIs) {
  Mint no_ca = authority("CA");
  no_ca.ca = false;
  no_ca.key_usage = "";
  Mint unsaid = authority("CA");
  unsaid.ca = std::nullopt;
  unsaid.key_usage = "";
  Mint no_identifier = authority("CA");
  no_identifier.key_identifiers = false;
  const Mint other_purpose = authority("CA", {{"extendedKeyUsage", "emailProtection"}});
  for (const Mint& ca : {no_ca, unsaid, no_identifier, other_purpose})
    EXPECT_EQ(judge_three(ca, server()).verdict, Verdict::bad_chain);
  EXPECT_EQ(judge_three(authority("CA", {{"extendedKeyUsage", "serverAuth"}}), server()).verdict,
            Verdict::ok);
}

TEST(ProfileTest, ARootWithoutKeyUsageIsOneAndAnIntermediateIsNone) {
  Mint bare = authority("Root");
  bare.key_usage = ""; // as `openssl req -x509` makes it
  EXPECT_EQ(judge_two(bare, server()).verdict, Verdict::ok);
  Mint ca = authority("CA");
  ca.key_usage = "";
  EXPECT_EQ(judge_three(ca, server()).verdict, Verdict::bad_chain);
}

TEST(ProfileTest, OfARootOfTheBaseNameAndKeyAreTrustedAndItsFormIsNotAsked) {
  Mint no_identifier = authority("Root");
  no_identifier.key_identifiers = false; // as TWCA Global Root
  Mint not_critical = authority("Root", {{"basicConstraints", "CA:TRUE"}});
  not_critical.ca = std::nullopt; // as Go Daddy Class 2
  not_critical.key_usage = "";
  for (const Mint& root : {no_identifier, not_critical}) {
    const Minted top = mint(root), elsewhere = mint(authority("Root"));
    Mint what = server(); // which names its issuer's key all the same
    if (!root.key_identifiers) what.extensions = {{"2.5.29.35", "DER:3006800401020304"}};
    const Minted leaf = mint(what, &top), ca = mint(root, &elsewhere), below = mint(what, &ca);
    EXPECT_EQ(Judged().base(top.certificate).judge({leaf.certificate}, "api.dev.test").detail, "");
    EXPECT_EQ(judge_two(root, what).verdict, Verdict::bad_chain) << "of one that is added it is";
    Judged store;
    store.base(elsewhere.certificate);
    EXPECT_EQ(store.judge({below.certificate, ca.certificate}, "api.dev.test").verdict,
              Verdict::bad_chain)
        << "and of an intermediate, too";
  }
}

TEST(ProfileTest, APathLengthIsObeyed) {
  Mint limited = authority("Root");
  limited.path_length = 0;
  EXPECT_EQ(judge_two(limited, server()).verdict, Verdict::ok);
  const Minted top = mint(limited);
  const Minted ca = mint(authority("CA"), &top);
  const Minted leaf = mint(server(), &ca);
  const Judgement judged = Judged()
                               .add(top.certificate, Trust::root)
                               .judge({leaf.certificate, ca.certificate}, "api.dev.test");
  EXPECT_EQ(judged.verdict, Verdict::bad_chain);
  EXPECT_THAT(judged.detail, HasSubstr("fewer CAs beneath it"));
}

TEST(ProfileTest, PoliciesAreAskedForWhereACaDemandsThem) {
  const Mint demanding = authority("CA", {{"policyConstraints", "critical,requireExplicitPolicy:0"},
                                          {"2.5.29.32", "DER:3007300506032a0304"}});
  EXPECT_EQ(judge_three(demanding, server()).verdict, Verdict::bad_chain);
  Mint leaf = server();
  leaf.extensions = {{"2.5.29.32", "DER:3007300506032a0304"}};
  const Judgement judged = judge_three(demanding, leaf);
  EXPECT_EQ(judged.verdict, Verdict::ok) << judged.detail;
}

TEST(ProfileTest, ASerialNumberIsPositive) {
  Mint zero = server();
  zero.serial = 0;
  EXPECT_THAT(judge_two(authority("Root"), zero).detail, HasSubstr("the serial number 0"));
  Mint negative = server();
  negative.serial = -5;
  EXPECT_THAT(judge_two(authority("Root"), negative).detail, HasSubstr("negative serial"));
  Mint old = authority("Root");
  old.serial = 0; // as roots of long ago have it
  EXPECT_EQ(judge_two(old, server()).verdict, Verdict::ok);
}

TEST(ProfileTest, TheSearchForAPathEndsByCountsWhateverIsPresented) {
  // Thirty CAs with one name and one key, each of which may have signed each; none leads to a root.
  const Minted stranger = mint(authority("Stranger"));
  Mint same = authority("Same");
  same.key = Key::shared();
  std::vector<Minted> cas{mint(same, &stranger)};
  Judged store;
  store.add(mint(authority("Root")).certificate, Trust::root);
  for (int i = 1; i < 30; ++i) {
    Mint next = authority("Same");
    cas.push_back(mint(next, &cas[static_cast<std::size_t>(i) - 1]));
  }
  std::vector<Certificate> chain{mint(server(), &cas.back()).certificate};
  for (const Minted& ca : cas) chain.push_back(ca.certificate);
  const Judgement judged = store.judge(chain, "api.dev.test");
  EXPECT_FALSE(judged.trusted());
  // And where every one is trusted, but for another host, as many paths as there are.
  Mint leaf = server({"DNS:other.test"});
  for (const Minted& ca : cas) store.add(ca.certificate, Trust::root);
  chain.front() = mint(leaf, &cas.back()).certificate;
  EXPECT_EQ(store.judge(chain, "api.dev.test").verdict, Verdict::name_mismatch);
}

} // namespace
} // namespace trust
