#include "daemon/config.h"

#include <gtest/gtest.h>

#include <ostream>

#include "libtrust/error.h"

namespace trust {
namespace {

std::string refusal(std::string_view text) {
  try {
    Config::parse(text, "trustd.toml");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::invalid);
    return error.message();
  }
  return "accepted";
}

TEST(Config, NothingMeansTheDefaults) {
  const Config config = Config::parse("", "trustd.toml");
  EXPECT_EQ(config.store.base, "system");
  EXPECT_EQ(config.store.keep_generations, 10U);
  EXPECT_EQ(config.listen.tcp, "");
  EXPECT_FALSE(config.listen.tcp_write);
  EXPECT_EQ(config.listen.socket_mode, 0660U);
  EXPECT_EQ(config.expiry.thresholds, default_thresholds());
  EXPECT_EQ(config.expiry.probe_interval_s, 6 * 3600);
}

TEST(Config, EveryKeyIsRead) {
  const Config config = Config::parse(R"(
[store]
base = "/etc/base.pem"
keep_generations = 3
[listen]
tcp = "127.0.0.1:7443"
tcp_write = true
socket_mode = "0666"
[expiry]
thresholds = ["1d", "33%", "0"]
probe_interval = "1h"
[limits]
body_bytes = 65536
import_bytes = 1048576
connections = 100
connections_per_user = 50
request_timeout = "5s"
workers = 2
waiting_changes = 10
[renew]
[[sink]]
name = "chat"
type = "webhook"
url = "https://chat.test/hook"
format = "slack"
secret_file = "/etc/trustd/secret"
[[sink]]
name = "page"
type = "exec"
command = ["/usr/bin/page", "me"]
[[hook]]
name = "reload"
command = ["/usr/bin/systemctl", "reload", "nginx"]
time_limit = "2m"
)",
                                      "trustd.toml");
  EXPECT_EQ(config.store.base, "/etc/base.pem");
  EXPECT_EQ(config.store.keep_generations, 3U);
  EXPECT_EQ(config.listen.tcp, "127.0.0.1:7443");
  EXPECT_TRUE(config.listen.tcp_write);
  EXPECT_EQ(config.listen.socket_mode, 0666U);
  EXPECT_EQ(config.expiry.thresholds,
            (Thresholds{Threshold::parse("1d"), Threshold::parse("33%"), Threshold::parse("0")}));
  EXPECT_EQ(config.expiry.probe_interval_s, 3600);
  EXPECT_EQ(config.limits.body_bytes, 65536U);
  EXPECT_EQ(config.limits.import_bytes, 1048576U);
  EXPECT_EQ(config.limits.connections, 100U);
  EXPECT_EQ(config.limits.connections_per_user, 50U);
  EXPECT_EQ(config.limits.request_timeout_s, 5);
  EXPECT_EQ(config.limits.workers, 2U);
  EXPECT_EQ(config.limits.waiting_changes, 10U);
  ASSERT_EQ(config.sinks.size(), 2U);
  EXPECT_EQ(config.sinks[0].format, SinkConfig::Format::slack);
  EXPECT_EQ(config.sinks[0].secret_file, "/etc/trustd/secret");
  EXPECT_EQ(config.sinks[1].command, (std::vector<std::string>{"/usr/bin/page", "me"}));
  ASSERT_EQ(config.hooks.size(), 1U);
  EXPECT_EQ(config.hooks[0].command.size(), 3U);
  EXPECT_EQ(config.hooks[0].time_limit_s, 120);
  EXPECT_EQ(config.sinks[1].time_limit_s, 30);
}

struct Wrong {
  const char* text;
  const char* says;
};

void PrintTo(const Wrong& wrong, std::ostream* out) { *out << wrong.says; } // names the test

class WrongConfig : public ::testing::TestWithParam<Wrong> {};

