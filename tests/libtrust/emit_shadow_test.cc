#include "libtrust/emit/shadow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "libtrust/emit/constraints.h"
#include "libtrust/error.h"
#include "libtrust/handles.h"
#include "tests/libtrust/mint.h"

namespace trust {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kDay;
using testing::Key;
using testing::mint;
using testing::Mint;
using testing::Minted;

constexpr const char* kCaUsage = "critical,keyCertSign,cRLSign";

std::vector<Pattern> scope_of(const std::vector<std::string>& texts) {
  std::vector<Pattern> scope;
  for (const std::string& text : texts) scope.push_back(Pattern::parse(text));
  return scope;
}

Minted mint_ca(std::vector<std::pair<std::string, std::string>> extensions = {},
               std::optional<Key> key = {}) {
  return mint({.common_name = "Test CA",
               .ca = true,
               .key_usage = kCaUsage,
               .extensions = std::move(extensions),
               .key = std::move(key)});
}

Certificate shadow(const Minted& ca, const std::vector<std::string>& scope,
                   std::optional<UnixTime> end = {}) {
  const Shadow made = shadow_of(ca.certificate, scope_of(scope), end);
  if (!made.der) throw std::runtime_error(made.why_not);
  return Certificate::from_der(*made.der);
}

// What OpenSSL says of a chain from `leaf` to the one anchor, without partial chains: "ok" or its
// reason.
std::string verdict(const Certificate& anchor, const Certificate& leaf,
                    const std::vector<Certificate>& between = {}) {
  const X509StorePtr store(X509_STORE_new());
  X509_STORE_add_cert(store.get(), anchor.x509());
  const X509StackPtr chain(sk_X509_new_null());
  for (const Certificate& certificate : between) {
    X509_up_ref(certificate.x509());
    sk_X509_push(chain.get(), certificate.x509());
  }
  const X509StoreCtxPtr context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), leaf.x509(), chain.get());
  if (X509_verify_cert(context.get()) == 1) return "ok";
  return X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
}

std::string verdict_on(const Minted& ca, const Certificate& anchor,
                       const std::vector<std::string>& names) {
  const Minted leaf = mint({.common_name = "", .sans = names, .key = Key::shared()}, &ca);
  return verdict(anchor, leaf.certificate);
}

std::string extension_text(const Certificate& certificate, int nid) {
  const int index = X509_get_ext_by_NID(certificate.x509(), nid, -1);
  if (index < 0) return "";
  const BioPtr out(BIO_new(BIO_s_mem()));
  X509_EXTENSION* extension = X509_get_ext(certificate.x509(), index);
  X509V3_EXT_print(out.get(), extension, 0, 0);
  char* data = nullptr;
  const long length = BIO_get_mem_data(out.get(), &data);
  return (X509_EXTENSION_get_critical(extension) != 0 ? "critical " : "") +
         std::string(data, static_cast<std::size_t>(length));
}

TEST(Shadow, KeepsWhatChainsOfTheCaRelyOn) {
  const Minted ca = mint({.common_name = "Test CA",
                          .organization = "Test",
                          .ca = true,
                          .path_length = 1,
                          .key_usage = kCaUsage,
                          .extensions = {{"extendedKeyUsage", "serverAuth,clientAuth"},
                                         {"certificatePolicies", "DER:3006300406022A03"},
                                         {"policyConstraints", "requireExplicitPolicy:3"}},
                          .serial = 77});
  const Certificate made = shadow(ca, {"**.corp.test"});
  const Certificate& original = ca.certificate;
  EXPECT_EQ(hex(made.subject_der()), hex(original.subject_der()));
  EXPECT_EQ(made.issuer(), original.subject());
  EXPECT_EQ(made.spki_hash(), original.spki_hash());
  EXPECT_EQ(made.serial(), original.serial());
  EXPECT_EQ(made.not_before(), original.not_before());
  EXPECT_EQ(made.not_after(), original.not_after());
  EXPECT_EQ(X509_get_version(made.x509()), X509_VERSION_3);
  for (const int nid : {NID_subject_key_identifier, NID_basic_constraints, NID_key_usage,
                        NID_ext_key_usage, NID_certificate_policies, NID_policy_constraints}) {
    EXPECT_EQ(extension_text(made, nid), extension_text(original, nid)) << OBJ_nid2sn(nid);
  }
  EXPECT_EQ(extension_text(made, NID_basic_constraints), "critical CA:TRUE, pathlen:1");
  EXPECT_EQ(extension_text(made, NID_authority_key_identifier),
            extension_text(original, NID_subject_key_identifier));
  EXPECT_NE(made.fingerprint(), original.fingerprint());
  EXPECT_FALSE(made.verifies_itself());
}

