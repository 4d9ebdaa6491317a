// What sinks are told and how: the forms of a delivery, the signature, the URL, the secret, the
// answer of a webhook.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>

#include "daemon/sinks/courier.h"
#include "daemon/sinks/delivery.h"
#include "daemon/sinks/exec.h"
#include "daemon/sinks/formats.h"
#include "daemon/sinks/http_post.h"
#include "daemon/sinks/secret_file.h"
#include "daemon/sinks/signature.h"
#include "daemon/sinks/webhook_url.h"
#include "libtrust/error.h"
#include "tests/libtrust/scratch.h"

namespace trust::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using What = Notice::What;

constexpr UnixTime kRaised = 1'764'000'000;

Notice notice(std::uint64_t number, std::int64_t alert, What what = What::raised,
              Severity severity = Severity::warning) {
  Notice made;
  made.number = number;
  made.at = kRaised;
  made.what = what;
  made.alert.id = alert;
  made.alert.kind = AlertKind::expiring;
  made.alert.severity = severity;
  made.alert.target = "host-" + std::to_string(alert) + ".test";
  made.alert.summary = made.alert.target + " ends in 2 days";
  made.alert.raised_at = kRaised - 60;
  if (what == What::resolved) made.alert.resolved_at = kRaised;
  return made;
}

Delivery delivery_of(std::vector<Notice> notices) {
  return {"0123456789abcdef-1-9", "machine", kRaised, false, std::move(notices)};
}

std::vector<std::uint64_t> numbers(const std::vector<Notice>& notices) {
  std::vector<std::uint64_t> found;
  for (const Notice& one : notices) found.push_back(one.number);
  return found;
}

template <typename Do>
std::string refusal(Do&& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.message();
  }
  return "taken";
}

// ---- what is worth telling --------------------------------------------------------

TEST(WorthTelling, WhatIsOpenAndWhatWasResolved) {
  EXPECT_THAT(numbers(worth_telling({notice(1, 1), notice(2, 2, What::resolved)}, kRaised, false)),
              ElementsAre(1, 2));
}

TEST(WorthTelling, NotWhatCameAndWentMeanwhile) {
  Notice raised = notice(1, 1);
  raised.alert.resolved_at = kRaised;
  EXPECT_THAT(numbers(worth_telling({raised, notice(2, 1, What::resolved)}, kRaised, false)),
              ElementsAre());
}

TEST(WorthTelling, NotWhatItsSuccessorSays) {
  Notice passed = notice(1, 1);
  passed.alert.resolved_at = kRaised;
  EXPECT_THAT(numbers(worth_telling({passed, notice(2, 2)}, kRaised, false)), ElementsAre(2));
}

TEST(WorthTelling, NotWhatWasAcknowledgedBeforeItWasTold) {
  Notice acknowledged = notice(1, 1);
  acknowledged.alert.acknowledged_at = kRaised - 1;
  EXPECT_THAT(numbers(worth_telling({acknowledged}, kRaised, false)), ElementsAre());
  acknowledged.alert.acknowledged_until = kRaised - 1;
  EXPECT_THAT(numbers(worth_telling({acknowledged}, kRaised, false)), ElementsAre(1));
}

TEST(WorthTelling, ANewSinkHearsOfWhatIsOpenAlone) {
  EXPECT_THAT(numbers(worth_telling({notice(1, 1), notice(2, 2, What::resolved)}, kRaised, true)),
              ElementsAre(1));
}

TEST(WorthTelling, OfOneAlertTheLast) {
  EXPECT_THAT(numbers(worth_telling({notice(1, 1), notice(2, 1, What::reminded)}, kRaised, false)),
              ElementsAre(2));
}

// ---- for people ---------------------------------------------------------------------

TEST(DeliveryText, OneNoticeIsItsSummary) {
  EXPECT_EQ(title_of(delivery_of({notice(1, 1)})), "host-1.test ends in 2 days");
  EXPECT_EQ(title_of(delivery_of({notice(1, 1, What::resolved)})),
            "resolved: host-1.test ends in 2 days");
  EXPECT_EQ(title_of(delivery_of({notice(1, 1, What::reminded)})),
            "still: host-1.test ends in 2 days");
}

TEST(DeliveryText, ManyAreCountedAndTheWorstStandsFirst) {
  const Delivery delivery =
      delivery_of({notice(1, 1), notice(2, 2, What::resolved),
                   notice(3, 3, What::raised, Severity::critical), notice(4, 4)});
  EXPECT_EQ(title_of(delivery), "4 alerts: 1 critical, 2 warning, 1 resolved");
  const std::string text = text_of(delivery, 2);
  EXPECT_LT(text.find("critical: host-3.test"), text.find("warning: host-1.test"));
  EXPECT_THAT(text, HasSubstr("and 2 more: trustctl alerts"));
  EXPECT_THAT(text, Not(HasSubstr("host-2.test")));
  EXPECT_EQ(severity_of(delivery), Severity::critical);
}

