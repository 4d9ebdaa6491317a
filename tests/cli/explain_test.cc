// What `trustctl why` tells, made of a store that is published and of chains that are judged by it.

#include "cli/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "libtrust/view.h"
#include "tests/libtrust/live_store.h"

namespace trust {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::LiveStore;
using testing::mint;
using testing::Minted;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

constexpr const char* kHostile = "Evil; rm -rf ~";

Minted authority(const std::string& name) {
  return mint({.common_name = name, .ca = true, .key_usage = "critical,keyCertSign,cRLSign"});
}

Minted server(const std::string& name, const Minted* issuer = nullptr) {
  return mint({.common_name = kHostile,
               .sans = {"DNS:" + name},
               .ca = false,
               .key_usage = "critical,digitalSignature"},
              issuer);
}

class ExplainTest : public ::testing::Test {
 protected:
  ExplainTest() { std::filesystem::create_directory(live_.root() + "/no-roots"); }

  // Asks for `host`, of what is published now.
  void ask(const std::vector<Certificate>& chain, const std::string& host) {
    live_.publish();
    chain_ = chain;
    endpoint_ = Endpoint::parse(host, 443);
    const View view(Snapshot::open(live_.directory()));
    judgement_ = judge(chain_, endpoint_.host, 443, view, {}, now_);
    form_ = judgement_.entry ? emitted_form(view, *judgement_.entry) : EmittedForm{};
  }
  EmittedForm emitted_form(const View&, const Entry& entry, bool system = false) const {
    return trust::emitted_form(Snapshot::open(live_.directory()), entry, system, now_);
  }
  Asked asked(bool dialled = true, const std::string& starttls = "") const {
    return {endpoint_, starttls, dialled, chain_, judgement_};
  }
  ToolFiles files() const { return {live_.directory(), live_.root() + "/no-roots"}; }

  std::vector<std::string> accepting() const {
    std::vector<std::string> names;
    for (const ToolFact& fact : tools_of(asked(), form_, files(), now_))
      if (fact.verdict.accepts) names.emplace_back(name_of(fact.tool));
    return names;
  }
  std::string why(Tool tool) const {
    for (const ToolFact& fact : tools_of(asked(), form_, files(), now_))
      if (fact.tool == tool) return fact.why;
    return "not told";
  }
  // "bundle.pem original yes"
  std::vector<std::string> told_of_files() const {
    std::vector<std::string> lines;
    for (const FileFact& fact : files_of(asked(), form_, files(), now_))
      lines.push_back(fact.file.substr(0, fact.file.find('/')) + " " + fact.holds +
                      (fact.verdict.accepts ? " yes" : " no"));
    return lines;
  }
  std::vector<std::string> commands(bool dialled = true, const std::string& starttls = "") const {
    std::vector<std::string> out;
    for (const Remedy& remedy : remedies_of(asked(dialled, starttls)))
      if (!remedy.command.empty()) out.push_back(remedy.command);
    return out;
  }

