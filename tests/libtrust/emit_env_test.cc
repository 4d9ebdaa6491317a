#include "libtrust/emit/env.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "libtrust/error.h"

namespace trust {
namespace {

using ::testing::HasSubstr;

Environment environment_of(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](std::string_view name) -> std::optional<std::string> {
    const auto found = variables.find(std::string(name));
    if (found == variables.end() || found->second.empty()) return std::nullopt;
    return found->second;
  };
}

const EnvValue* find(const std::vector<EnvValue>& values, std::string_view name) {
  for (const EnvValue& value : values) {
    if (value.name == name) return &value;
  }
  return nullptr;
}

std::string value_of(const std::vector<EnvValue>& values, std::string_view name) {
  const EnvValue* value = find(values, name);
  return value == nullptr ? "(not set)" : value->value;
}

TEST(EnvTable, NamesEachVariableOnceWithWhoReadsIt) {
  std::set<std::string_view> seen;
  for (const EnvRow& row : env_rows()) {
    EXPECT_TRUE(seen.insert(row.variable).second) << row.variable;
    EXPECT_FALSE(row.tools.empty()) << row.variable;
    EXPECT_FALSE(row.use == EnvUse::never && row.note.empty()) << row.variable;
    // What adds gets the entries, what replaces everything.
    EXPECT_EQ(row.effect == EnvEffect::adds, row.file == EnvFile::extra) << row.variable;
  }
}

TEST(Environment, PointsBelowCurrent) {
  const auto values = environment_for("/s", {}, {});
  EXPECT_EQ(value_of(values, "SSL_CERT_FILE"), "/s/current/bundle.pem");
  EXPECT_EQ(value_of(values, "SSL_CERT_DIR"), "/s/current/hashed");
  EXPECT_EQ(value_of(values, "NODE_EXTRA_CA_CERTS"), "/s/current/extra.pem");
  EXPECT_EQ(value_of(values, "SYSTEM_WGETRC"), "/s/current/env/wgetrc");
  EXPECT_EQ(value_of(values, "JAVA_TOOL_OPTIONS"), "(not set)");
  EXPECT_EQ(value_of(values, "npm_config_cafile"), "(not set)");
  EXPECT_EQ(value_of(environment_for("/s", {}, {.java = true}), "JAVA_TOOL_OPTIONS"),
            "-Djavax.net.ssl.trustStore=/s/current/truststore.p12 "
            "-Djavax.net.ssl.trustStoreType=PKCS12 -Djavax.net.ssl.trustStorePassword=changeit");
}

TEST(Environment, LeavesOutWhatWouldHoldNoCertificate) {
  const auto no_entries = environment_for("/s", {.extra_has_certificates = false}, {});
  EXPECT_EQ(value_of(no_entries, "NODE_EXTRA_CA_CERTS"), "(not set)");
  EXPECT_EQ(value_of(no_entries, "SSL_CERT_FILE"), "/s/current/bundle.pem");
  const auto nothing = environment_for(
      "/s", {.bundle_has_certificates = false, .extra_has_certificates = false}, {.java = true});
  EXPECT_TRUE(nothing.empty());
}

TEST(Environment, RefusesADirectoryThatNoVariableCanHold) {
  for (const char* directory : {"", "relative", "/new\nline", "/tab\t", "/del\x7f"}) {
    EXPECT_THROW(environment_for(directory, {}, {}), Error) << directory;
    EXPECT_THROW(wgetrc_text(directory, ""), Error) << directory;
  }
}

TEST(Environment, NamesNoDirectoryInAListThatItsColonWouldCut) {
  const auto values = environment_for("/a:b", {}, {});
  EXPECT_EQ(value_of(values, "SSL_CERT_DIR"), "(not set)");
  EXPECT_EQ(value_of(values, "SSL_CERT_FILE"), "/a:b/current/bundle.pem");
}

TEST(EnvMerge, SetsWhatIsNotSetAndWhatIsOursAlready) {
  const auto wanted = environment_for("/s", {}, {});
  const auto merge = merge_environment(environment_of({{"SSL_CERT_FILE", "/s/current/bundle.pem"}}),
                                       wanted, false);
  EXPECT_EQ(merge.set.size(), wanted.size());
  EXPECT_TRUE(merge.conflicts.empty());
}

TEST(EnvMerge, KeepsWhatSomebodyElseSetUnlessForced) {
  const auto wanted = environment_for("/s", {}, {});
  const auto current = environment_of({{"PIP_CERT", "/corp/ca.pem"}});
  const auto kept = merge_environment(current, wanted, false);
  EXPECT_EQ(value_of(kept.set, "PIP_CERT"), "(not set)");
  ASSERT_EQ(kept.conflicts.size(), 1U);
  EXPECT_EQ(kept.conflicts[0].name, "PIP_CERT");
  EXPECT_EQ(kept.conflicts[0].current, "/corp/ca.pem");
  EXPECT_EQ(kept.conflicts[0].wanted, "/s/current/bundle.pem");
  const auto forced = merge_environment(current, wanted, true);
  EXPECT_EQ(value_of(forced.set, "PIP_CERT"), "/s/current/bundle.pem");
  EXPECT_EQ(forced.conflicts.size(), 1U);
}

TEST(EnvMerge, TakesTheDistributionsOwnForNotSet) {
  const auto wanted = environment_for("/s", {}, {});
  const auto current =
      environment_of({{"SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"},
                      {"SSL_CERT_DIR", "/etc/ssl/certs/"},
                      {"NODE_EXTRA_CA_CERTS", "/etc/ssl/certs/ca-certificates.crt"}});
  const auto merge = merge_environment(current, wanted, false);
  EXPECT_TRUE(merge.conflicts.empty());
  EXPECT_EQ(value_of(merge.set, "SSL_CERT_FILE"), "/s/current/bundle.pem");
  EXPECT_EQ(value_of(merge.set, "SSL_CERT_DIR"), "/s/current/hashed");
  // It held more than the entries, so the bundle takes its place, and stays.
  EXPECT_EQ(value_of(merge.set, "NODE_EXTRA_CA_CERTS"), "/s/current/bundle.pem");
  const auto again = merge_environment(
      environment_of({{"NODE_EXTRA_CA_CERTS", "/s/current/bundle.pem"}}), wanted, false);
  EXPECT_EQ(value_of(again.set, "NODE_EXTRA_CA_CERTS"), "/s/current/bundle.pem");
}

TEST(EnvMerge, AddsItsOptionsToThoseOfTheJvm) {
  const auto wanted = environment_for("/s", {}, {.java = true});
  const std::string ours = value_of(wanted, "JAVA_TOOL_OPTIONS");
  const auto merged = [&](const std::string& now, bool force) {
    return merge_environment(environment_of({{"JAVA_TOOL_OPTIONS", now}}), wanted, force);
  };
  EXPECT_EQ(value_of(merged("-Xmx1g", false).set, "JAVA_TOOL_OPTIONS"), "-Xmx1g " + ours);
  EXPECT_EQ(value_of(merged("-Xmx1g " + ours, false).set, "JAVA_TOOL_OPTIONS"), "-Xmx1g " + ours);
  const std::string theirs = "-Djavax.net.ssl.trustStore=/theirs";
  EXPECT_EQ(value_of(merged(theirs, false).set, "JAVA_TOOL_OPTIONS"), "(not set)");
  EXPECT_EQ(merged(theirs, false).conflicts.size(), 1U);
  EXPECT_EQ(value_of(merged(theirs, true).set, "JAVA_TOOL_OPTIONS"), theirs + " " + ours);
}

TEST(EnvText, QuotesForEachReader) {
  const std::vector<EnvValue> values{{"A", "/it's a $store\\", "", false},
                                     {"B", "/plain", "", false}};
  EXPECT_EQ(sh_text(values), "export A='/it'\\''s a $store\\'\nexport B='/plain'\n");
  EXPECT_EQ(fish_text(values), "set -gx A '/it\\'s a $store\\\\'\nset -gx B '/plain'\n");
  EXPECT_THAT(dotenv_text(values), HasSubstr("# A: "));
  EXPECT_THAT(dotenv_text(values), HasSubstr("\nB=/plain\n"));
  const auto json = nlohmann::json::parse(json_text(values));
  EXPECT_EQ(json["A"], "/it's a $store\\");
  EXPECT_EQ(json.size(), 2U);
  EXPECT_EQ(json_text({}), "{}\n");
}

TEST(Wgetrc, RepeatsTheSystemsAndComesAfterIt) {
  EXPECT_EQ(wgetrc_text("/s", "# comment\n\n  # more\npassive_ftp = on\r\nuse_proxy = off"),
            "# Made by trustd: /etc/wgetrc, and where certificates are.\n"
            "passive_ftp = on\r\nuse_proxy = off\n"
            "ca_certificate = /s/current/bundle.pem\nca_directory = /s/current/hashed\n");
}

} // namespace
} // namespace trust