TEST(DeliveryText, SaysWhatBreaksAndWhatToDo) {
  Notice one = notice(1, 1);
  one.alert.labels = {"dev"};
  one.alert.files = {"/etc/app/server.pem"};
  for (int i = 0; i < 12; ++i) one.alert.hosts.push_back("h" + std::to_string(i));
  one.alert.hint = "trustctl renew dev";
  EXPECT_EQ(lines_of(one),
            "warning: host-1.test ends in 2 days\n  labels: dev\n  hosts: h0, h1, h2, h3, h4, h5, "
            "h6, h7 and 4 more\n  files: /etc/app/server.pem\n  hint: trustctl renew dev");
}

TEST(ExecVariables, AreAllThereAndBounded) {
  std::vector<Notice> many;
  for (std::uint64_t i = 1; i <= 200; ++i) {
    many.push_back(notice(i, static_cast<std::int64_t>(i)));
    many.back().alert.files.assign(50, std::string(4000, 'f'));
  }
  std::size_t bytes = 0;
  std::string names;
  for (const auto& [name, value] : variables_of(delivery_of(many))) {
    EXPECT_TRUE(name.starts_with("TRUSTD_"));
    EXPECT_LE(value.size(), std::size_t{32} << 10) << name;
    bytes += value.size();
    names += name.substr(7) + " ";
  }
  EXPECT_LT(bytes, std::size_t{128} << 10);
  EXPECT_EQ(names,
            "DELIVERY SOURCE TEST COUNT TITLE TEXT JSON SEVERITY ALERT WHAT KIND TARGET "
            "FINGERPRINT THRESHOLD ENDS_AT HINT ");
}

// ---- for programs -------------------------------------------------------------------

TEST(WebhookBody, JsonHoldsTheNoticesAndHowManyMore) {
  std::vector<Notice> many;
  for (std::uint64_t i = 1; i <= 130; ++i) many.push_back(notice(i, static_cast<std::int64_t>(i)));
  const auto json =
      nlohmann::json::parse(webhook_body(SinkConfig::Format::json, delivery_of(many)));
  EXPECT_EQ(json["id"], "0123456789abcdef-1-9");
  EXPECT_EQ(json["notices"].size(), 100U);
  EXPECT_EQ(json["notices"][0]["number"], 1);
  EXPECT_EQ(json["notices"][0]["alert"]["target"], "host-1.test");
  EXPECT_EQ(json["more"], 30);
  EXPECT_EQ(json["test"], false);
}

TEST(WebhookBody, SlackCannotBeMadeToMentionAnybody) {
  Notice one = notice(1, 1);
  one.alert.summary = "<!channel> & <https://evil.test|click>";
  const std::string body = webhook_body(SinkConfig::Format::slack, delivery_of({one}));
  const auto json = nlohmann::json::parse(body);
  EXPECT_EQ(json["text"], "machine: &lt;!channel&gt; &amp; &lt;https://evil.test|click&gt;");
  EXPECT_THAT(body, Not(HasSubstr("<")));
  EXPECT_EQ(json["attachments"][0]["color"], "warning");
}

TEST(WebhookBody, SlackIsOneMessageForAFlood) {
  std::vector<Notice> many;
  for (std::uint64_t i = 1; i <= 4000; ++i) many.push_back(notice(i, static_cast<std::int64_t>(i)));
  const auto json =
      nlohmann::json::parse(webhook_body(SinkConfig::Format::slack, delivery_of(many)));
  EXPECT_EQ(json["attachments"].size(), 20U);
  EXPECT_EQ(json["text"],
            "machine: 4000 alerts: 4000 warning (3980 are not shown: trustctl alerts)");
}