  LiveStore live_;
  UnixTime now_ = system_clock_now();
  std::vector<Certificate> chain_;
  Endpoint endpoint_ = Endpoint::parse("dev.test", 443);
  Judgement judgement_;
  EmittedForm form_;
};

TEST_F(ExplainTest, ASelfSignedCertificateStandsInEveryFileAndEveryToolTakesIt) {
  const Minted own = server("dev.test");
  live_.add(own, Trust::leaf);
  ask({own.certificate}, "dev.test");
  ASSERT_TRUE(judgement_.trusted()) << judgement_.detail;
  EXPECT_EQ(judgement_.entry->label, "l1") << "which entry";
  EXPECT_EQ(judgement_.generation, 1U) << "which generation";
  EXPECT_EQ(form_.as, "original");
  EXPECT_THAT(told_of_files(), ElementsAre("bundle.pem original yes", "hashed original yes",
                                           "extra.pem original yes", "truststore.p12 original yes",
                                           "certs original yes"));
  EXPECT_THAT(accepting(), ElementsAre("requests", "curl", "Node", "Java", "Go"));
  EXPECT_THAT(commands(),
              ElementsAre("trustctl rm l1", "trustctl pin add dev.test:443 --from dev.test:443"));
  EXPECT_THAT(commands(false), ElementsAre("trustctl rm l1")) << "nobody was dialled";
}

TEST_F(ExplainTest, WhatIsNotInTheStoreIsInNoFileAndEveryToolRefusesIt) {
  const Minted own = server("dev.test");
  ask({own.certificate}, "dev.test");
  EXPECT_EQ(judgement_.verdict, Verdict::self_signed);
  EXPECT_THAT(told_of_files(), ElementsAre("bundle.pem nothing no", "hashed nothing no",
                                           "extra.pem nothing no", "truststore.p12 nothing no"));
  EXPECT_THAT(accepting(), IsEmpty());
  EXPECT_THAT(commands(), ElementsAre("trustctl add dev.test:443"));
  EXPECT_THAT(commands(true, "smtp"), ElementsAre("trustctl add dev.test:443 --starttls smtp"));
}

TEST_F(ExplainTest, AScopeIsAShadowThatFilesWidenAndJavaDoesNotObey) {
  const Minted root = authority("Corp");
  live_.add(root, Trust::root, {"api.corp.test"});
  const Minted inside = server("api.corp.test", &root);
  ask({inside.certificate}, "api.corp.test");
  ASSERT_TRUE(judgement_.trusted()) << judgement_.detail;
  EXPECT_EQ(form_.as, "shadow");
  EXPECT_THAT(form_.wider_by, Not(IsEmpty()));
  EXPECT_THAT(told_of_files(), Contains("bundle.pem shadow yes"));

  const Minted below = server("x.api.corp.test", &root);
  ask({below.certificate}, "x.api.corp.test");
  EXPECT_EQ(judgement_.verdict, Verdict::out_of_scope);
  EXPECT_THAT(accepting(), ElementsAre("requests", "curl", "Node", "Java", "Go"));
  EXPECT_THAT(why(Tool::requests), HasSubstr("in files the limit is wider"));
  EXPECT_THAT(commands(), ElementsAre("trustctl show l1",
                                      "trustctl add ca.pem --replace --label l1 --host "
                                      "api.corp.test --host x.api.corp.test"));

  const Minted outside = server("www.corp.test", &root);
  ask({outside.certificate}, "www.corp.test");
  EXPECT_EQ(judgement_.verdict, Verdict::out_of_scope);
  EXPECT_THAT(accepting(), ElementsAre("Java"));
  EXPECT_THAT(why(Tool::java), HasSubstr("does not obey the limits of a CA"));
}

TEST_F(ExplainTest, ANameOutsideOfTheScopeKeepsReadersOfFilesAway) {
  const Minted root = authority("Corp");
  live_.add(root, Trust::root, {"api.corp.test"});
  const Minted both = mint({.common_name = "api.corp.test",
                            .sans = {"DNS:api.corp.test", "DNS:other.test"},
                            .ca = false},
                           &root);
  ask({both.certificate}, "api.corp.test");
  ASSERT_TRUE(judgement_.trusted()) << judgement_.detail;
  EXPECT_THAT(accepting(), ElementsAre("Java"));
  EXPECT_THAT(why(Tool::requests), HasSubstr("its name other.test is outside"));
  EXPECT_THAT(commands(), Contains("trustctl show l1"));
}

TEST_F(ExplainTest, ALoneLeafOfACaIsWhatRequestsAndNodeRefuse) {
  const Minted root = authority("Hidden");
  const Minted leaf = server("dev.test", &root);
  live_.add(leaf, Trust::leaf);
  ask({leaf.certificate}, "dev.test");
  ASSERT_TRUE(judgement_.trusted()) << judgement_.detail;
  EXPECT_THAT(accepting(), ElementsAre("curl", "Java", "Go"));
  for (const Tool tool : {Tool::requests, Tool::node})
    EXPECT_THAT(why(tool), HasSubstr("wants the CA that issued the certificate"));
}

TEST_F(ExplainTest, AMachinesStoreKeepsALeafThatCouldSignOutOfItsFilesAndSaysSo) {
  const Minted signs = mint({.common_name = "dev.test", .sans = {"DNS:dev.test"}, .ca = true});
  live_.add(signs, Trust::leaf);
  ask({signs.certificate}, "dev.test");
  ASSERT_TRUE(judgement_.trusted()) << judgement_.detail;
  const View view(Snapshot::open(live_.directory()));
  EXPECT_EQ(emitted_form(view, *judgement_.entry).as, "original");
  form_ = emitted_form(view, *judgement_.entry, true);
  EXPECT_EQ(form_.as, "nothing");
  EXPECT_NE(form_.why, "");
  EXPECT_THAT(told_of_files(), Contains("bundle.pem nothing yes")) << "the user's own do hold it";
}

TEST_F(ExplainTest, PinsAreKnownToNobodyElseAndItTellsWhichAndWhatWouldChangeThem) {
  const Minted own = server("dev.test"), other = server("other.test");
  live_.add(own, Trust::leaf).pin("dev.test", other).pin("**.test", own);
  ask({own.certificate}, "dev.test");
  EXPECT_EQ(judgement_.verdict, Verdict::pin_mismatch);
  ASSERT_EQ(judgement_.pins.size(), 1U) << "the most specific pattern alone";
  EXPECT_EQ(position_of(judgement_.pins[0].pin, chain_), std::nullopt);
  EXPECT_EQ(position_of(Pin::of(own.certificate), chain_), 0U);
  EXPECT_THAT(accepting(), ElementsAre("requests", "curl", "Node", "Java", "Go"));
  for (const Tool tool : kTools) EXPECT_EQ(why(tool), "it knows no pins");
  EXPECT_THAT(commands(), ElementsAre("trustctl pin list dev.test:443",
                                      "trustctl pin add dev.test --from dev.test:443",
                                      "trustctl pin rm dev.test"));
  EXPECT_THAT(commands(false),
              ElementsAre("trustctl pin list dev.test:443", "trustctl pin rm dev.test"))
      << "what nobody was asked for cannot be pinned";
}

TEST_F(ExplainTest, DistrustIsUndoneByWhoseItIs) {
  const Minted own = server("dev.test");
  live_.add(own, Trust::distrusted);
  ask({own.certificate}, "dev.test");
  EXPECT_EQ(judgement_.verdict, Verdict::distrusted);
  EXPECT_THAT(accepting(), IsEmpty());
  EXPECT_THAT(told_of_files(), Not(Contains(HasSubstr("yes"))));
  EXPECT_THAT(commands(), ElementsAre("trustctl show l1", "trustctl rm l1"));
  judgement_.entry->layer = Layer::machine;
  EXPECT_THAT(commands(), IsEmpty());
  EXPECT_THAT(remedies_of(asked())[0].what, HasSubstr("the machine's decision"));
  judgement_.entry->layer = Layer::own;
  Entry entry = *judgement_.entry;
  EXPECT_EQ(remedies_of(entry)[0].command, "trustctl rm l1");
  EXPECT_EQ(remedies_of(entry).size(), 1U) << "it cannot be distrusted more";
}

TEST_F(ExplainTest, WhatWouldChangeAnEntryDependsOnWhoseItIs) {
  Entry entry;
  entry.label = "corp";
  entry.trust = Trust::root;
  entry.hosts = {Pattern::parse("*.corp.test"), Pattern::parse("api.corp.test")};
  const auto commands_of = [](const Entry& of) {
    std::vector<std::string> out;
    for (const Remedy& remedy : remedies_of(of)) out.push_back(remedy.command);
    return out;
  };
  EXPECT_THAT(commands_of(entry), ElementsAre("trustctl rm corp", "trustctl distrust corp",
                                              "trustctl why api.corp.test:443"));
  entry.layer = Layer::machine;
  EXPECT_THAT(commands_of(entry),
              ElementsAre("trustctl distrust corp", "", "trustctl why api.corp.test:443"));
  entry.layer = Layer::base;
  entry.label = "";
  entry.hosts.clear();
  EXPECT_THAT(commands_of(entry),
              ElementsAre("trustctl distrust " + entry.certificate.fingerprint.text()));
}

TEST_F(ExplainTest, EachRefusalHasItsOwnRemedyWithoutASubjectOrTheFingerprintOfThePeer) {
  const Minted own = server("dev.test");
  ask({own.certificate}, "dev.test");
  std::vector<std::string> first;
  for (const Verdict verdict :
       {Verdict::unknown_issuer, Verdict::self_signed, Verdict::expired, Verdict::not_yet_valid,
        Verdict::name_mismatch, Verdict::pin_mismatch, Verdict::pin_missing, Verdict::distrusted,
        Verdict::bad_chain, Verdict::weak}) {
    judgement_.verdict = verdict;
    const auto remedies = remedies_of(asked());
    ASSERT_FALSE(remedies.empty()) << static_cast<int>(verdict);
    for (const Remedy& remedy : remedies) {
      EXPECT_NE(remedy.what, "");
      for (const std::string& text : {remedy.what, remedy.command}) {
        EXPECT_THAT(text, Not(HasSubstr("Evil")));
        EXPECT_THAT(text, Not(HasSubstr(own.certificate.fingerprint().text())));
      }
    }
    if (verdict != Verdict::pin_missing) first.push_back(remedies[0].what);
  }
  std::sort(first.begin(), first.end());
  EXPECT_EQ(std::unique(first.begin(), first.end()), first.end()) << "none is another's";
}

TEST_F(ExplainTest, WhatItTellsHasOneFormInJson) {
  const Minted own = server("dev.test");
  live_.add(own, Trust::leaf);
  ask({own.certificate}, "dev.test");
  EXPECT_EQ(json_of(form_), Json({{"as", "original"}, {"why", ""}, {"wider_by", Json::array()}}));
  const FileFact file = files_of(asked(), form_, files(), now_).front();
  EXPECT_EQ(json_of(file), Json({{"file", "bundle.pem"},
                                 {"path", live_.directory() + "/current/bundle.pem"},
                                 {"holds", "original"},
                                 {"reader", "requests"},
                                 {"accepts", true},
                                 {"why", ""}}));
  const ToolFact tool = tools_of(asked(), form_, files(), now_).front();
  EXPECT_EQ(json_of(tool), Json({{"tool", "requests"},
                                 {"reads", "REQUESTS_CA_BUNDLE: bundle.pem"},
                                 {"accepts", true},
                                 {"why", ""}}));
  EXPECT_EQ(json_of(Remedy{"compare this machine's clock", "date"}),
            Json({{"what", "compare this machine's clock"}, {"command", "date"}}));
}

// ---- what single programs do ---------------------------------------------------

using ToolVerdictTest = ExplainTest;

TEST_F(ToolVerdictTest, ACommonNameStandsForANameWithSomeOfThem) {
  const auto taken_by = [&](const std::string& name, const std::vector<std::string>& sans,
                            const std::string& host) {
    const Minted root = authority("Root of " + name);
    live_.add(root, Trust::root);
    ask({mint({.common_name = name, .sans = sans, .ca = false}, &root).certificate}, host);
    return accepting();
  };
  EXPECT_THAT(taken_by("dev.test", {}, "dev.test"),
              ElementsAre("requests", "curl", "Node", "Java"));
  EXPECT_THAT(taken_by("192.0.2.1", {}, "192.0.2.1"), ElementsAre("requests", "curl"));
  EXPECT_THAT(taken_by("*.dev.test", {}, "a.dev.test"),
              ElementsAre("requests", "curl", "Node", "Java"));
  EXPECT_THAT(taken_by("b.test", {"DNS:c.test"}, "b.test"), IsEmpty());
  EXPECT_THAT(tools_of(asked(), form_, files(), now_)[0].verdict.why,
              HasSubstr("do not cover b.test"));
}

TEST_F(ToolVerdictTest, JavaAsksNoDatesOfWhatItsTruststoreHolds) {
  const Minted own = mint({.common_name = "dev.test", .sans = {"DNS:dev.test"}, .ca = false});
  live_.add(own, Trust::leaf);
  live_.publish();
  now_ += 400 * testing::kDay;
  ask({own.certificate}, "dev.test");
  EXPECT_EQ(judgement_.verdict, Verdict::expired);
  EXPECT_THAT(accepting(), ElementsAre("Java"));
  EXPECT_THAT(why(Tool::java), HasSubstr("asks no dates"));
}

TEST_F(ToolVerdictTest, CurlAndNodeHaveRootsBesideWhatTheyAreTold) {
  const Minted root = authority("Of the distribution");
  const Minted leaf = server("dev.test", &root);
  live_.publish();
  char name[16];
  std::snprintf(name, sizeof name, "%08x.0", root.certificate.subject_hash());
  std::ofstream(live_.root() + "/no-roots/" + name) << root.pem();
  ask({leaf.certificate}, "dev.test");
  EXPECT_EQ(judgement_.verdict, Verdict::unknown_issuer);
  EXPECT_THAT(accepting(), ElementsAre("curl", "Node"));
  EXPECT_THAT(why(Tool::curl), HasSubstr("its built-in directory holds a root"));
  EXPECT_THAT(why(Tool::node), HasSubstr("what it is built with holds a root"));
}

TEST_F(ToolVerdictTest, AFileThatIsNotThereHoldsNothing) {
  const Minted own = server("dev.test");
  live_.add(own, Trust::leaf);
  ask({own.certificate}, "dev.test");
  const auto by = [&](const std::string& file) {
    return verdict_by_file(chain_, endpoint_.host, files(), file, now_).accepts;
  };
  EXPECT_TRUE(by("bundle.pem"));
  EXPECT_TRUE(by("extra.pem"));
  EXPECT_TRUE(by("certs/" + own.certificate.fingerprint().text() + ".pem"));
  EXPECT_FALSE(by("certs/none.pem"));
}

} // namespace
} // namespace trust
