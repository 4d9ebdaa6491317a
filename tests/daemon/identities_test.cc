// Identities over REST, and renewals on a clock of the test's own.

#include "daemon/identities.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>

#include "daemon/renewals.h"
#include "libtrust/error.h"
#include "libtrust/key_files.h"
#include "tests/daemon/rest.h"
#include "tests/libtrust/mint.h"

namespace trust {
namespace {

namespace fs = std::filesystem;
using testing::Answered;
using testing::Asking;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kDay;
using testing::Rest;

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class IdentitiesTest : public ::testing::Test {
 protected:
  IdentitiesTest() { make(); }
  ~IdentitiesTest() override { rest_.make_identities(nullptr, nullptr); }

  // As after a start.
  void make() {
    rest_.make_identities(nullptr, nullptr);
    renewals_.reset();
    identities_ = std::make_unique<Identities>(rest_.layout(), rest_.clock(), rest_.readers());
    Renewals::Around around;
    around.run_hook = [this](const std::string& hook, const Variables& variables, int) {
      hooks_.push_back(hook);
      variables_ = variables;
      // What the hook would read.
      shown_.push_back(Certificate::from_der(der_of(contents(value_of("TRUSTD_CERTIFICATE"))))
                           .fingerprint()
                           .text());
      return hook_failure_;
    };
    around.raise = [this](const std::string& cause, const Alert& alert) {
      raised_.push_back(cause);
      alert_ = alert;
    };
    around.settle = [this](const std::string& cause) { settled_.push_back(cause); };
    renewals_ = std::make_unique<Renewals>(*identities_, rest_.changes(), rest_.readers(),
                                           rest_.clock(), std::move(around));
    rest_.make_identities(identities_.get(), renewals_.get());
  }
  void run_due() { renewals_->run_due(rest_.time()); }

  std::string value_of(const std::string& name) const {
    for (const auto& [key, value] : variables_) {
      if (key == name) return value;
    }
    return "";
  }
  static Bytes der_of(const std::string& pem) {
    const std::size_t begin = pem.find('\n') + 1;
    std::string text = pem.substr(begin, pem.find("-----END") - begin);
    std::erase(text, '\n');
    return parse_base64(text).value();
  }

  Answered post(const Answered& body, int status = 201) {
    return rest_.post("/v1/identities", body, status);
  }
  Answered only() { return rest_.json({.path = "/v1/identities"}).at("identities").at(0); }
  std::vector<std::string> labels() {
    std::vector<std::string> labels;
    const Answered answer = rest_.json({.path = "/v1/certificates"});
    for (const auto& entry : answer.at("certificates")) labels.push_back(entry.at("label"));
    return labels;
  }

  Rest rest_;
  std::unique_ptr<Identities> identities_;
  std::unique_ptr<Renewals> renewals_;
  std::vector<std::string> hooks_, shown_, raised_, settled_;
  Variables variables_;
  std::optional<std::string> hook_failure_;
  Alert alert_;
};

TEST_F(IdentitiesTest, MakesAKeyUnderTheDaemonsStateAndAnswersItsPath) {
  const Answered made = post({{"names", {"dev.test", "127.0.0.1"}}, {"trust", true}});
  const std::string key = made.at("key_path");
  EXPECT_EQ(key, rest_.layout().keys + "/dev.test/key.pem");
  EXPECT_EQ(contents(made.at("certificate_path")), made.at("certificate_pem").get<std::string>());
  struct stat facts {};
  ASSERT_EQ(::stat(key.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777U, 0600U);
  ASSERT_EQ(::stat(rest_.layout().keys.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777U, 0700U);
  EXPECT_EQ(made.dump().find("PRIVATE KEY"), std::string::npos);
  EXPECT_THAT(labels(), ElementsAre("dev.test"));
  EXPECT_EQ(made.at("generation"), 1);
  EXPECT_TRUE(made.at("trusted").get<bool>());
}

TEST_F(IdentitiesTest, LabelsAreFreeOnesUnlessTheyAreSaid) {
  EXPECT_EQ(post({{"names", {"dev.test"}}}).at("label"), "dev.test");
  EXPECT_EQ(post({{"names", {"dev.test"}}}).at("label"), "dev.test-2");
  EXPECT_EQ(post({{"names", {"dev.test"}}, {"label", "dev.test"}}, 409).at("code"), "conflict");
  EXPECT_TRUE(fs::exists(rest_.layout().keys + "/dev.test/key.pem"));
  EXPECT_EQ(std::distance(fs::directory_iterator(rest_.layout().keys), {}), 2);
}

TEST_F(IdentitiesTest, WhatCannotBeStoredLeavesNoFiles) {
  rest_.post("/v1/ca", {{"permit", {"**.test"}}}, 201);
  post({{"names", {"a.example"}}, {"from_ca", true}}, 409);
  const std::string own = rest_.scratch().path("own");
  rest_.json({.method = "POST",
              .path = "/v1/identities",
              .body = Answered({{"names", {"b.test"}}, {"directory", own}}).dump(),
              .if_match = "\"g77\""},
             412);
  EXPECT_TRUE(!fs::exists(own) || fs::is_empty(own));
  EXPECT_EQ(std::distance(fs::directory_iterator(rest_.layout().keys), {}), 1);
}

TEST_F(IdentitiesTest, OnlyRootAndTheDaemonsUserNameAPath) {
  const Answered body = {{"names", {"dev.test"}}, {"directory", rest_.scratch().path("own")}};
  EXPECT_EQ(post(body).at("key_path"), rest_.scratch().path("own/key.pem"));
  EXPECT_EQ(post(body, 409).at("code"), "conflict") << "what is there is not replaced";
  // Somebody else is refused before the path is looked at; here nobody else may change at all.
  EXPECT_EQ(
      rest_
          .json({.method = "POST", .path = "/v1/identities", .body = body.dump(), .uid = 4711}, 403)
          .at("code"),
      "forbidden");
}

TEST_F(IdentitiesTest, PublicKeysAreSignedByTheCaAndKeptByTheirOwner) {
  const PrivateKey key = PrivateKey::generate(KeyKind::ed25519);
  const Answered body = {
      {"names", {"dev.test"}}, {"from_ca", true}, {"public_key", base64(key.spki())}};
  EXPECT_THAT(post(body, 404).at("hint"), HasSubstr("trustctl ca init"));
  rest_.post("/v1/ca", {{"permit", {"**.test"}}}, 201);
  const Answered made = post(body);
  EXPECT_TRUE(made.at("key_path").is_null());
  EXPECT_TRUE(made.at("trusted").get<bool>());
  const Certificate certificate =
      Certificate::from_der(der_of(made.at("certificate_pem").get<std::string>()));
  EXPECT_EQ(sha256(key.spki()), certificate.spki_hash());
  EXPECT_FALSE(certificate.is_self_signed());
  post({{"names", {"dev.test"}}, {"public_key", base64(key.spki())}}, 400);
  post({{"names", {"dev.test"}}, {"from_ca", true}, {"public_key", "AAAA"}}, 400);
}

TEST_F(IdentitiesTest, RenewsAtTwoThirdsAndNotBefore) {
  const Answered made =
      post({{"names", {"dev.test"}}, {"trust", true}, {"renew", true}, {"days", 90}});
  const UnixTime start = rest_.time();
  rest_.set_time(start + 60 * kDay - 1);
  run_due();
  EXPECT_EQ(only().at("fingerprint"), made.at("fingerprint"));
  rest_.set_time(start + 60 * kDay);
  run_due();
  const Answered renewed = only();
  EXPECT_NE(renewed.at("fingerprint"), made.at("fingerprint"));
  EXPECT_EQ(renewed.at("next_at"), rfc3339(start + 120 * kDay));
  EXPECT_FALSE(renewed.at("pending").get<bool>());
  EXPECT_THAT(labels(), ElementsAre("dev.test-before", "dev.test"));
  const Certificate shown = Certificate::from_der(der_of(contents(renewed.at("certificate_path"))));
  EXPECT_EQ(shown.fingerprint().text(), renewed.at("fingerprint").get<std::string>());
  run_due();
  EXPECT_EQ(only().at("fingerprint"), renewed.at("fingerprint")) << "once";
}

TEST_F(IdentitiesTest, HookRunsOnTheNewFilesAndIsTriedAgainUntilItWorks) {
  rest_.add_hook("reload");
  make();
  post({{"names", {"dev.test"}}, {"renew", true}, {"after_renew", "reload"}, {"days", 90}});
  hook_failure_ = "the hook reload: no such server";
  UnixTime now = rest_.time() + 60 * kDay;
  rest_.set_time(now);
  run_due();
  ASSERT_EQ(hooks_.size(), 1U);
  EXPECT_EQ(shown_[0], only().at("fingerprint").get<std::string>());
  EXPECT_THAT(raised_, ElementsAre("hook:dev.test"));
  EXPECT_THAT(alert_.summary, HasSubstr("no such server"));
  EXPECT_TRUE(only().at("pending").get<bool>());
  EXPECT_EQ(only().at("next_at"), rfc3339(now + 60));
  const auto fingerprint = only().at("fingerprint");
  for (const UnixTime pause : {60, 120, 240, 480}) {
    rest_.set_time(now + pause - 1);
    run_due();
    rest_.set_time(now += pause);
    run_due();
  }
  EXPECT_EQ(hooks_.size(), 5U);
  EXPECT_EQ(only().at("fingerprint"), fingerprint) << "the hook is repeated, not the renewal";
  hook_failure_.reset();
  rest_.set_time(now + 960);
  settled_.clear();
  run_due();
  EXPECT_EQ(hooks_.size(), 6U);
  EXPECT_FALSE(only().at("pending").get<bool>());
  EXPECT_THAT(settled_, ::testing::Contains("hook:dev.test"));
}

TEST_F(IdentitiesTest, WhatWasInterruptedIsTakenUpAgain) {
  rest_.add_hook("reload");
  make();
  const Answered made =
      post({{"names", {"dev.test"}}, {"renew", true}, {"after_renew", "reload"}, {"days", 90}});
  // Killed after the new certificate was stored: files prepared, and not shown.
  const std::string directory = rest_.layout().keys + "/dev.test";
  const Fd fd = open_key_directory(directory);
  const auto minted = identities_->mint(
      rest_.readers().with([&](Store& store) { return store.find_identity("dev.test", 16); }));
  prepare_pair(fd.get(), pair_name(minted.certificate.fingerprint()),
               minted.key.pem(KeyFormat::pkcs8), minted.certificate.pem());
  std::promise<void> stored;
  rest_.changes().submit(
      [&](Store& store) {
        store.renew_identity({{0, 0, ""}, "", {}},
                             Fingerprint::parse(made.at("fingerprint").get<std::string>()),
                             minted.certificate);
      },
      [&](const Changes::Outcome&) { stored.set_value(); });
  stored.get_future().get();
  EXPECT_EQ(shown_pair(fd.get()), made.at("fingerprint").get<std::string>().substr(0, 16));
  make();
  run_due();
  EXPECT_EQ(shown_pair(fd.get()), pair_name(minted.certificate.fingerprint()));
  EXPECT_THAT(shown_, ElementsAre(minted.certificate.fingerprint().text()));
  EXPECT_FALSE(only().at("pending").get<bool>());
}

TEST_F(IdentitiesTest, RenewalThatCannotBeMadeIsAnAlertAndTriedAgain) {
  post({{"names", {"dev.test"}},
        {"renew", true},
        {"days", 90},
        {"directory", rest_.scratch().path("own")}});
  fs::permissions(rest_.scratch().path("own"), fs::perms::all);
  const UnixTime due = rest_.time() + 60 * kDay;
  rest_.set_time(due);
  run_due();
  EXPECT_THAT(raised_, ElementsAre("renewal:dev.test"));
  EXPECT_THAT(only().at("problem").get<std::string>(), HasSubstr("others may write"));
  EXPECT_FALSE(only().at("pending").get<bool>());
  fs::permissions(rest_.scratch().path("own"), fs::perms::owner_all);
  rest_.set_time(due + 60);
  run_due();
  EXPECT_EQ(only().at("problem"), "");
  EXPECT_THAT(settled_, ::testing::Contains("renewal:dev.test"));
}

TEST_F(IdentitiesTest, LocalCaIsRenewedWithItsScopeAndGoesOnSigning) {
  rest_.post("/v1/ca", {{"permit", {"**.test"}}, {"days", 300}}, 201);
  const Answered first = post({{"names", {"a.test"}}, {"from_ca", true}});
  EXPECT_EQ(first.at("not_after"), rfc3339(rest_.time() + 300 * kDay)) << "it ends with the CA";
  rest_.set_time(rest_.time() + 200 * kDay);
  run_due();
  const Answered ca = rest_.json({.path = "/v1/ca"}).at("ca");
  EXPECT_EQ(ca.at("not_after"), rfc3339(rest_.time() + 300 * kDay));
  EXPECT_THAT(labels(), ElementsAre("local-ca-before", "local-ca"));
  const Answered entries = rest_.json({.path = "/v1/certificates"}).at("certificates");
  for (const auto& entry : entries) {
    EXPECT_EQ(entry.at("hosts"), Answered::array({"**.test"}));
    EXPECT_EQ(entry.at("trust"), "root");
  }
  const Answered second = post({{"names", {"b.test"}}, {"from_ca", true}});
  EXPECT_TRUE(second.at("trusted").get<bool>());
  post({{"names", {"a.example"}}, {"from_ca", true}}, 409);
}

TEST_F(IdentitiesTest, ForgettingTakesTheFilesOfTheDaemonAndLeavesTrust) {
  const Answered made = post({{"names", {"dev.test"}}, {"trust", true}});
  const std::string path = "/v1/identities/" + made.at("fingerprint").get<std::string>();
  rest_.json({.method = "DELETE", .path = path});
  rest_.json({.method = "DELETE", .path = path}, 404);
  EXPECT_TRUE(fs::is_empty(rest_.layout().keys));
  EXPECT_THAT(labels(), ElementsAre("dev.test"));
}

} // namespace
} // namespace trust