TEST(Shadow, HasCriticalConstraintsThatExcludeTheOtherTypes) {
  const Minted ca = mint_ca();
  EXPECT_EQ(extension_text(shadow(ca, {"**.corp.test"}), NID_name_constraints),
            "critical Permitted:\n  DNS:corp.test\nExcluded:\n  IP:0.0.0.0/0.0.0.0\n"
            "  IP:0:0:0:0:0:0:0:0/0:0:0:0:0:0:0:0");
  EXPECT_EQ(extension_text(shadow(ca, {"fe80::/10"}), NID_name_constraints),
            "critical Permitted:\n  IP:FE80:0:0:0:0:0:0:0/FFC0:0:0:0:0:0:0:0\nExcluded:\n  DNS:\n"
            "  IP:0.0.0.0/0.0.0.0");
  EXPECT_EQ(
      extension_text(shadow(ca, {"a.test", "192.168.1.7", "fe80::/10"}), NID_name_constraints),
      "critical Permitted:\n  DNS:a.test\n  IP:192.168.1.7/255.255.255.255\n"
      "  IP:FE80:0:0:0:0:0:0:0/FFC0:0:0:0:0:0:0:0");
}

TEST(Shadow, OfAddressesAloneAdmitsTheirTextsAsTheOnlyNames) {
  const Minted ca = mint_ca();
  EXPECT_EQ(extension_text(shadow(ca, {"10.0.0.1"}), NID_name_constraints),
            "critical Permitted:\n  IP:10.0.0.1/255.255.255.255\n  DNS:10.0.0.1\nExcluded:\n"
            "  IP:0:0:0:0:0:0:0:0/0:0:0:0:0:0:0:0");
  const auto verdict_of_cn = [&](const Certificate& anchor, const std::string& name) {
    const Minted leaf = mint({.common_name = name, .sans = {"IP:10.0.0.1"}}, &ca);
    return verdict(anchor, leaf.certificate);
  };
  for (const char* scope : {"10.0.0.1", "10.0.0.0/30", "10.0.0.0/24", "10.0.0.0/8", "0.0.0.0/0"}) {
    const Certificate made = shadow(ca, {scope});
    EXPECT_EQ(verdict_of_cn(made, "10.0.0.1"), "ok") << scope;
    EXPECT_EQ(verdict_of_cn(made, "A device"), "ok") << scope;
    EXPECT_EQ(verdict_of_cn(made, "corp.test"), "permitted subtree violation") << scope;
    EXPECT_EQ(verdict_on(ca, made, {"DNS:corp.test"}), "permitted subtree violation") << scope;
  }
  EXPECT_EQ(verdict_of_cn(shadow(ca, {"10.0.0.0/30"}), "10.0.0.4"), "permitted subtree violation");
  // A CA that may sign for some names alone may not sign for these either.
  const Minted narrow = mint_ca({{"nameConstraints", "critical,permitted;DNS:corp.test"}});
  EXPECT_THAT(extension_text(shadow(narrow, {"10.0.0.1"}), NID_name_constraints),
              HasSubstr("Excluded:\n  DNS:\n"));
}

