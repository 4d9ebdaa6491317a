#include "libtrust/judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "libtrust/error.h"
#include "libtrust/json.h"
#include "tests/libtrust/judged.h"
#include "tests/libtrust/mint.h"

namespace trust {
namespace {

using ::testing::HasSubstr;
using testing::Judged;
using testing::kDay;
using testing::Key;
using testing::mint;
using testing::Mint;
using testing::Minted;
using ::testing::Not;

constexpr const char* kSigns = "critical,keyCertSign,cRLSign";

Mint authority(const std::string& name) {
  return {.common_name = name, .ca = true, .key_usage = kSigns};
}

Minted root(const std::string& name = "Root") { return mint(authority(name)); }

Minted server(const Minted& issuer, const std::string& host = "api.dev.test") {
  return mint({.common_name = host, .sans = {"DNS:" + host}, .ca = false}, &issuer);
}

// A leaf, the CA that signed it, and the root of that.
struct Three {
  Minted top = root();
  Minted ca = mint(authority("CA"), &top);
  Minted leaf = server(ca);

  std::vector<Certificate> chain() const { return {leaf.certificate, ca.certificate}; }
};

std::vector<std::string> names(const std::vector<Certificate>& path) {
  std::vector<std::string> found;
  for (const Certificate& certificate : path) found.push_back(certificate.common_name());
  return found;
}

// A hint is made of our words, hosts, fingerprints and paths.
bool is_safe(const Judgement& judgement) {
  for (const Certificate& certificate : judgement.path) {
    if (judgement.hint.find(certificate.fingerprint().text()) != std::string::npos) return false;
    if (judgement.hint.find(certificate.subject()) != std::string::npos) return false;
  }
  return true;
}

// ---- 1. Bounds ---------------------------------------------------------------

TEST(JudgeTest, EmptyChainIsRefused) {
  const Judgement judged = Judged().judge({}, "api.dev.test");
  EXPECT_EQ(judged.verdict, Verdict::bad_chain);
  EXPECT_THAT(judged.detail, HasSubstr("api.dev.test: it presented no certificate"));
}

TEST(JudgeTest, ThirtyTwoCertificatesAreTakenAndThirtyThreeAreNot) {
  const Three three;
  Judged store;
  store.add(three.top.certificate, Trust::root);
  std::vector<Certificate> chain = three.chain();
  while (chain.size() < kMaxChainCertificates)
    chain.push_back(mint({.common_name = "extra", .key = Key::shared()}).certificate);
  EXPECT_EQ(store.judge(chain, "api.dev.test").verdict, Verdict::ok);
  chain.push_back(three.top.certificate);
  const Judgement judged = store.judge(chain, "api.dev.test");
  EXPECT_EQ(judged.verdict, Verdict::bad_chain);
  EXPECT_THAT(judged.detail, HasSubstr("33 certificates; 32 is the most"));
}

TEST(JudgeTest, APathOfThirtyTwoCertificatesIsTaken) {
  Judged store;
  std::vector<Minted> cas{root("CA 0")};
  store.add(cas.front().certificate, Trust::root);
  for (int i = 1; i < 32; ++i)
    cas.push_back(mint(authority("CA " + std::to_string(i)), &cas.back()));
  std::vector<Certificate> chain{server(cas.back()).certificate};
  for (std::size_t i = cas.size() - 1; i > 0; --i) chain.push_back(cas[i].certificate);
  ASSERT_EQ(chain.size(), 32U);
  const Judgement judged = store.judge(chain, "api.dev.test");
  EXPECT_EQ(judged.verdict, Verdict::ok) << judged.detail;
  EXPECT_EQ(judged.path.size(), 33U);
}

TEST(JudgeTest, AHundredKibibytesOfCertificatesAreTheMost) {
  const Three three;
  std::vector<Certificate> chain = three.chain();
  std::string long_value = "DER:04820400";
  for (int i = 0; i < 1024; ++i) long_value += "00";
  std::vector<std::pair<std::string, std::string>> extensions;
  for (int i = 0; i < 48; ++i)
    extensions.emplace_back("1.2.3.4." + std::to_string(i + 1), long_value);
  const Certificate large =
      mint({.common_name = "large", .extensions = extensions, .key = Key::shared()}).certificate;
  ASSERT_GT(large.der().size(), 48U * 1024);
  Judged store;
  store.add(three.top.certificate, Trust::root);
  chain.push_back(large);
  EXPECT_EQ(store.judge(chain, "api.dev.test").verdict, Verdict::ok);
  chain.push_back(large);
  chain.push_back(large);
  const Judgement judged = store.judge(chain, "api.dev.test");
  EXPECT_EQ(judged.verdict, Verdict::bad_chain);
  EXPECT_THAT(judged.detail, HasSubstr("100 KiB is the most"));
}

TEST(JudgeTest, WeakKeysAreRefusedBeforeASignatureIsChecked) {
  const Minted top = root();
  Judged store;
  store.add(top.certificate, Trust::root);
  // Signed by another's key: if the signature were looked at, it would be a bad chain.
  const Minted other = root();
  const std::pair<const char*, Key> weak[] = {
      {"RSA key of 1024 bits", Key::rsa(1024)},
      {"RSA key of 2052 bits", Key::rsa(2052)},
      {"EC key of 224 bits", Key::curve("P-224")},
  };
  for (const auto& [what, key] : weak) {
    const Minted leaf = mint({.sans = {"DNS:dev.test"}, .ca = false, .key = key}, &other);
    const Judgement judged = store.judge({leaf.certificate}, "dev.test");
    EXPECT_EQ(judged.verdict, Verdict::weak) << judged.detail;
    EXPECT_THAT(judged.detail, HasSubstr(what));
    EXPECT_THAT(judged.detail, HasSubstr("dev.test"));
  }
}

TEST(JudgeTest, AWeakSignatureIsRefused) {
  const Minted top = root();
  const Minted leaf = mint({.sans = {"DNS:dev.test"}, .ca = false, .digest = "SHA1"}, &top);
  const Judgement judged =
      Judged().add(top.certificate, Trust::root).judge({leaf.certificate}, "dev.test");
  EXPECT_EQ(judged.verdict, Verdict::weak);
  EXPECT_THAT(judged.detail, HasSubstr("SHA1"));
}

TEST(JudgeTest, AWeakIntermediateIsRefused) {
  const Minted top = root();
  Mint weak = authority("Weak CA");
  weak.key = Key::rsa(1024);
  const Minted ca = mint(weak, &top);
  const Minted leaf = server(ca);
  const Judgement judged = Judged()
                               .add(top.certificate, Trust::root)
                               .judge({leaf.certificate, ca.certificate}, "api.dev.test");
  EXPECT_EQ(judged.verdict, Verdict::weak);
  EXPECT_THAT(judged.detail, HasSubstr("Weak CA"));
}

TEST(JudgeTest, TheSignatureOfAnAnchorIsNotLookedAt) {
  Mint old = authority("Old CA");
  old.digest = "SHA1";
  const Minted top = root();
  const Minted ca = mint(old, &top);
  const Minted leaf = server(ca);
  const Judgement judged =
      Judged().add(ca.certificate, Trust::root).judge({leaf.certificate}, "api.dev.test");
  EXPECT_EQ(judged.verdict, Verdict::ok) << judged.detail;
}

// ---- 2. Distrust -------------------------------------------------------------

TEST(JudgeTest, DistrustOfALeafBeatsItsEntry) {
  const Minted leaf = mint({.sans = {"DNS:dev.test"}});
  const Judgement judged = Judged()
                               .add(leaf.certificate, Trust::leaf)
                               .add(leaf.certificate, Trust::distrusted, {.layer = Layer::machine})
                               .judge({leaf.certificate}, "dev.test");
  EXPECT_EQ(judged.verdict, Verdict::distrusted);
  ASSERT_TRUE(judged.entry);
  EXPECT_EQ(judged.entry->trust, Trust::distrusted);
  EXPECT_TRUE(is_safe(judged));
}

TEST(JudgeTest, DistrustBeatsPins) {
  const Three three;
  const Judgement judged = Judged()
                               .add(three.top.certificate, Trust::root)
                               .add(three.ca.certificate, Trust::distrusted)
                               .pin("api.dev.test", three.leaf.certificate)
                               .judge(three.chain(), "api.dev.test");
  EXPECT_EQ(judged.verdict, Verdict::distrusted);
}

TEST(JudgeTest, DistrustOfAReissuedRootHoldsForItsKey) {
  const Minted old = root();
  Mint again = authority("Root");
  again.key = old.key;
  const Minted reissued = mint(again);
  ASSERT_NE(old.certificate.fingerprint(), reissued.certificate.fingerprint());
  const Minted leaf = server(old);
  Judged store;
  store.base(reissued.certificate);
  EXPECT_EQ(store.judge({leaf.certificate}, "api.dev.test").verdict, Verdict::ok);
  store.add(old.certificate, Trust::distrusted);
  const Judgement judged = store.judge({leaf.certificate}, "api.dev.test");
  EXPECT_EQ(judged.verdict, Verdict::distrusted);
  EXPECT_THAT(judged.detail, HasSubstr("has a key that is distrusted"));
}

TEST(JudgeTest, DistrustOfOneCertificateAloneLeavesTheReissuedOne) {
  const Minted old = root();
  Mint again = authority("Root");
  again.key = old.key;
  const Minted reissued = mint(again);
  const Minted leaf = server(old);
  Judged store;
  store.base(old.certificate);
  store.add(old.certificate, Trust::distrusted, {.only_this = true});
  EXPECT_EQ(store.judge({leaf.certificate}, "api.dev.test").verdict, Verdict::distrusted);
  store.base(reissued.certificate);
  EXPECT_EQ(store.judge({leaf.certificate}, "api.dev.test").verdict, Verdict::ok);
}

TEST(JudgeTest, DistrustOfACrossSignLeavesTheOtherPath) {
  const Minted old_root = root("Old Root");
  const Minted new_root = root("New Root");
  const Minted leaf = server(new_root);
  Mint cross = authority("New Root");
  cross.key = new_root.key;
  const Minted crossed = mint(cross, &old_root);
  const std::vector<Certificate> chain{leaf.certificate, crossed.certificate};
  Judged store;
  store.base(old_root.certificate);
  EXPECT_EQ(names(store.judge(chain, "api.dev.test").path),
            (std::vector<std::string>{"api.dev.test", "New Root", "Old Root"}));
  store.add(crossed.certificate, Trust::distrusted, {.only_this = true});
  EXPECT_EQ(store.judge(chain, "api.dev.test").verdict, Verdict::distrusted);
  store.base(new_root.certificate);
  const Judgement judged = store.judge(chain, "api.dev.test");
  EXPECT_EQ(judged.verdict, Verdict::ok) << judged.detail;
  EXPECT_EQ(judged.path.size(), 2U);
}

TEST(JudgeTest, DistrustOfACrossSignsKeyHoldsForEveryPathThroughIt) {
  const Minted old_root = root("Old Root");
  const Minted new_root = root("New Root");
  const Minted leaf = server(new_root);
  Mint cross = authority("New Root");
  cross.key = new_root.key;
  const Minted crossed = mint(cross, &old_root);
  const Judgement judged = Judged()
                               .base(old_root.certificate)
                               .base(new_root.certificate)
                               .add(crossed.certificate, Trust::distrusted)
                               .judge({leaf.certificate, crossed.certificate}, "api.dev.test");
  EXPECT_EQ(judged.verdict, Verdict::distrusted);
}

TEST(JudgeTest, DistrustHasNoScopeAndNoEnd) {
  const Three three;
  const Judgement judged =
      Judged()
          .add(three.top.certificate, Trust::root)
          .add(three.ca.certificate, Trust::distrusted, {.hosts = {"other.test"}, .end = 10})
          .judge(three.chain(), "api.dev.test");
  EXPECT_EQ(judged.verdict, Verdict::distrusted);
}

// ---- 3. Leaf entries ---------------------------------------------------------

TEST(JudgeTest, ALeafEntryStandsByItself) {
  const Minted nobody = root("Nobody");
  const Minted leaf = server(nobody);
  const Judgement judged =
      Judged().add(leaf.certificate, Trust::leaf).judge({leaf.certificate}, "api.dev.test");
  EXPECT_EQ(judged.verdict, Verdict::ok) << judged.detail;
  EXPECT_EQ(judged.trusted_by, TrustedBy::added_leaf);
  EXPECT_EQ(judged.path.size(), 1U);
  ASSERT_TRUE(judged.entry);
  EXPECT_EQ(judged.path_not_after, leaf.certificate.not_after());
}

TEST(JudgeTest, BasicConstraintsAndPurposeOfALeafEntryAreNotAsked) {
  const Minted own = mint(
      {.sans = {"DNS:dev.test"}, .ca = true, .extensions = {{"extendedKeyUsage", "clientAuth"}}});
  const Judgement judged =
      Judged().add(own.certificate, Trust::leaf).judge({own.certificate}, "dev.test");
  EXPECT_EQ(judged.verdict, Verdict::ok) << judged.detail;
}

TEST(JudgeTest, WhatALeafEntrySignedIsNotTrusted) {
  // CA:TRUE, no basicConstraints, one that has no extension at all, and one of X.509 version 1.
  const Minted signers[] = {
      mint({.common_name = "dev.test", .sans = {"DNS:dev.test"}, .ca = true, .key_usage = kSigns}),
      mint({.common_name = "dev.test", .sans = {"DNS:dev.test"}}),
      mint({.common_name = "dev.test", .key_identifiers = false}),
      mint({.common_name = "dev.test", .key_identifiers = false, .version_1 = true}),
  };
  for (const Minted& signer : signers) {
    const Minted victim = server(signer, "bank.test");
    Judged store;
    store.add(signer.certificate, Trust::leaf, {.hosts = {"dev.test"}});
    EXPECT_EQ(store.judge({signer.certificate}, "dev.test").verdict, Verdict::ok);
    const Judgement judged = store.judge({victim.certificate, signer.certificate}, "bank.test");
    EXPECT_EQ(judged.verdict, Verdict::unknown_issuer) << judged.detail;
  }
}

TEST(JudgeTest, ALeafEntryWithoutAScopeIsForItsSanAlone) {
  const Minted own = mint({.common_name = "dev.test", .sans = {"DNS:*.dev.test", "IP:127.0.0.1"}});
  Judged store;
  store.add(own.certificate, Trust::leaf);
  EXPECT_EQ(store.judge({own.certificate}, "a.dev.test").verdict, Verdict::ok);
  EXPECT_EQ(store.judge({own.certificate}, "127.0.0.1").verdict, Verdict::ok);
  for (const char* host : {"dev.test", "a.b.dev.test", "127.0.0.2"}) {
    const Judgement judged = store.judge({own.certificate}, host);
    EXPECT_EQ(judged.verdict, Verdict::name_mismatch) << host;
    EXPECT_THAT(judged.detail, HasSubstr("*.dev.test, 127.0.0.1"));
  }
}

TEST(JudgeTest, ALeafEntryWithAScopeIsItsOwnIdentity) {
  const Minted device = mint({.common_name = "192.168.1.172"});
  Judged store;
  store.add(device.certificate, Trust::leaf, {.hosts = {"192.168.1.172"}, .label = "device"});
  EXPECT_EQ(store.judge({device.certificate}, "192.168.1.172").verdict, Verdict::ok);
  const Judgement judged = store.judge({device.certificate}, "192.168.1.173");
  EXPECT_EQ(judged.verdict, Verdict::out_of_scope);
  EXPECT_THAT(judged.detail, HasSubstr("192.168.1.173"));
  EXPECT_THAT(judged.detail, HasSubstr("device"));
}

TEST(JudgeTest, DatesOfALeafEntryAreAsked) {
  const UnixTime now = system_clock_now();
  const Minted own = mint({.sans = {"DNS:dev.test"}, .not_before = now - kDay, .not_after = now});
  Judged store;
  store.add(own.certificate, Trust::leaf);
  EXPECT_EQ(store.judge({own.certificate}, "dev.test", {}, now).verdict, Verdict::ok);
  EXPECT_EQ(store.judge({own.certificate}, "dev.test", {}, now + 1).verdict, Verdict::expired);
  EXPECT_EQ(store.judge({own.certificate}, "dev.test", {}, now - kDay).verdict, Verdict::ok);
  EXPECT_EQ(store.judge({own.certificate}, "dev.test", {}, now - kDay - 1).verdict,
            Verdict::not_yet_valid);
}

TEST(JudgeTest, KeyStrengthOfALeafEntryIsAsked) {
  const Minted own = mint({.sans = {"DNS:dev.test"}, .key = Key::rsa(1024)});
  EXPECT_EQ(Judged().add(own.certificate, Trust::leaf).judge({own.certificate}, "dev.test").verdict,
            Verdict::weak);
}

TEST(JudgeTest, PinsOfALeafEntryAreAsked) {
  const Minted own = mint({.sans = {"DNS:dev.test"}});
  const Minted other = mint({});
  Judged store;
  store.add(own.certificate, Trust::leaf).pin("dev.test", other.certificate);
  EXPECT_EQ(store.judge({own.certificate}, "dev.test").verdict, Verdict::pin_mismatch);
  store.pin("dev.test", own.certificate, {.role = PinRow::Role::backup});
  EXPECT_EQ(store.judge({own.certificate}, "dev.test").verdict, Verdict::ok);
}

TEST(JudgeTest, ALeafOutOfItsEntrysScopeMayStillHaveAPath) {
  const Three three;
  Judged store;
  store.add(three.leaf.certificate, Trust::leaf, {.hosts = {"other.test"}})
      .base(three.top.certificate);
  const Judgement judged = store.judge(three.chain(), "api.dev.test");
  EXPECT_EQ(judged.verdict, Verdict::ok);
  EXPECT_EQ(judged.trusted_by, TrustedBy::system_root);
}

// ---- 4. Paths, scopes, ends --------------------------------------------------

TEST(JudgeTest, APathToARootIsTrusted) {
  const Three three;
  Judged store;
  store.base(three.top.certificate);
  const Judgement judged = store.judge(three.chain(), "api.dev.test");
  EXPECT_EQ(judged.verdict, Verdict::ok) << judged.detail;
  EXPECT_EQ(judged.trusted_by, TrustedBy::system_root);
  EXPECT_EQ(judged.detail, "");
  EXPECT_EQ(judged.hint, "");
  EXPECT_EQ(judged.generation, 1U);
  EXPECT_EQ(names(judged.path), (std::vector<std::string>{"api.dev.test", "CA", "Root"}));
  EXPECT_EQ(judged.path_not_after,
            std::min({three.leaf.certificate.not_after(), three.ca.certificate.not_after(),
                      three.top.certificate.not_after()}));
}

TEST(JudgeTest, TheOrderOfWhatIsPresentedAndWhatIsTooMuchDoNotMatter) {
  const Three three;
  Judged store;
  store.add(three.top.certificate, Trust::root);
  const Minted stranger = root("Stranger");
  const std::vector<std::vector<Certificate>> chains{
      {three.leaf.certificate, three.top.certificate, three.ca.certificate},
      {three.leaf.certificate, stranger.certificate, three.ca.certificate, three.ca.certificate},
      {three.leaf.certificate, three.leaf.certificate, three.ca.certificate},
  };
  for (const auto& chain : chains) {
    const Judgement judged = store.judge(chain, "api.dev.test");
    EXPECT_EQ(judged.verdict, Verdict::ok) << judged.detail;
    EXPECT_EQ(judged.trusted_by, TrustedBy::added_root);
    EXPECT_EQ(judged.path.size(), 3U);
  }
}

TEST(JudgeTest, AnIntermediateMayBeTheRoot) {
  const Three three;
  const Judgement judged = Judged()
                               .add(three.ca.certificate, Trust::root)
                               .judge({three.leaf.certificate}, "api.dev.test");
  EXPECT_EQ(judged.verdict, Verdict::ok) << judged.detail;
  EXPECT_EQ(judged.path.size(), 2U);
}

TEST(JudgeTest, AnUnknownIssuerIsRefusedWithACommandThatAddsIt) {
  const Three three;
  const Judgement judged =
      Judged().judge(three.chain(), "api.dev.test", {}, system_clock_now(), 8443);
  EXPECT_EQ(judged.verdict, Verdict::unknown_issuer);
  EXPECT_THAT(judged.detail, HasSubstr("api.dev.test: its certificate \"CN=api.dev.test\""));
  EXPECT_THAT(judged.detail, HasSubstr("CN=Root"));
  EXPECT_EQ(judged.hint, "trustctl add api.dev.test:8443");
  EXPECT_EQ(judged.trusted_by, TrustedBy::nothing);
  EXPECT_EQ(judged.path.size(), 2U);
}

TEST(JudgeTest, AnIncompleteChainIsAnUnknownIssuer) {
  const Three three;
  const Judgement judged = Judged()
                               .add(three.top.certificate, Trust::root)
                               .judge({three.leaf.certificate}, "api.dev.test");
  EXPECT_EQ(judged.verdict, Verdict::unknown_issuer);
  EXPECT_THAT(judged.detail, HasSubstr("was issued by \"CN=CA\""));
}

TEST(JudgeTest, ASelfSignedCertificateThatIsNotStoredIsSaidToBeOne) {
  const Minted own = mint({.sans = {"DNS:dev.test"}});
  const Judgement judged = Judged().judge({own.certificate}, "dev.test");
  EXPECT_EQ(judged.verdict, Verdict::self_signed);
  EXPECT_THAT(judged.detail, HasSubstr("signed by itself"));
  EXPECT_TRUE(is_safe(judged));
}

TEST(JudgeTest, AForgedSignatureIsABadChain) {
  const Minted top = root(), impostor = root();
  Mint what{.common_name = "api.dev.test", .sans = {"DNS:api.dev.test"}, .ca = false};
  what.key_identifiers = false;
  what.extensions = {{"authorityKeyIdentifier", "keyid"}};
  // The name and the key identifier of the root, the signature of another.
  Minted named = top;
  named.key = impostor.key;
  const Minted leaf = mint(what, &named);
  const Judgement judged =
      Judged().add(top.certificate, Trust::root).judge({leaf.certificate}, "api.dev.test");
  EXPECT_EQ(judged.verdict, Verdict::bad_chain);
  EXPECT_THAT(judged.detail, HasSubstr("signature that is not by the key of \"CN=Root\""));
}

TEST(JudgeTest, TheSearchGoesBackWhereAPathLeadsNowhere) {
  // Two CAs with one name and one key: the first expired, the second not.
  const Minted top = root();
  Mint old = authority("CA");
  old.not_before = 1;
  old.not_after = 1000;
  const Minted expired = mint(old, &top);
  Mint renewed = authority("CA");
  renewed.key = expired.key;
  const Minted good = mint(renewed, &top);
  const Minted leaf = server(good);
  const Judgement judged =
      Judged()
          .add(top.certificate, Trust::root)
          .judge({leaf.certificate, expired.certificate, good.certificate}, "api.dev.test");
  EXPECT_EQ(judged.verdict, Verdict::ok) << judged.detail;
  EXPECT_EQ(judged.path[1].fingerprint(), good.certificate.fingerprint());
}

TEST(JudgeTest, AScopeIsAskedOfTheHostThatIsDialled) {
  const Minted top = root();
  const Minted leaf =
      mint({.common_name = "a server", .sans = {"DNS:api.dev.test", "DNS:bank.test"}, .ca = false},
           &top);
  Judged store;
  store.add(top.certificate, Trust::root, {.hosts = {"**.dev.test"}, .label = "dev-ca"});
  EXPECT_EQ(store.judge({leaf.certificate}, "api.dev.test").verdict, Verdict::ok);
  const Judgement judged = store.judge({leaf.certificate}, "bank.test");
  EXPECT_EQ(judged.verdict, Verdict::out_of_scope);
  EXPECT_THAT(judged.detail, HasSubstr("bank.test"));
  EXPECT_THAT(judged.detail, HasSubstr("dev-ca"));
  EXPECT_EQ(judged.hint, "trustctl why bank.test:443");
}

TEST(JudgeTest, AnOriginalAndItsScopedCopyAreOneAnchorInAnyOrder) {
  const Minted top = root();
  const Minted leaf = server(top, "bank.test");
  const Minted wanted = server(top, "api.dev.test");
  for (const bool base_first : {true, false}) {
    Judged store;
    if (base_first) store.base(top.certificate);
    store.add(top.certificate, Trust::root, {.hosts = {"api.dev.test"}});
    if (!base_first) store.base(top.certificate);
    EXPECT_EQ(store.judge({leaf.certificate}, "bank.test").verdict, Verdict::out_of_scope);
    const Judgement judged = store.judge({wanted.certificate}, "api.dev.test");
    EXPECT_EQ(judged.verdict, Verdict::ok);
    EXPECT_EQ(judged.trusted_by, TrustedBy::added_root);
  }
}

TEST(JudgeTest, AnotherCertificateOfTheSameNameAndKeyIsTheSameAnchor) {
  const Minted top = root();
  Mint again = authority("Root");
  again.key = top.key;
  const Minted reissued = mint(again);
  const Minted leaf = server(top, "bank.test");
  Judged store;
  store.base(reissued.certificate).add(top.certificate, Trust::root, {.hosts = {"api.dev.test"}});
  EXPECT_EQ(store.judge({leaf.certificate}, "bank.test").verdict, Verdict::out_of_scope);
  // A root of the same name with another key is another.
  const Minted namesake = root();
  store.base(namesake.certificate);
  EXPECT_EQ(store.judge({server(namesake, "bank.test").certificate}, "bank.test").verdict,
            Verdict::ok);
}

TEST(JudgeTest, ScopesOfOneAnchorHoldTogether) {
  const Minted top = root();
  Judged store;
  store.add(top.certificate, Trust::root, {.hosts = {"a.test"}})
      .add(top.certificate, Trust::root, {.hosts = {"b.test"}, .layer = Layer::machine});
  for (const char* host : {"a.test", "b.test"})
    EXPECT_EQ(store.judge({server(top, host).certificate}, host).verdict, Verdict::ok) << host;
  const Certificate third = server(top, "c.test").certificate;
  EXPECT_EQ(store.judge({third}, "c.test").verdict, Verdict::out_of_scope);
  store.add(top.certificate, Trust::root);
  EXPECT_EQ(store.judge({third}, "c.test").verdict, Verdict::ok);
}

TEST(JudgeTest, AnEntryThatEndedIsAbsent) {
  const UnixTime now = system_clock_now();
  const Minted top = root();
  const Minted leaf = server(top);
  Judged store;
  store.add(top.certificate, Trust::root, {.end = now + 100});
  Judgement judged = store.judge({leaf.certificate}, "api.dev.test", {}, now + 99);
  EXPECT_EQ(judged.verdict, Verdict::ok);
  EXPECT_EQ(judged.path_not_after, now + 100);
  EXPECT_EQ(store.judge({leaf.certificate}, "api.dev.test", {}, now + 100).verdict,
            Verdict::unknown_issuer);
}

TEST(JudgeTest, AClockSetBackRevivesNothing) {
  const UnixTime now = system_clock_now();
  const Minted top = root(), own = mint({.sans = {"DNS:own.test"}});
  const Minted leaf = server(top);
  Judged store;
  store.add(top.certificate, Trust::root, {.end = now - 100})
      .add(own.certificate, Trust::leaf, {.end = now - 100})
      .created_at(now - 50);
  EXPECT_EQ(store.judge({leaf.certificate}, "api.dev.test", {}, now - 200).verdict,
            Verdict::unknown_issuer);
  EXPECT_EQ(store.judge({own.certificate}, "own.test", {}, now - 200).verdict,
            Verdict::self_signed);
  // The clock is right about certificates, whatever the generation's time.
  store.created_at(now + 60 * kDay);
  Judged other;
  other.add(root().certificate, Trust::root);
  other.created_at(now + 60 * kDay).add(top.certificate, Trust::root);
  EXPECT_EQ(other.judge({leaf.certificate}, "api.dev.test", {}, now).verdict, Verdict::ok);
}

TEST(JudgeTest, AScopeThatEndedNoLongerNarrowsTheBase) {
  const UnixTime now = system_clock_now();
  const Minted top = root();
  const Minted leaf = server(top, "bank.test");
  Judged store;
  store.base(top.certificate)
      .add(top.certificate, Trust::root, {.hosts = {"api.dev.test"}, .end = now + 10});
  EXPECT_EQ(store.judge({leaf.certificate}, "bank.test", {}, now).verdict, Verdict::out_of_scope);
  EXPECT_EQ(store.judge({leaf.certificate}, "bank.test", {}, now + 10).verdict, Verdict::ok);
}

TEST(JudgeTest, DatesOfEveryCertificateInThePathAreAsked) {
  const UnixTime now = system_clock_now();
  for (const int which : {0, 1, 2}) {
    Mint top = authority("Root"), ca = authority("CA");
    Mint leaf{.sans = {"DNS:dev.test"}, .ca = false};
    (which == 0 ? leaf : which == 1 ? ca : top).not_after = now + 10;
    const Minted one = mint(top);
    const Minted two = mint(ca, &one);
    const Minted three = mint(leaf, &two);
    Judged store;
    store.add(one.certificate, Trust::root);
    const std::vector<Certificate> chain{three.certificate, two.certificate};
    EXPECT_EQ(store.judge(chain, "dev.test", {}, now + 10).verdict, Verdict::ok);
    const Judgement judged = store.judge(chain, "dev.test", {}, now + 11);
    EXPECT_EQ(judged.verdict, Verdict::expired);
    EXPECT_THAT(judged.detail, HasSubstr("ended on " + rfc3339(now + 10)));
    EXPECT_EQ(store.judge(chain, "dev.test", {}, now - 7200).verdict, Verdict::not_yet_valid);
  }
}

// ---- 5. Names ----------------------------------------------------------------

TEST(JudgeTest, NamesAreOfTheSanAlone) {
  const Minted top = root();
  Judged store;
  store.add(top.certificate, Trust::root);
  const Minted unnamed = mint({.common_name = "dev.test", .ca = false}, &top);
  EXPECT_EQ(store.judge({unnamed.certificate}, "dev.test").verdict, Verdict::name_mismatch);
  const Minted other =
      mint({.common_name = "a server", .sans = {"DNS:other.test"}, .ca = false}, &top);
  EXPECT_EQ(store.judge({other.certificate}, "dev.test").verdict, Verdict::name_mismatch);
  const Minted nothing = mint({.common_name = "a server", .ca = false}, &top);
  const Judgement judged = store.judge({nothing.certificate}, "dev.test");
  EXPECT_EQ(judged.verdict, Verdict::name_mismatch);
  EXPECT_THAT(judged.detail, HasSubstr("it names none"));
}

TEST(JudgeTest, AddressesMatchAddressesAndWildcardsOneLabel) {
  const Minted top = root();
  Judged store;
  store.add(top.certificate, Trust::root);
  const Minted leaf = mint({.common_name = "a server",
                            .sans = {"DNS:*.dev.test", "IP:10.0.0.1", "IP:2001:db8::1"},
                            .ca = false},
                           &top);
  for (const char* host : {"a.dev.test", "10.0.0.1", "2001:db8::1", "::ffff:10.0.0.1"})
    EXPECT_EQ(store.judge({leaf.certificate}, host).verdict, Verdict::ok) << host;
  for (const char* host : {"dev.test", "a.b.dev.test", "10.0.0.2", "2001:db8::2"})
    EXPECT_EQ(store.judge({leaf.certificate}, host).verdict, Verdict::name_mismatch) << host;
}

TEST(JudgeTest, WhatIsNoHostIsRefusedBeforeAnythingIsJudged) {
  for (const char* text : {"127.1", "0177.0.0.1", ".dev.test", "dev..test", "*.dev.test", ""})
    EXPECT_THROW(Host::parse(text), Error) << text;
}

// ---- 7. Answers --------------------------------------------------------------

TEST(JudgeTest, EveryVerdictHasANameAndAStatusOfTheCInterface) {
  EXPECT_EQ(facts(Verdict::ok).c_status, 0);
  EXPECT_EQ(facts(Verdict::unknown_issuer).name, "unknown_issuer");
  EXPECT_EQ(facts(Verdict::out_of_scope).c_status, -610);
  for (int i = 1; i <= static_cast<int>(Verdict::out_of_scope); ++i)
    EXPECT_EQ(facts(static_cast<Verdict>(i)).c_status, -599 - i);
}

TEST(JudgeTest, OfSeveralRefusalsTheOneNearestToTrustIsTold) {
  // One path forged, one expired, one for another host.
  const Minted top = root();
  Mint old = authority("CA");
  old.not_before = 1;
  old.not_after = 1000;
  const Minted expired = mint(old, &top);
  const Minted leaf = server(expired);
  Mint stranger = authority("CA");
  const Minted unrelated = mint(stranger, &top);
  Judged store;
  store.add(top.certificate, Trust::root);
  Judgement judged =
      store.judge({leaf.certificate, unrelated.certificate, expired.certificate}, "api.dev.test");
  EXPECT_EQ(judged.verdict, Verdict::expired) << judged.detail;
  Mint renewed = authority("CA");
  renewed.key = expired.key;
  const Minted good = mint(renewed, &top);
  judged = store.judge({leaf.certificate, expired.certificate, good.certificate}, "other.test");
  EXPECT_EQ(judged.verdict, Verdict::name_mismatch) << judged.detail;
}

TEST(JudgeTest, TextOfThePeerIsShownAndNeverInAHint) {
  const Minted evil = mint({.common_name = "\x1b[31mrm -rf /", .sans = {"DNS:other.test"}});
  Judged store;
  for (const auto trust : {std::optional<Trust>(), std::optional(Trust::leaf)}) {
    if (trust) store.add(evil.certificate, *trust);
    const Judgement judged = store.judge({evil.certificate}, "dev.test");
    EXPECT_FALSE(judged.trusted());
    EXPECT_THAT(judged.detail, Not(HasSubstr("\x1b")));
    EXPECT_THAT(judged.hint, Not(HasSubstr("rm -rf")));
    EXPECT_TRUE(is_safe(judged));
  }
}

TEST(JudgeTest, AStoreThatCannotBeReadRefuses) {
  const Three three;
  Judged store;
  store.add(three.top.certificate, Trust::root);
  const View& view = store.view();
  // Damage all but the first page, which is held.
  std::fstream file(store.file(), std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(0, std::ios::end);
  const std::streamoff size = file.tellp();
  for (std::streamoff at = 4096 + 100; at < size; at += 512) {
    file.seekp(at);
    file.put('\x55');
    file.put('\x66');
  }
  file.flush();
  const std::vector<Certificate> chain = three.chain();
  EXPECT_THROW(judge(chain, Host::parse("api.dev.test"), 443, view, {}, system_clock_now()), Error);
}

TEST(JudgeTest, AJudgementIsOneJsonObject) {
  const Three three;
  Judged store;
  store.base(three.top.certificate);
  const Json json =
      json_of(store.judge(three.chain(), "api.dev.test"), Host::parse("api.dev.test"), 443);
  EXPECT_EQ(json.at("host"), "api.dev.test");
  EXPECT_EQ(json.at("port"), 443);
  EXPECT_EQ(json.at("trusted"), true);
  EXPECT_EQ(json.at("code"), "ok");
  EXPECT_EQ(json.at("trusted_by"), "system_root");
  EXPECT_EQ(json.at("pin_status"), "none");
  EXPECT_EQ(json.at("generation"), 1);
  ASSERT_EQ(json.at("path").size(), 3U);
  EXPECT_EQ(json.at("path")[0].at("fingerprint"), fingerprint_of(three.leaf));
  EXPECT_EQ(json.at("path")[0].at("pin"), Pin::of(three.leaf.certificate).text());
  EXPECT_THAT(text_of(json),
              HasSubstr(R"({"host":"api.dev.test","port":443,"trusted":true,"code")"));
  const Json refused = json_of(Judged().judge(three.chain(), "api.dev.test"));
  EXPECT_FALSE(refused.contains("host"));
  EXPECT_EQ(refused.at("code"), "unknown_issuer");
  EXPECT_EQ(refused.at("trusted"), false);
  EXPECT_EQ(refused.at("trusted_by"), "nothing");
  EXPECT_NE(refused.at("hint"), "");
}

TEST(JudgeTest, WhateverTextIsInACertificateItsJsonCanBeRead) {
  const Minted odd = mint({.common_name = "\"\\\n\x01\xc3\xa4", .sans = {"DNS:dev.test"}});
  const Judgement judged = Judged().judge({odd.certificate}, "dev.test");
  const std::string text = judgement_text(judged, Host::parse("dev.test"), 443);
  const Json json = Json::parse(text);
  EXPECT_EQ(json, json_of(judged, Host::parse("dev.test"), 443));
  EXPECT_EQ(text_of(json), text) << "written as every other form is";
  EXPECT_EQ(json.at("path")[0].at("names"), Json({"dev.test"}));
}

} // namespace
} // namespace trust
