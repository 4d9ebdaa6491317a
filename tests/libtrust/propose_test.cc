#include "libtrust/propose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libtrust/error.h"
#include "tests/libtrust/mint.h"

namespace trust {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kDay;
using testing::Key;
using testing::mint;
using testing::Mint;
using testing::Minted;
using ::testing::Not;

const UnixTime kToday = system_clock_now();

Proposal of_file(const Mint& what, const Wish& wish = {}) {
  return propose(mint(what).certificate, "dir/file.pem", wish, kToday);
}

Error refusal(const Mint& what, const Wish& wish = {}) {
  try {
    of_file(what, wish);
  } catch (const Error& error) {
    return error;
  }
  return {Code::internal, "accepted"};
}

std::vector<Pattern> patterns(std::initializer_list<const char*> texts) {
  std::vector<Pattern> out;
  for (const char* text : texts) out.push_back(Pattern::parse(text));
  return out;
}

TEST(ProposeAFile, IsALeafOrARootByWhatItSays) {
  struct Row {
    Mint what;
    Trust trust;
  };
  for (const Row& row : {
           Row{{.sans = {"DNS:dev.test"}, .ca = false}, Trust::leaf},
           Row{{.sans = {"DNS:dev.test"}, .ca = true}, Trust::leaf},
           Row{{.sans = {"IP:10.0.0.1"}}, Trust::leaf},
           Row{{.common_name = "CA", .ca = true}, Trust::root},
           Row{{.common_name = "CA", .ca = true, .key_usage = "critical,keyCertSign"}, Trust::root},
           Row{{.common_name = "CA", .sans = {"email:ca@dev.test"}, .ca = true}, Trust::root},
       }) {
    EXPECT_EQ(of_file(row.what).trust, row.trust);
  }
  EXPECT_EQ(of_file({.sans = {"DNS:dev.test"}, .ca = true}, {.trust = Trust::root}).trust,
            Trust::root);
}

TEST(ProposeAFile, SaysThatPublishedFilesDoNotEndByThemselves) {
  const Wish wish{.expires_at = kToday + 60};
  EXPECT_THAT(of_file({.sans = {"DNS:dev.test"}, .ca = false}, wish).warnings,
              Contains(HasSubstr("do not end by themselves")));
  const Wish scoped{.hosts = patterns({"**.dev.test"}), .expires_at = kToday + 60};
  EXPECT_THAT(of_file({.common_name = "CA", .ca = true}, scoped).warnings,
              Not(Contains(HasSubstr("do not end by themselves"))));
}

TEST(ProposeAFile, KeepsWhatThePersonSaid) {
  const Proposal proposal = of_file({.common_name = "CA", .ca = true},
                                    {.hosts = patterns({"**.corp.test"}), .label = "corp"});
  EXPECT_EQ(proposal.trust, Trust::root);
  EXPECT_EQ(proposal.label, "corp");
  EXPECT_EQ(proposal.hosts, patterns({"**.corp.test"}));
  EXPECT_EQ(of_file({.common_name = "Corp CA", .ca = true}).label, "corp-ca");
  EXPECT_THAT(of_file({.common_name = "Corp CA", .ca = true}).hosts, IsEmpty());
}

TEST(ProposeAFile, ALeafWithoutNamesWantsAHost) {
  const Error error = refusal({.common_name = "192.168.1.172", .ca = false});
  EXPECT_EQ(error.code(), Code::invalid);
  EXPECT_THAT(error.message(), HasSubstr("names no host"));
  EXPECT_THAT(error.hint(), HasSubstr("--host"));
  const Proposal proposal = of_file({.common_name = "192.168.1.172", .ca = false},
                                    {.hosts = patterns({"192.168.1.172"})});
  EXPECT_EQ(proposal.trust, Trust::leaf);
}

TEST(ProposeAFile, ARootIsACa) {
  EXPECT_THAT(refusal({.sans = {"DNS:dev.test"}, .ca = false}, {.trust = Trust::root}).message(),
              HasSubstr("it is no CA"));
  EXPECT_THAT(
      refusal({.ca = true, .key_usage = "digitalSignature"}, {.trust = Trust::root}).message(),
      HasSubstr("keyUsage"));
  EXPECT_THAT(refusal({.ca = true, .key_usage = "digitalSignature"}).message(),
              HasSubstr("names no host"))
      << "a CA that may sign nothing is a leaf";
}

TEST(ProposeAFile, RefusesWhatHasExpired) {
  const Error error = refusal({.common_name = "Old \x1b[2J CA",
                               .ca = true,
                               .not_before = kToday - 40 * kDay,
                               .not_after = kToday - 3 * kDay});
  EXPECT_EQ(error.code(), Code::invalid);
  EXPECT_THAT(error.message(), HasSubstr("\"Old \\x1b[2J CA\" expired on "));
  EXPECT_THAT(error.message(), HasSubstr("3 days ago"));
  EXPECT_EQ(refusal({.ca = true, .not_after = kToday}).message(), "accepted")
      << "the last second is valid";
}

TEST(ProposeAFile, TakesWhatIsNotYetValidAndSaysSo) {
  EXPECT_THAT(of_file({.common_name = "CA", .ca = true, .not_before = kToday + 3 * kDay}).warnings,
              ElementsAre(HasSubstr("is not valid before")));
  EXPECT_THAT(of_file({.common_name = "CA", .ca = true}).warnings, IsEmpty());
}

TEST(ProposeAFile, RefusesWeakKeysWithTheReason) {
  EXPECT_THAT(refusal({.ca = true, .key = Key::rsa(1024)}).message(),
              HasSubstr("it has an RSA key of 1024 bits"));
  EXPECT_THAT(refusal({.sans = {"DNS:a.test"}, .key = Key::curve("P-224")}).message(),
              HasSubstr("it has an EC key of 224 bits"));
}

TEST(ProposeAFile, WarnsOfALeafThatCouldSign) {
  const Mint could = {.common_name = "dev.test", .sans = {"DNS:dev.test"}, .ca = true};
  EXPECT_THAT(of_file(could).warnings, ElementsAre(HasSubstr("could sign")));
  EXPECT_THAT(of_file(could).warnings,
              ElementsAre(HasSubstr("basicConstraints=critical,CA:FALSE")));
  EXPECT_THAT(of_file({.sans = {"DNS:dev.test"}, .ca = false}).warnings, IsEmpty());
}

TEST(ProposeAFile, ASystemStoreWantsAWordForALeafThatCouldSign) {
  const Mint could = {.sans = {"DNS:dev.test"}, .ca = true};
  const Error error = refusal(could, {.system_wide = true});
  EXPECT_EQ(error.code(), Code::not_confirmed);
  EXPECT_THAT(error.hint(), HasSubstr("--emit-signing"));
  EXPECT_THAT(of_file(could, {.emit_signing = true, .system_wide = true}).warnings,
              ElementsAre(HasSubstr("could sign")));
  EXPECT_EQ(refusal({.sans = {"DNS:dev.test"}, .ca = false}, {.system_wide = true}).message(),
            "accepted");
}

TEST(ProposeAFile, SaysByWhatFilesAreWiderThanTheScope) {
  const Mint ca = {.common_name = "CA", .ca = true, .key_usage = "keyCertSign"};
  EXPECT_THAT(of_file(ca, {.hosts = patterns({"api.corp.test"})}).warnings,
              Contains(HasSubstr("names below api.corp.test")));
  const auto exact = of_file(ca, {.hosts = patterns({"**.corp.test"})}).warnings;
  EXPECT_THAT(exact, Not(Contains(HasSubstr("more than the scope"))));
  EXPECT_THAT(exact, Contains(HasSubstr("Java")));
}

TEST(ProposeAFile, DistrustsWhatItWouldNotTrust) {
  const Mint old = {.ca = false, .not_after = kToday - kDay, .key = Key::rsa(1024)};
  EXPECT_EQ(of_file(old, {.trust = Trust::distrusted}).trust, Trust::distrusted);
  EXPECT_EQ(refusal(old, {.trust = Trust::distrusted, .hosts = patterns({"a.test"})}).code(),
            Code::invalid);
}

// ---- of servers -----------------------------------------------------------

class ProposeAServer : public ::testing::Test {
 protected:
  Proposal of(const std::vector<Certificate>& chain, const Wish& wish = {}) const {
    return propose(endpoint_, chain, wish, kToday);
  }
  std::string refusal_of(const std::vector<Certificate>& chain, const Wish& wish = {}) const {
    try {
      of(chain, wish);
    } catch (const Error& error) {
      return error.message();
    }
    return "accepted";
  }