TEST(Shadow, AdmitsItsScopeAndNothingElse) {
  const Minted ca = mint_ca();
  const Certificate names = shadow(ca, {"**.corp.test"});
  EXPECT_EQ(verdict_on(ca, names, {"DNS:corp.test"}), "ok");
  EXPECT_EQ(verdict_on(ca, names, {"DNS:a.b.corp.test"}), "ok");
  EXPECT_EQ(verdict_on(ca, names, {"DNS:corp.test", "DNS:other.test"}),
            "permitted subtree violation");
  EXPECT_EQ(verdict_on(ca, names, {"DNS:notcorp.test"}), "permitted subtree violation");
  EXPECT_EQ(verdict_on(ca, names, {"IP:10.0.0.1"}), "excluded subtree violation");
  EXPECT_EQ(verdict_on(ca, names, {"IP:::1"}), "excluded subtree violation");

  const Certificate addresses = shadow(ca, {"10.1.0.0/16"});
  EXPECT_EQ(verdict_on(ca, addresses, {"IP:10.1.2.3"}), "ok");
  EXPECT_EQ(verdict_on(ca, addresses, {"IP:10.2.2.3"}), "permitted subtree violation");
  EXPECT_EQ(verdict_on(ca, addresses, {"IP:::1"}), "permitted subtree violation");
  EXPECT_EQ(verdict_on(ca, addresses, {"DNS:corp.test"}), "permitted subtree violation");
}

TEST(Shadow, IsAcceptedForEveryKindOfKeyThatTheCaMayHave) {
  // OpenSSL takes a certificate for self-signed only if the signature fits the key.
  std::vector<Key> keys{Key::p256(), Key::curve("P-384"), Key::curve("P-521"),
                        Key::rsa(),  Key::rsa(3072),      Key::ed25519()};
  for (const Key& key : keys) {
    const Minted ca = mint_ca({}, key);
    const Certificate made = shadow(ca, {"**.corp.test"});
    EXPECT_EQ(verdict_on(ca, made, {"DNS:a.corp.test"}), "ok") << made.key_kind();
    EXPECT_EQ(X509_self_signed(made.x509(), 0), 1) << made.key_kind();
    EXPECT_EQ(X509_self_signed(made.x509(), 1), 0) << made.key_kind();
  }
}

TEST(Shadow, MakesAnAnchorOfAnIntermediate) {
  const Minted root = mint_ca();
  const Minted between = mint({.common_name = "Between", .ca = true, .key_usage = kCaUsage}, &root);
  const Minted leaf = mint({.sans = {"DNS:a.corp.test"}}, &between);
  EXPECT_EQ(verdict(between.certificate, leaf.certificate), "unable to get issuer certificate");
  const Certificate made = shadow(between, {});
  EXPECT_TRUE(made.is_self_issued());
  EXPECT_EQ(verdict(made, leaf.certificate), "ok");
  EXPECT_EQ(verdict(made, leaf.certificate, {between.certificate}), "ok");
  EXPECT_EQ(verdict(made, leaf.certificate, {between.certificate, root.certificate}), "ok");
  EXPECT_EQ(extension_text(made, NID_name_constraints), "");
}

TEST(Shadow, WithoutAKeyIdentifierInTheCaHasNone) {
  const Minted ca = mint({.common_name = "Old", .ca = true, .key_identifiers = false});
  const Certificate made = shadow(ca, {"corp.test"});
  EXPECT_EQ(extension_text(made, NID_subject_key_identifier), "");
  EXPECT_EQ(extension_text(made, NID_authority_key_identifier), "");
  EXPECT_EQ(verdict_on(ca, made, {"DNS:corp.test"}), "ok");
}

TEST(Shadow, OfACaWithoutBasicConstraintsSaysThatItIsOne) {
  const Minted ca = mint({.common_name = "Older"});
  EXPECT_EQ(extension_text(shadow(ca, {"corp.test"}), NID_basic_constraints), "critical CA:TRUE");
}

TEST(Shadow, EndsWithTheEntryOrWithTheCa) {
  const Minted ca = mint_ca();
  const UnixTime end = ca.certificate.not_after() - kDay;
  EXPECT_EQ(shadow(ca, {"a.test"}, end).not_after(), end);
  EXPECT_EQ(shadow(ca, {"a.test"}, ca.certificate.not_after() + 1).not_after(),
            ca.certificate.not_after());
  EXPECT_EQ(shadow(ca, {}, end).not_after(), end);

  const Minted longer = mint({.ca = true, .not_after = 4102444800}); // 2100
  for (const UnixTime edge : {2524607999, 2524608000}) { // UTCTime until the end of 2049
    EXPECT_EQ(shadow(longer, {"a.test"}, edge).not_after(), edge);
  }
}

