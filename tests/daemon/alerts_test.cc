// The routes of alerts and watches.

#include <gtest/gtest.h>

#include "tests/daemon/rest.h"

namespace trust {
namespace {

using testing::Answered;
using testing::Rest;

std::int64_t raise(Rest& rest, const std::string& cause) {
  std::int64_t id = 0;
  rest.changes().make([&](Store& store) {
    Alert alert;
    alert.kind = AlertKind::weak;
    alert.target = cause;
    id = store.raise(cause, alert).id;
  });
  return id;
}

TEST(AlertRoutes, OpenOnesAreListedNewestFirstAndInPages) {
  Rest rest;
  for (int i = 0; i < 5; ++i) raise(rest, "c" + std::to_string(i));
  rest.changes().make([](Store& store) { store.settle("c2"); });
  const Answered first = rest.json({.path = "/v1/alerts", .query = {{"limit", "3"}}});
  ASSERT_EQ(3U, first["alerts"].size());
  EXPECT_EQ("c4", first["alerts"][0]["target"]);
  const Answered rest_of = rest.json(
      {.path = "/v1/alerts", .query = {{"limit", "3"}, {"cursor", first["next_cursor"]}}});
  ASSERT_EQ(1U, rest_of["alerts"].size());
  EXPECT_EQ("c0", rest_of["alerts"][0]["target"]);
  EXPECT_TRUE(rest_of["next_cursor"].is_null());
  EXPECT_EQ(5U, rest.json({.path = "/v1/alerts", .query = {{"all", "true"}}})["alerts"].size());
  EXPECT_EQ(0U, rest.json({.path = "/v1/alerts", .query = {{"kind", "changed"}}})["alerts"].size());
  EXPECT_EQ(400, rest.ask({.path = "/v1/alerts", .query = {{"kind", "odd"}}}).status);
}

TEST(AlertRoutes, ChangeOfAnAlertIsSeenThoughNoGenerationIsMade) {
  Rest rest;
  const Response before = rest.ask({.path = "/v1/alerts"});
  for (const auto& [name, value] : before.headers) EXPECT_NE("ETag", name) << value;
  raise(rest, "c");
  EXPECT_EQ(200, rest.ask({.path = "/v1/alerts", .if_none_match = "*"}).status);
}

TEST(AlertRoutes, AcknowledgingAnswersWithTheHeadOfTheAuditLog) {
  Rest rest;
  const std::string path = "/v1/alerts/" + std::to_string(raise(rest, "c")) + "/ack";
  const Answered done = rest.post(path, {{"for", "7d"}, {"reason", "why"}}, 200);
  EXPECT_EQ(rest.time() + 7 * 86400,
            parse_time(done["alert"]["acknowledged_until"].get<std::string>()));
  EXPECT_EQ("acknowledged", done["alert"]["state"]);
  const Answered audit = rest.json({.path = "/v1/audit", .query = {{"verify", "true"}}});
  EXPECT_EQ(done["audit_head"], audit["audit_head"]);
  EXPECT_EQ("why", audit["audit"][0]["reason"]);
  EXPECT_EQ(true, audit["verified"]);
  EXPECT_EQ(200, rest.ask({.method = "POST", .path = path}).status);
  rest.post(path, {{"for", "7d"}, {"until", "2100-01-01"}}, 400);
  rest.post(path, {{"until", "2001-01-01"}}, 400);
  rest.post("/v1/alerts/99/ack", Answered::object(), 404);
}

TEST(WatchRoutes, SameWatchIsOneAndItsTargetIsWrittenInOneWay) {
  Rest rest;
  const Answered added = rest.post("/v1/watches", {{"endpoint", "Dev.Test."}}, 201);
  EXPECT_EQ("dev.test:443", added["watch"]["target"]);
  rest.post("/v1/watches", {{"endpoint", "dev.test:443"}}, 200);
  const Answered file = rest.post("/v1/watches", {{"file", "/etc/./tls//x/../a.pem"}}, 201);
  EXPECT_EQ("/etc/tls/a.pem", file["watch"]["target"]);
  EXPECT_EQ(2U, rest.json({.path = "/v1/watches"})["watches"].size());
  const std::string at = "/v1/watches/" + std::to_string(added["watch"]["id"].get<int>());
  EXPECT_EQ(200, rest.ask({.method = "DELETE", .path = at}).status);
  EXPECT_EQ(404, rest.ask({.method = "DELETE", .path = at}).status);
}

TEST(WatchRoutes, WhatIsNoTargetOrMustNotBeDialledIsRefused) {
  Rest rest;
  rest.post("/v1/watches", Answered::object(), 400);
  rest.post("/v1/watches", {{"endpoint", "a.test"}, {"file", "/a"}}, 400);
  rest.post("/v1/watches", {{"endpoint", "a.test"}, {"command", "/bin/sh"}}, 400);
  for (const char* address : {"169.254.169.254", "224.0.0.1", "0.0.0.0", "[fe80::1]", "[::]"}) {
    rest.post("/v1/watches", {{"endpoint", address}}, 400);
  }
  rest.post("/v1/watches", {{"file", "relative.pem"}}, 400);
}

TEST(WatchRoutes, AreForThoseWhoMayChangeTheStore) {
  Rest rest;
  EXPECT_EQ(403, rest.ask({.path = "/v1/watches", .uid = 1000}).status);
  EXPECT_EQ(403, rest.ask({.path = "/v1/alerts", .uid = 1000}).status);
  EXPECT_EQ(403, rest.ask({.method = "POST",
                           .path = "/v1/watches",
                           .body = R"({"endpoint": "a.test"})",
                           .uid = 1000})
                     .status);
}

} // namespace
} // namespace trust