TEST(WebhookBody, AlertmanagerKnowsAnAlertByLabelsThatStay) {
  Notice one = notice(1, 1);
  one.alert.threshold = "14d";
  const auto of = [](const Notice& of_it) {
    return nlohmann::json::parse(
        webhook_body(SinkConfig::Format::alertmanager, delivery_of({of_it})))[0];
  };
  const auto open = of(one);
  EXPECT_EQ(open["labels"]["alertname"], "TrustExpiring");
  EXPECT_EQ(open["labels"]["target"], "host-1.test");
  EXPECT_EQ(open["annotations"]["threshold"], "14d");
  EXPECT_EQ(open["endsAt"], rfc3339(kRaised + 3600));
  one.what = What::resolved;
  one.alert.resolved_at = kRaised;
  one.alert.threshold = "7d";
  const auto resolved = of(one);
  EXPECT_EQ(resolved["labels"], open["labels"]);
  EXPECT_EQ(resolved["endsAt"], rfc3339(kRaised));
  one = notice(1, 1);
  one.alert.acknowledged_at = kRaised;
  EXPECT_EQ(of(one)["endsAt"], rfc3339(kRaised));
  one.alert.kind = AlertKind::not_yet_valid;
  EXPECT_EQ(of(one)["labels"]["alertname"], "TrustNotYetValid");
}

TEST(Signature, IsWhatOpensslComputes) {
  // printf '1764000000.an-id.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef
  EXPECT_EQ(signature_field("0123456789abcdef", kRaised, "an-id", "{\"a\":1}"),
            "t=1764000000,id=an-id,v1="
            "54f36c24f422fa3879fab50f2b62cea5a6f432cf08c223bf851a6cba774e78a0");
}

// ---- where to -------------------------------------------------------------------------

TEST(WebhookUrlTest, IsTakenApart) {
  const WebhookUrl url = WebhookUrl::parse("https://Hooks.Test:8443/a/b?c=d%20e");
  EXPECT_TRUE(url.tls);
  EXPECT_EQ(url.endpoint.text(), "hooks.test:8443");
  EXPECT_EQ(url.host_field, "hooks.test:8443");
  EXPECT_EQ(url.target, "/a/b?c=d%20e");
  EXPECT_EQ(WebhookUrl::parse("https://hooks.test").target, "/");
  EXPECT_EQ(WebhookUrl::parse("https://hooks.test?x").target, "/?x");
  EXPECT_EQ(WebhookUrl::parse("https://hooks.test").host_field, "hooks.test");
  EXPECT_EQ(WebhookUrl::parse("https://[::1]:9/").host_field, "[::1]:9");
}

TEST(WebhookUrlTest, ClearTextIsForTheLoopbackAlone) {
  for (const char* url : {"http://127.0.0.1:9093/api/v2/alerts", "http://127.9.9.9/",
                          "http://[::1]:8080/", "http://localhost/"}) {
    EXPECT_FALSE(WebhookUrl::parse(url).tls) << url;
  }
  for (const char* url : {"http://hooks.test/", "http://10.0.0.1/", "http://128.0.0.1/",
                          "http://localhost.evil.test/", "http://[::2]/"}) {
    EXPECT_THAT(refusal([&] { WebhookUrl::parse(url); }), HasSubstr("in clear")) << url;
  }
}

TEST(WebhookUrlTest, WhatARequestLineCannotHoldIsRefusedWithoutBeingShown) {
  for (const std::string url :
       {"https://hooks.test/secret here", "https://hooks.test/secret\r\nX: y",
        "https://hooks.test/secret\x7f", "https://hooks.test/secret\xc3\xa9",
        "https://user:secret@hooks.test/", "https://hooks.test/#secret", "ftp://hooks.test/secret",
        "secret", ""}) {
    const std::string said = refusal([&] { WebhookUrl::parse(url); });
    EXPECT_NE(said, "taken") << url;
    EXPECT_THAT(said, Not(HasSubstr("secret"))) << url;
  }
}

TEST(SecretFile, IsReadWithoutItsNewline) {
  const Scratch scratch;
  scratch.write("secret", "0123456789\n");
  ::chmod(scratch.path("secret").c_str(), 0600);
  EXPECT_EQ(read_secret_file(scratch.path("secret")), "0123456789");
}

TEST(SecretFile, ThatOthersMayReadIsRefused) {
  const Scratch scratch;
  scratch.write("secret", "0123456789\n");
  for (const mode_t mode : {0640U, 0604U, 0620U, 0602U, 0644U, 0666U}) {
    ::chmod(scratch.path("secret").c_str(), mode);
    const std::string said = refusal([&] { read_secret_file(scratch.path("secret")); });
    EXPECT_THAT(said, HasSubstr("not its owner's alone"));
    EXPECT_THAT(said, Not(HasSubstr("0123456789")));
  }
}