TEST(Shadow, IntersectsTheConstraintsOfTheCa) {
  struct Case {
    std::string own;
    std::vector<std::string> scope;
    std::string permitted; // as OpenSSL prints it, the exclusion of what is left out
  };
  for (const Case& c : std::vector<Case>{
           {"permitted;DNS:corp.test", {"api.corp.test"}, "DNS:api.corp.test"},
           {"permitted;DNS:api.corp.test", {"**.corp.test"}, "DNS:api.corp.test"},
           {"permitted;DNS:.corp.test", {"**.corp.test"}, "DNS:.corp.test"},
           {"permitted;DNS:.corp.test", {"*.corp.test"}, "DNS:.corp.test"},
           {"permitted;DNS:.corp.test", {"api.corp.test"}, "DNS:api.corp.test"},
           {"permitted;DNS:a.corp.test", {"*.corp.test"}, "DNS:a.corp.test"},
           {"permitted;DNS:CORP.test,permitted;DNS:x.test",
            {"**.test"},
            "DNS:corp.test DNS:x.test"},
           {"permitted;DNS:a.corp.test,permitted;DNS:corp.test", {"**.test"}, "DNS:corp.test"},
           {"permitted;IP:10.0.0.0/255.0.0.0",
            {"10.1.0.3"},
            "IP:10.1.0.3/255.255.255.255 DNS:10.1.0.3"},
           {"permitted;IP:10.1.0.2/255.255.255.254",
            {"10.0.0.0/8"},
            "IP:10.1.0.2/255.255.255.254 DNS:10.1.0.2 DNS:10.1.0.3"},
           {"permitted;IP:10.1.0.0/255.255.0.0",
            {"10.0.0.0/8", "a.test"},
            "DNS:a.test IP:10.1.0.0/255.255.0.0"},
           {"permitted;DNS:corp.test",
            {"a.corp.test", "other.test", "1.2.3.4"},
            "DNS:a.corp.test IP:1.2.3.4/255.255.255.255"},
           {"permitted;email:corp.test", {"a.test"}, "email:corp.test DNS:a.test"},
       }) {
    const Minted ca = mint_ca({{"nameConstraints", "critical," + c.own}});
    const std::string text = extension_text(shadow(ca, c.scope), NID_name_constraints);
    std::string permitted = text.substr(0, text.find("Excluded:"));
    permitted.erase(0, std::string("critical Permitted:\n  ").size());
    for (std::size_t at; (at = permitted.find("\n  ")) != std::string::npos;) {
      permitted.replace(at, 3, " ");
    }
    while (permitted.ends_with('\n')) permitted.pop_back();
    EXPECT_EQ(permitted, c.permitted) << c.own;
  }
}

TEST(Shadow, KeepsWhatTheCaExcludes) {
  const Minted ca = mint_ca({{"nameConstraints",
                              "critical,excluded;DNS:secret.corp.test,excluded;email:corp.test,"
                              "excluded;IP:10.0.0.0/255.0.0.0"}});
  const Certificate made = shadow(ca, {"**.corp.test"});
  EXPECT_THAT(extension_text(made, NID_name_constraints), HasSubstr("email:corp.test"));
  EXPECT_EQ(verdict_on(ca, made, {"DNS:a.corp.test"}), "ok");
  EXPECT_EQ(verdict_on(ca, made, {"DNS:a.secret.corp.test"}), "excluded subtree violation");
  EXPECT_EQ(verdict_on(ca, shadow(ca, {"11.0.0.0/8"}), {"IP:11.0.0.1"}), "ok");
}