TEST_P(WrongConfig, IsRefusedWithFileLineAndWhatIsExpected) {
  EXPECT_EQ(refusal(GetParam().text), GetParam().says);
}

INSTANTIATE_TEST_SUITE_P(
    Table, WrongConfig,
    ::testing::Values(
        Wrong{
            "\n[stor]\n",
            "trustd.toml:2: unknown key stor; known are expiry, hook, limits, listen, renew, sink, "
            "store"},
        Wrong{"[store]\nbse = 1\n",
              "trustd.toml:2: unknown key bse in [store]; known are base, keep_generations"},
        Wrong{
            "[store]\nbase = \"ca.pem\"\n",
            "trustd.toml:2: base is not \"system\", \"none\" or an absolute path (not an absolute "
            "path)"},
        Wrong{"[store]\n\n\nkeep_generations = 0\n",
              "trustd.toml:4: keep_generations is not a whole number from 1 to 150"},
        Wrong{"[store]\nkeep_generations = \"10\"\n",
              "trustd.toml:2: keep_generations is not a whole number from 1 to 150"},
        Wrong{"store = 3\n", "trustd.toml:1: store is not a table, [store]"},
        Wrong{"[listen]\ntcp = \"0.0.0.0:80\"\n",
              "trustd.toml:2: tcp is not \"\" or \"127.0.0.1:PORT\" (only the loopback is listened "
              "on)"},
        Wrong{"[listen]\ntcp_write = 1\n", "trustd.toml:2: tcp_write is not true or false"},
        Wrong{
            "[listen]\nsocket_mode = \"0777\"\n",
            "trustd.toml:2: socket_mode is not a mode of a socket, \"0600\", \"0660\" or \"0666\""},
        Wrong{"[renew]\ndays = 3\n", "trustd.toml:2: unknown key days in [renew]; it has none yet"},
        Wrong{"[[sink]]\ntype = \"journal\"\n", "trustd.toml:1: [[sink]] has no name"},
        Wrong{"[[sink]]\nname = \"a\"\ntype = \"mail\"\n",
              "trustd.toml:3: type is not one of \"journal\", \"webhook\", \"exec\", \"desktop\""},
        Wrong{"[[sink]]\nname = \"a\"\ntype = \"webhook\"\n", "trustd.toml:1: [[sink]] has no url"},
        Wrong{"[[sink]]\nname = \"a\"\ntype = \"journal\"\nurl = \"https://a.test/\"\n",
              "trustd.toml:4: url is of a webhook only"},
        Wrong{"[[sink]]\nname = \"a\"\ntype = \"journal\"\ntime_limit = \"1s\"\n",
              "trustd.toml:4: time_limit is of type = \"exec\" only"},
        Wrong{"[[hook]]\nname = \"a\"\ncommand = [\"/a\"]\ntime_limit = \"1h\"\n",
              "trustd.toml:4: time_limit is not a duration from 1s to 10m (too long)"},
        Wrong{"[[hook]]\nname = \"a\"\ncommand = [\"reload\"]\n",
              "trustd.toml:3: command is not a program's absolute path and its arguments, "
              "[\"/path\", \"argument\"]"},
        Wrong{
            "[[hook]]\nname = \"a\"\ncommand = [\"/a\"]\n[[hook]]\nname = \"a\"\ncommand = "
            "[\"/a\"]\n",
            "trustd.toml:5: name is not a name of its own in a-z, 0-9, '.', '_' and '-' (it stands "
            "there twice)"}));

TEST(Config, WhatIsNotTomlIsRefusedWithItsLine) {
  EXPECT_TRUE(refusal("[store]\nbase = \n").starts_with("trustd.toml:2: "));
}

TEST(Config, DurationsAreNamedWhenWrong) {
  EXPECT_TRUE(refusal("[expiry]\nthresholds = [\"30 days\"]\n")
                  .starts_with("trustd.toml:2: thresholds is not a list of durations"));
}

} // namespace
} // namespace trust