TEST(SecretFile, ThatIsALinkOrNoFileOrEmptyIsRefused) {
  const Scratch scratch;
  scratch.write("secret", "0123456789\n");
  scratch.write("empty", "\n");
  scratch.write("long", std::string(5000, 'x'));
  for (const char* name : {"secret", "empty", "long"}) ::chmod(scratch.path(name).c_str(), 0600);
  std::filesystem::create_symlink(scratch.path("secret"), scratch.path("link"));
  ::mkfifo(scratch.path("fifo").c_str(), 0600);
  EXPECT_THAT(refusal([&] { read_secret_file(scratch.path("link")); }), HasSubstr("symlink"));
  EXPECT_THAT(refusal([&] { read_secret_file(scratch.path("fifo")); }), HasSubstr("no file"));
  EXPECT_THAT(refusal([&] { read_secret_file(scratch.path("")); }), HasSubstr("no file"));
  EXPECT_THAT(refusal([&] { read_secret_file(scratch.path("empty")); }), HasSubstr("empty"));
  EXPECT_THAT(refusal([&] { read_secret_file(scratch.path("long")); }), HasSubstr("too long"));
  EXPECT_THAT(refusal([&] { read_secret_file(scratch.path("none")); }), HasSubstr("not there"));
}

// ---- a webhook's answer -----------------------------------------------------------------

// A peer that answers with `answer`, a few bytes at a time, and then ends.
HttpAnswer answered(const std::string& answer, std::size_t piece, std::string* sent = nullptr) {
  std::size_t at = 0;
  const HttpStream stream{
      [sent](std::string_view bytes) {
        if (sent != nullptr) *sent += bytes;
      },
      [&](std::span<std::uint8_t> buffer) {
        const std::size_t count = std::min({piece, buffer.size(), answer.size() - at});
        std::memcpy(buffer.data(), answer.data() + at, count);
        at += count;
        return count;
      }};
  return http_post(stream, {"hooks.test", "/x", {{"A", "b"}}, "{}"}, "hooks.test:443");
}

TEST(HttpPost, SendsOneRequest) {
  std::string sent;
  answered("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 100, &sent);
  EXPECT_EQ(sent,
            "POST /x HTTP/1.1\r\nHost: hooks.test\r\nA: b\r\nContent-Length: 2\r\n"
            "Connection: close\r\n\r\n{}");
}

TEST(HttpPost, ReadsAnswersOfEveryFrame) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{10'000}}) {
    EXPECT_EQ(answered("HTTP/1.1 201 Created\r\nContent-Length: 3\r\n\r\nabcdef", piece).body,
              "abc");
    EXPECT_EQ(answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
                       piece)
                  .body,
              "abc");
    EXPECT_EQ(answered("HTTP/1.1 500 No\r\nConnection: close\r\n\r\nuntil the end", piece).body,
              "until the end");
    const HttpAnswer after_continue =
        answered("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", piece);
    EXPECT_EQ(after_continue.status, 204);
  }
}

TEST(HttpPost, ARedirectIsAnAnswerAndNotFollowed) {
  EXPECT_EQ(answered("HTTP/1.1 302 Found\r\nLocation: https://evil.test/\r\n"
                     "Content-Length: 0\r\n\r\n",
                     100)
                .status,
            302);
}

TEST(HttpPost, AnAnswerIsBounded) {
  EXPECT_EQ(
      answered("HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + std::string(9'000'000, 'x'),
               8192)
          .body.size(),
      kMostHttpBodyBytes);
  std::string head = "HTTP/1.1 200 OK\r\n";
  for (int i = 0; i < 5000; ++i) head += "X-" + std::to_string(i) + ": y\r\n";
  EXPECT_NE(refusal([&] { answered(head + "\r\n", 1000); }), "taken");
}

TEST(HttpPost, WhatIsNoAnswerIsSaid) {
  for (const char* answer : {"", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
                             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
                             "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 2x0 OK\r\n\r\n"}) {
    EXPECT_THAT(refusal([&] { answered(answer, 5); }), HasSubstr("hooks.test:443")) << answer;
  }
}

// ---- patience ---------------------------------------------------------------------------

TEST(BackOff, DoublesUpToABoundWithJitter) {
  const CourierSettings settings;
  EXPECT_EQ(wait_after(1, settings, 0).count(), 2500);
  EXPECT_EQ(wait_after(1, settings, 1).count(), 5000);
  EXPECT_EQ(wait_after(2, settings, 1).count(), 10'000);
  EXPECT_EQ(wait_after(5, settings, 1).count(), 80'000);
  EXPECT_EQ(wait_after(9, settings, 1).count(), 900'000);
  EXPECT_EQ(wait_after(1'000'000, settings, 1).count(), 900'000);
  EXPECT_EQ(wait_after(1'000'000, settings, 0).count(), 450'000);
}

} // namespace
} // namespace trust::testing