TEST(Shadow, OfACaThatTheScopeDoesNotMeetIsNotExpressible) {
  struct Case {
    std::string own;
    std::vector<std::string> scope;
  };
  for (const Case& c : std::vector<Case>{
           {"permitted;DNS:corp.test", {"other.test"}},
           {"permitted;DNS:a.corp.test", {"corp.test"}},
           {"permitted;DNS:a.b.corp.test", {"*.corp.test"}},
           {"permitted;DNS:.a.corp.test", {"*.corp.test"}},
           {"permitted;DNS:.corp.test", {"corp.test"}},
           {"permitted;IP:10.0.0.0/255.0.0.0", {"11.0.0.0/8"}},
           {"permitted;IP:10.0.0.0/255.0.0.0", {"::/0"}},
           {"excluded;DNS:corp.test", {"a.corp.test", "**.corp.test"}},
           {"excluded;DNS:.corp.test", {"a.corp.test"}},
           {"excluded;IP:0.0.0.0/0.0.0.0", {"10.1.1.1"}},
       }) {
    const Minted ca = mint_ca({{"nameConstraints", "critical," + c.own}});
    const Shadow made = shadow_of(ca.certificate, scope_of(c.scope), {});
    EXPECT_FALSE(made.der) << c.own;
    EXPECT_THAT(made.why_not, HasSubstr("admit nothing of")) << c.own;
  }
}

TEST(Shadow, OfConstraintsOfAnUnknownFormIsNotExpressible) {
  // permitted: DNS:corp.test with minimum 1; a mask with a hole; a name that is none; a wildcard
  for (const char* der : {"DER:3014A0123010820963 6F72702E746573748001 01 0500",
                          "DER:300EA00C300A87080A000000FF00FF00", "DER:3009A00730058203612E2E",
                          "DER:3009A007300582032A2E61", "DER:3000FF"}) {
    std::string value(der);
    std::erase(value, ' ');
    std::optional<Minted> ca;
    try {
      ca = mint_ca({{"2.5.29.30", "critical," + value}});
    } catch (const std::exception&) {
      continue; // OpenSSL or the certificate's own parser already refuses it
    }
    const Shadow made = shadow_of(ca->certificate, scope_of({"corp.test", "10.0.0.1"}), {});
    EXPECT_FALSE(made.der) << der;
  }
}

TEST(Shadow, SaysByWhatItIsWiderThanThePatterns) {
  const Minted ca = mint_ca();
  const auto wider = [&](const std::vector<std::string>& scope) {
    return shadow_of(ca.certificate, scope_of(scope), {}).wider_by;
  };
  EXPECT_THAT(wider({"api.corp.test"}), ElementsAre("names below api.corp.test"));
  EXPECT_THAT(wider({"*.corp.test"}),
              ElementsAre("corp.test itself and names more than one label below it"));
  EXPECT_THAT(wider({"*.corp.test", "corp.test"}),
              ElementsAre("names more than one label below corp.test"));
  EXPECT_THAT(wider({"**.corp.test"}), IsEmpty());
  EXPECT_THAT(wider({"**.corp.test", "api.corp.test", "*.corp.test"}), IsEmpty());
  EXPECT_THAT(wider({"10.0.0.0/8", "::1"}), IsEmpty());
  EXPECT_THAT(wider({"a.test", "b.test"}), ElementsAre("names below a.test", "names below b.test"));
  const Minted strict = mint_ca({{"nameConstraints", "critical,permitted;DNS:.corp.test"}});
  EXPECT_THAT(shadow_of(strict.certificate, scope_of({"*.corp.test"}), {}).wider_by,
              ElementsAre("names more than one label below corp.test"));
  const Minted fenced = mint_ca({{"nameConstraints", "critical,excluded;DNS:.corp.test"}});
  EXPECT_THAT(shadow_of(fenced.certificate, scope_of({"corp.test"}), {}).wider_by, IsEmpty());
}

TEST(Shadow, IsRefusedWithAReasonWhereItCannotBe) {
  const auto why = [](const Mint& what, std::optional<UnixTime> end = {}) {
    return shadow_of(mint(what).certificate, scope_of({"a.test"}), end).why_not;
  };
  EXPECT_THAT(why({.ca = false}), HasSubstr("may not sign"));
  EXPECT_THAT(why({.key_usage = "digitalSignature"}), HasSubstr("may not sign"));
  EXPECT_THAT(why({.ca = true, .extensions = {{"1.2.3.4", "critical,DER:0500"}}}),
              HasSubstr("1.2.3.4"));
  EXPECT_EQ(why({.ca = true, .extensions = {{"1.2.3.4", "DER:0500"}}}), "");
  EXPECT_THAT(why({.ca = true}, 1000), HasSubstr("valid only after"));
}