  const Endpoint endpoint_ = Endpoint::parse("api.dev.test:8443", 443);
  const Minted root_ = mint({.common_name = "Root", .ca = true});
  const Minted middle_ = mint({.common_name = "Middle", .ca = true}, &root_);
  const Minted server_ = mint({.sans = {"DNS:api.dev.test"}, .ca = false}, &middle_);
};

TEST_F(ProposeAServer, ASelfSignedCertificateIsALeaf) {
  const Certificate self = mint({.sans = {"DNS:api.dev.test"}, .ca = false}).certificate;
  const Proposal proposal = of({self});
  EXPECT_EQ(proposal.trust, Trust::leaf);
  EXPECT_EQ(proposal.certificate.fingerprint(), self.fingerprint());
  EXPECT_THAT(proposal.hosts, IsEmpty());
  EXPECT_EQ(proposal.label, "api.dev.test-8443");
  EXPECT_THAT(proposal.warnings, IsEmpty());
}

TEST_F(ProposeAServer, ADeviceWithoutUsableNamesIsTrustedForItsHostAlone) {
  const Proposal proposal = of({mint({.common_name = "device", .ca = false}).certificate});
  EXPECT_EQ(proposal.trust, Trust::leaf);
  EXPECT_EQ(proposal.hosts, patterns({"api.dev.test"}));
  EXPECT_THAT(proposal.warnings, ElementsAre(HasSubstr("does not name api.dev.test")));
}

TEST_F(ProposeAServer, NamesOutsideTheScopeAreSaidWithWhatWouldIncludeThem) {
  const Minted server =
      mint({.sans = {"DNS:api.dev.test", "DNS:*.dev.test", "IP:127.0.0.1"}, .ca = false}, &root_);
  const Proposal narrow = of({server.certificate, root_.certificate});
  EXPECT_THAT(narrow.warnings, Contains(AllOf(HasSubstr("*.dev.test, 127.0.0.1 as well"),
                                              HasSubstr("--host 'api.dev.test' --host '*.dev.test' "
                                                        "--host '127.0.0.1'"))));
  const Wish wide{.hosts = patterns({"api.dev.test", "*.dev.test", "127.0.0.1"})};
  EXPECT_THAT(of({server.certificate, root_.certificate}, wide).warnings,
              Not(Contains(HasSubstr("outside the scope"))));
}

TEST_F(ProposeAServer, TheTopmostCaPresentedIsARootForThisHost) {
  const Proposal whole = of({server_.certificate, middle_.certificate, root_.certificate});
  EXPECT_EQ(whole.trust, Trust::root);
  EXPECT_EQ(whole.certificate.common_name(), "Root");
  EXPECT_EQ(whole.hosts, patterns({"api.dev.test"}));
  EXPECT_EQ(whole.label, "api.dev.test-8443");
  EXPECT_THAT(whole.warnings, Contains(HasSubstr("names below api.dev.test")));
  EXPECT_EQ(of({server_.certificate, middle_.certificate}).certificate.common_name(), "Middle");
  EXPECT_EQ(
      of({server_.certificate, root_.certificate, middle_.certificate}).certificate.common_name(),
      "Root")
      << "in any order";
}

TEST_F(ProposeAServer, WithoutItsIssuerTheLeafIsProposedAndWhatThatDoesNotDo) {
  const Proposal proposal = of({server_.certificate, root_.certificate});
  EXPECT_EQ(proposal.trust, Trust::leaf);
  EXPECT_THAT(proposal.warnings, ElementsAre(HasSubstr("trustctl add ca.pem --host api.dev.test")));
}

TEST_F(ProposeAServer, WhatOnlyBearsTheIssuersNameIsNotItsIssuer) {
  const Minted impostor = mint({.common_name = "Middle", .ca = true});
  const Proposal proposal = of({server_.certificate, impostor.certificate});
  EXPECT_EQ(proposal.trust, Trust::leaf);
  EXPECT_THAT(path_of({server_.certificate, impostor.certificate}).size(), 1U);
}

TEST_F(ProposeAServer, PassesOverACaThatHasExpired) {
  const Minted old_root = mint({.common_name = "Old", .ca = true, .not_after = kToday - kDay});
  const Minted middle = mint({.common_name = "Middle 2", .ca = true}, &old_root);
  const Minted server = mint({.sans = {"DNS:api.dev.test"}, .ca = false}, &middle);
  EXPECT_EQ(
      of({server.certificate, middle.certificate, old_root.certificate}).certificate.common_name(),
      "Middle 2");
  const Minted direct = mint({.sans = {"DNS:api.dev.test"}, .ca = false}, &old_root);
  const Proposal leaf = of({direct.certificate, old_root.certificate});
  EXPECT_EQ(leaf.trust, Trust::leaf);
  EXPECT_THAT(leaf.warnings, Contains(HasSubstr("expired, weak or allowed to sign nothing")));
}

TEST_F(ProposeAServer, ObeysAs) {
  const std::vector<Certificate> chain{server_.certificate, middle_.certificate};
  const Proposal leaf = of(chain, {.trust = Trust::leaf});
  EXPECT_EQ(leaf.certificate.fingerprint(), server_.certificate.fingerprint());
  EXPECT_THAT(refusal_of({server_.certificate}, {.trust = Trust::root}),
              HasSubstr("presents no CA"));
  const Certificate self = mint({.sans = {"DNS:api.dev.test"}, .ca = true}).certificate;
  EXPECT_EQ(of({self}).trust, Trust::leaf);
  const Proposal root = of({self}, {.trust = Trust::root});
  EXPECT_EQ(root.trust, Trust::root);
  EXPECT_EQ(root.hosts, patterns({"api.dev.test"}));
  EXPECT_EQ(of(chain, {.hosts = patterns({"**.dev.test"})}).hosts, patterns({"**.dev.test"}));
}

TEST_F(ProposeAServer, SaysWhatTheRootDoesNotMend) {
  const Minted other = mint({.sans = {"DNS:other.test"}, .ca = false}, &middle_);
  EXPECT_THAT(of({other.certificate, middle_.certificate}).warnings,
              Contains(HasSubstr("does not name api.dev.test")));
  const Minted old =
      mint({.sans = {"DNS:api.dev.test"}, .ca = false, .not_after = kToday - kDay}, &middle_);
  EXPECT_THAT(of({old.certificate, middle_.certificate}).warnings,
              Contains(HasSubstr("own certificate expired on")));
  EXPECT_THAT(refusal_of({old.certificate}), HasSubstr("expired on"));
}

} // namespace
} // namespace trust