TEST(Shadow, IsTheSameForTheSameArguments) {
  for (const Key& key : {Key::p256(), Key::rsa(), Key::ed25519()}) {
    const Minted ca = mint_ca({}, key);
    EXPECT_EQ(shadow(ca, {"a.test"}, 4000000000).fingerprint(),
              shadow(ca, {"a.test"}, 4000000000).fingerprint());
    EXPECT_NE(shadow(ca, {"a.test"}).fingerprint(), shadow(ca, {"b.test"}).fingerprint());
  }
}

TEST(NamesOutside, AreThoseForWhichOpensslRefusesTheCertificate) {
  struct Case {
    std::vector<std::string> scope;
    Mint server;
    std::vector<std::string> outside;
  };
  const Minted ca = mint_ca();
  for (const Case& c : std::vector<Case>{
           {{"127.0.0.1"}, {.common_name = "", .sans = {"IP:127.0.0.1"}}, {}},
           {{"127.0.0.1"}, {.common_name = "127.0.0.1", .sans = {"IP:127.0.0.1"}}, {}},
           {{"127.0.0.0/8"}, {.common_name = "127.0.0.1", .sans = {"IP:127.0.0.1"}}, {}},
           {{"127.0.0.1"},
            {.sans = {"DNS:localhost", "IP:127.0.0.1", "IP:::1"}},
            {"localhost", "::1"}},
           {{"127.0.0.1"}, {.common_name = "a.test", .sans = {"IP:127.0.0.1"}}, {"a.test"}},
           {{"127.0.0.1"}, {.common_name = "A device", .sans = {"IP:127.0.0.1"}}, {}},
           {{"127.0.0.1"}, {.common_name = "device", .sans = {"IP:127.0.0.1"}}, {}},
           {{"127.0.0.1", "a.test"},
            {.common_name = "127.0.0.1", .sans = {"IP:127.0.0.1"}},
            {"127.0.0.1"}},
           {{"a.test"}, {.common_name = "b.test", .sans = {"DNS:A.test"}}, {}},
           {{"a.test"}, {.sans = {"DNS:a.test", "DNS:b.test"}}, {"b.test"}},
           {{"a.test"}, {.sans = {"DNS:a.test", "DNS:*.a.test"}}, {}},
           {{"x.a.test"}, {.sans = {"DNS:x.a.test", "DNS:*.a.test"}}, {"*.a.test"}},
           {{"**.a.test"}, {.sans = {"DNS:a.test", "DNS:*.x.a.test"}}, {}},
           {{"*.a.test"}, {.sans = {"DNS:*.a.test"}}, {}},
       }) {
    const Minted server = mint(c.server, &ca);
    EXPECT_EQ(names_outside(scope_of(c.scope), server.certificate), c.outside)
        << ::testing::PrintToString(c.outside);
    EXPECT_EQ(verdict(shadow(ca, c.scope), server.certificate) == "ok", c.outside.empty())
        << ::testing::PrintToString(c.outside);
  }
}

TEST(ShadowKey, NamesEveryArgumentAndNotTheOrderOfPatterns) {
  const Fingerprint one{}, other{{1}};
  const auto key = shadow_key(one, scope_of({"a.test", "b.test"}), 5);
  EXPECT_EQ(key, shadow_key(one, scope_of({"b.test", "a.test", "b.test"}), 5));
  const std::set<Digest> keys{key,
                              shadow_key(other, scope_of({"a.test", "b.test"}), 5),
                              shadow_key(one, scope_of({"a.test"}), 5),
                              shadow_key(one, {}, 5),
                              shadow_key(one, scope_of({"a.test", "b.test"}), 6),
                              shadow_key(one, scope_of({"a.test", "b.test"}), {})};
  EXPECT_EQ(keys.size(), 6U);
}

// For random scopes and constraints: what both admit is admitted, and what is admitted beyond the
// scope is never beyond the CA's own constraints, and is announced.
TEST(Shadow, IsTheIntersectionAsOpensslReadsIt) {
  std::mt19937 random(20261123);
  const auto pick = [&](const std::vector<std::string>& from) {
    return from[std::uniform_int_distribution<std::size_t>(0, from.size() - 1)(random)];
  };
  const std::vector<std::string> names{"a",      "x.a",      "y.a",     "z.x.a",     "w.z.x.a",
                                       "b.test", "x.b.test", "xb.test", "t.x.b.test"};
  const std::vector<std::string> addresses{"10.0.0.1", "10.1.0.1", "10.1.2.3",
                                           "11.0.0.1", "::1",      "fe80::1"};
  const std::vector<std::string> patterns{"x.a",       "*.a",        "**.a",     "**.x.a",
                                          "*.x.a",     "z.x.a",      "b.test",   "*.b.test",
                                          "**.b.test", "10.0.0.0/8", "10.1.2.3", "10.1.0.0/16",
                                          "::/0",      "fe80::/16",  "::1"};
  const std::vector<std::string> subtrees{"DNS:a",
                                          "DNS:x.a",
                                          "DNS:.a",
                                          "DNS:.x.a",
                                          "DNS:z.x.a",
                                          "DNS:b.test",
                                          "DNS:.b.test",
                                          "DNS:test",
                                          "IP:10.0.0.0/255.0.0.0",
                                          "IP:10.1.0.0/255.255.0.0",
                                          "IP:10.1.2.3/255.255.255.255",
                                          "IP:0.0.0.0/0.0.0.0",
                                          "IP:::/::",
                                          "IP:fe80::/ffff::"};
  std::vector<std::pair<Host, Minted>> leaves;
  for (const std::string& name : names) {
    leaves.emplace_back(Host::parse(name),
                        mint({.common_name = "", .sans = {"DNS:" + name}, .key = Key::shared()}));
  }
  for (const std::string& address : addresses) {
    leaves.emplace_back(Host::parse(address),
                        mint({.common_name = "", .sans = {"IP:" + address}, .key = Key::shared()}));
  }
  const auto admits = [](const Certificate& ca, const Certificate& leaf) {
    const NameConstraintsPtr constraints(static_cast<NAME_CONSTRAINTS*>(
        X509_get_ext_d2i(ca.x509(), NID_name_constraints, nullptr, nullptr)));
    X509_check_purpose(leaf.x509(), -1, 0); // reads the names
    return !constraints || NAME_CONSTRAINTS_check(leaf.x509(), constraints.get()) == X509_V_OK;
  };
  int expressed = 0;
  for (int round = 0; round < 400; ++round) {
    std::string own = "critical";
    for (int i = static_cast<int>(random() % 4); i > 0; --i) {
      own += (random() % 3 == 0 ? ",excluded;" : ",permitted;") + pick(subtrees);
    }
    std::vector<std::pair<std::string, std::string>> extensions;
    if (own != "critical") extensions.emplace_back("nameConstraints", own);
    const Minted ca = mint({.ca = true, .extensions = extensions, .key = Key::shared()});
    std::vector<std::string> texts{pick(patterns)};
    while (random() % 2 == 0) texts.push_back(pick(patterns));
    const std::vector<Pattern> scope = scope_of(texts);
    const Shadow made = shadow_of(ca.certificate, scope, {});
    std::optional<Certificate> anchor;
    if (made.der) anchor = Certificate::from_der(*made.der);
    if (made.der) ++expressed;
    for (const auto& [host, leaf] : leaves) {
      const bool in_scope = std::any_of(
          scope.begin(), scope.end(), [&host = host](const Pattern& p) { return p.matches(host); });
      const bool by_ca = admits(ca.certificate, leaf.certificate);
      const bool by_shadow = anchor && admits(*anchor, leaf.certificate);
      const std::string what =
          own + " scope " + ::testing::PrintToString(texts) + " " + host.text();
      const bool is_announced = !made.wider_by.empty();
      EXPECT_TRUE(by_shadow || !in_scope || !by_ca) << what << " " << made.why_not;
      EXPECT_TRUE(by_ca || !by_shadow) << what;
      EXPECT_TRUE(in_scope || !by_shadow || is_announced) << what;
    }
  }
  EXPECT_GT(expressed, 100);
}

} // namespace
} // namespace trust
