#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "daemon/openapi_text.h"
#include "tests/daemon/rest.h"
#include "tests/libtrust/mint.h"

namespace trust::testing {
namespace {

const std::string kPin = "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

Minted leaf(const std::string& name = "dev.test") {
  return mint({.common_name = name, .sans = {"DNS:" + name}, .ca = false});
}

Minted root(const std::string& name = "Test CA") {
  return mint({.common_name = name, .ca = true, .key_usage = "critical,keyCertSign,cRLSign"});
}

std::string at(const Minted& minted) { return "/v1/certificates/" + fingerprint_of(minted); }

TEST(Rest, AddedOnceIsCreatedAndTwiceIsThere) {
  Rest rest;
  const Minted server = leaf();
  const Answered first = rest.post("/v1/certificates", {{"pem", server.pem()}}, 201);
  EXPECT_EQ(first["fingerprint"], fingerprint_of(server));
  EXPECT_EQ(first["trust"], "leaf");
  EXPECT_EQ(first["label"], "dev.test");
  EXPECT_EQ(first["created"], true);
  EXPECT_EQ(first["generation"], 1);
  EXPECT_TRUE(first["audit_head"].get<std::string>().starts_with("1:"));
  const Answered second = rest.post("/v1/certificates", {{"pem", server.pem()}}, 200);
  EXPECT_EQ(second["created"], false);
  EXPECT_EQ(second["generation"], 1);
}

TEST(Rest, AnAnswerMeansPublished) {
  Rest rest;
  const Minted server = leaf();
  rest.post("/v1/certificates", {{"pem", server.pem()}}, 201);
  const Response bundle = rest.ask({.path = "/v1/bundle.pem"});
  EXPECT_EQ(bundle.status, 200);
  EXPECT_NE(bundle.body.find(server.pem()), std::string::npos);
  EXPECT_EQ(header_of(bundle, "ETag"), "\"g1\"");
  EXPECT_EQ(rest.ask({.path = "/readyz"}).status, 200);
}

TEST(Rest, RawBodiesAreTakenWithTheirParameters) {
  Rest rest;
  const Minted server = leaf();
  const Answered pem =
      rest.json({.method = "POST",
                 .path = "/v1/certificates",
                 .query = {{"label", "web"}, {"host", "a.test"}, {"host", "b.test"}},
                 .body = server.pem(),
                 .content_type = "application/x-pem-file"},
                201);
  EXPECT_EQ(pem["label"], "web");
  EXPECT_EQ(pem["hosts"], (Answered{"a.test", "b.test"}));
  const ByteView der = server.certificate.der();
  rest.json({.method = "POST",
             .path = "/v1/certificates",
             .query = {{"host", "a.test"}, {"host", "b.test"}},
             .body = std::string(der.begin(), der.end()),
             .content_type = "application/pkix-cert"},
            200);
}

TEST(Rest, APrivateKeyIsRefusedAndNotRepeated) {
  Rest rest;
  const Minted server = leaf();
  const Response response =
      rest.ask({.method = "POST",
                .path = "/v1/certificates",
                .body = Answered{{"pem", server.pem() + server.key.pem()}}.dump()});
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(Answered::parse(response.body)["code"], "private_key");
  EXPECT_EQ(rest.changes().generation(), 0U);
}

TEST(Rest, UnknownFieldsAndParametersAreRefusedByName) {
  Rest rest;
  const Answered field = rest.post("/v1/certificates", {{"pem", "x"}, {"trsut", "root"}}, 400);
  EXPECT_NE(field["detail"].get<std::string>().find("\"trsut\""), std::string::npos);
  const Answered parameter =
      rest.json({.path = "/v1/certificates", .query = {{"lable", "x"}}}, 400);
  EXPECT_NE(parameter["detail"].get<std::string>().find("\"lable\""), std::string::npos);
  rest.post("/v1/certificates", {{"pem", 3}}, 400);
  rest.post("/v1/certificates", Answered::array(), 400);
  rest.json({.method = "POST", .path = "/v1/certificates", .body = "{"}, 400);
  rest.json({.method = "POST", .path = "/v1/certificates", .body = R"({"pem":"a","pem":"b"})"},
            400);
  rest.json({.method = "POST", .path = "/v1/certificates", .body = std::string(100'000, '[')}, 400);
}

TEST(Rest, ABadBlockAddsNothingAndIsNamedByItsLine) {
  Rest rest;
  const std::string bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  const std::string pem = leaf("a.test").pem() + bad + leaf("b.test").pem();
  const Answered refused = rest.post("/v1/certificates", {{"pem", pem}}, 400);
  ASSERT_EQ(refused["lines"].size(), 1U);
  const auto line = refused["lines"][0]["line"].get<std::size_t>();
  EXPECT_EQ(line,
            std::count(pem.begin(), pem.begin() + static_cast<long>(pem.find(bad)), '\n') + 1);
  EXPECT_NE(refused["detail"].get<std::string>().find("line " + std::to_string(line)),
            std::string::npos);
  EXPECT_EQ(rest.changes().generation(), 0U);

  const Answered rest_of_it =
      rest.post("/v1/certificates", {{"pem", pem}, {"skip_invalid", true}}, 201);
  EXPECT_EQ(rest_of_it["certificates"].size(), 2U);
  EXPECT_EQ(rest_of_it["skipped"].size(), 1U);
  EXPECT_EQ(rest_of_it["generation"], 1);
}

TEST(Rest, ALeafThatCouldSignIsRefusedByTheMachineUnlessAsked) {
  Rest rest(true);
  const Minted server = mint({.sans = {"DNS:dev.test"}, .ca = true});
  EXPECT_EQ(rest.post("/v1/certificates", {{"pem", server.pem()}, {"trust", "leaf"}}, 409)["code"],
            "not_confirmed");
  rest.post("/v1/certificates", {{"pem", server.pem()}, {"trust", "leaf"}, {"emit_signing", true}},
            201);
}

TEST(Rest, EntriesAreFoundByWhatPeopleType) {
  Rest rest;
  const Minted server = leaf();
  rest.post("/v1/certificates", {{"pem", server.pem()}, {"label", "web"}}, 201);
  const std::string fingerprint = fingerprint_of(server);
  for (const std::string& id : {fingerprint, std::string("web"), fingerprint.substr(0, 6)}) {
    const Answered found = rest.json({.path = "/v1/certificates", .query = {{"id", id}}});
    EXPECT_EQ(found["certificates"][0]["fingerprint"], fingerprint) << id;
  }
  rest.json(
      {.path = "/v1/certificates", .query = {{"id", fingerprint.substr(0, 6)}, {"digits", "16"}}},
      404);
  rest.json({.path = "/v1/certificates", .query = {{"id", fingerprint.substr(0, 5)}}}, 404);
  EXPECT_EQ(rest.json({.path = at(server)})["label"], "web");
  EXPECT_EQ(rest.ask({.path = at(server) + "/pem"}).body, server.pem());
  rest.json({.path = "/v1/certificates/" + std::string(64, '0')}, 404);
  rest.json({.path = "/v1/certificates/../x"}, 404);
}

TEST(Rest, AnEntrySaysWhatPublishedFilesMakeOfIt) {
  Rest rest;
  const Minted ca = root();
  EXPECT_EQ(rest.post("/v1/certificates", {{"pem", ca.pem()}}, 201)["emitted"]["as"], "original");
  const Answered scoped = rest.json(
      {.method = "PATCH", .path = at(ca), .body = R"({"hosts":["api.corp.test"]})"})["emitted"];
  EXPECT_EQ(scoped["as"], "shadow");
  EXPECT_EQ(scoped["wider_by"].size(), 1U);
  rest.post("/v1/certificates",
            {{"fingerprint", fingerprint_of(ca)}, {"trust", "distrusted"}, {"replace", true}}, 201);
  const Answered list = rest.json({.path = "/v1/certificates"})["certificates"];
  EXPECT_EQ(
      list[0]["emitted"],
      (Answered{{"as", "nothing"}, {"why", "it is distrusted"}, {"wider_by", Answered::array()}}));
}

TEST(Rest, ListsPageThroughEverythingOnce) {
  Rest rest;
  std::set<std::string> wanted;
  for (int i = 0; i < 7; ++i) {
    const Minted server = leaf("host" + std::to_string(i) + ".test");
    wanted.insert(fingerprint_of(server));
    rest.post("/v1/certificates", {{"pem", server.pem()}}, 201);
  }
  std::set<std::string> seen;
  std::string cursor;
  for (int page = 0; page < 10; ++page) {
    Asking asking{.path = "/v1/certificates", .query = {{"limit", "3"}}};
    if (!cursor.empty()) asking.query.emplace_back("cursor", cursor);
    const Answered answer = rest.json(asking);
    for (const Answered& entry : answer["certificates"]) {
      EXPECT_TRUE(seen.insert(entry["fingerprint"]).second);
    }
    if (answer["next_cursor"].is_null()) break;
    cursor = answer["next_cursor"];
  }
  EXPECT_EQ(seen, wanted);
  rest.json({.path = "/v1/certificates", .query = {{"limit", "1001"}}}, 400);
  rest.json({.path = "/v1/certificates", .query = {{"cursor", "x"}}}, 400);
}

TEST(Rest, TheGenerationIsTheETagOfEverythingRead) {
  Rest rest;
  const Minted server = leaf();
  rest.post("/v1/certificates", {{"pem", server.pem()}}, 201);
  for (const std::string& path :
       {std::string("/v1/certificates"), at(server), std::string("/v1/generations"),
        std::string("/v1/bundle.pem"), std::string("/v1/pins")}) {
    EXPECT_EQ(header_of(rest.ask({.path = path}), "ETag"), "\"g1\"") << path;
    const Response known = rest.ask({.path = path, .if_none_match = "W/\"x\", \"g1\""});
    EXPECT_EQ(known.status, 304) << path;
    EXPECT_EQ(known.body, "");
    EXPECT_EQ(rest.ask({.path = path, .if_none_match = "\"g0\""}).status, 200) << path;
  }
}

TEST(Rest, IfMatchMakesAChangeOnlyIfNothingChangedSince) {
  Rest rest;
  const Minted server = leaf();
  rest.post("/v1/certificates", {{"pem", server.pem()}}, 201);
  for (const char* tag : {"\"g0\"", "\"other\"", "g1", "\"g1\", \"g2\""}) {
    EXPECT_EQ(rest.ask({.method = "DELETE", .path = at(server), .if_match = tag}).status, 412)
        << tag;
  }
  rest.json({.method = "DELETE", .path = at(server), .if_match = "\"g1\""}, 200);
}

TEST(Rest, EntriesArePatchedAndEnded) {
  Rest rest;
  const Minted ca = root();
  rest.post("/v1/certificates", {{"pem", ca.pem()}, {"label", "corp-ca"}}, 201);
  const Answered patched = rest.json(
      {.method = "PATCH", .path = at(ca), .body = R"({"label":"corp","hosts":["**.corp.test"]})"});
  EXPECT_EQ(patched["label"], "corp");
  EXPECT_EQ(patched["hosts"], Answered{"**.corp.test"});
  EXPECT_EQ(patched["generation"], 2);
  const Answered removed =
      rest.json({.method = "DELETE", .path = at(ca), .query = {{"reason", "no more"}}});
  EXPECT_EQ(removed["generation"], 3);
  rest.json({.method = "DELETE", .path = at(ca)}, 404);
  EXPECT_EQ(rest.json({.path = "/v1/audit"})["audit"][0]["reason"], "no more");
}

TEST(Rest, WhatIsStoredCanBeDistrustedByItsFingerprint) {
  Rest rest;
  const Minted ca = root();
  rest.post("/v1/certificates", {{"pem", ca.pem()}}, 201);
  const Answered answer = rest.post(
      "/v1/certificates",
      {{"fingerprint", fingerprint_of(ca)}, {"trust", "distrusted"}, {"replace", true}}, 201);
  EXPECT_EQ(answer["trust"], "distrusted");
  EXPECT_EQ(rest.ask({.path = "/v1/bundle.pem"}).body.find(ca.pem()), std::string::npos);
  rest.post("/v1/certificates", {{"pem", ca.pem()}}, 409);
}

TEST(Rest, PinsInForceAreAnsweredForAHostAndFollowChanges) {
  Rest rest;
  const Asking question{.path = "/v1/pins", .query = {{"host", "API.dev.test."}, {"port", "443"}}};
  EXPECT_EQ(rest.json(question),
            (Answered{{"host", "api.dev.test"}, {"port", 443}, {"pins", Answered::array()}}));
  const Answered added = rest.post(
      "/v1/pins", {{"pattern", "*.dev.test:443"}, {"pins", {kPin}}, {"note", "\"é\""}}, 201);
  EXPECT_EQ(added["pins"][0]["pattern"], "*.dev.test");
  const std::string id = std::to_string(added["pins"][0]["id"].get<int>());
  const Answered in_force = rest.json(question)["pins"];
  ASSERT_EQ(in_force.size(), 1U);
  EXPECT_EQ(in_force[0], (Answered{{"id", added["pins"][0]["id"]},
                                   {"pin", kPin},
                                   {"pattern", "*.dev.test"},
                                   {"port", 443},
                                   {"mode", "enforce"},
                                   {"role", "active"},
                                   {"position", "path"},
                                   {"expires_at", nullptr},
                                   {"note", "\"é\""}}));
  EXPECT_EQ(rest.json(question)["pins"], in_force); // as kept
  EXPECT_EQ(rest.json({.path = "/v1/pins/" + id})["pin"], kPin);
  EXPECT_EQ(rest.json({.path = "/v1/pins"})["pins"].size(), 1U);
  rest.json({.method = "DELETE", .path = "/v1/pins/" + id});
  EXPECT_EQ(rest.json(question)["pins"], Answered::array());
  rest.json({.path = "/v1/pins/" + id}, 404);
  rest.json({.path = "/v1/pins", .query = {{"host", "0177.0.0.1"}}}, 400);
  rest.json({.path = "/v1/pins", .query = {{"host", "a.test"}, {"port", "65536"}}}, 400);
}

TEST(Rest, AnAdditionMayPinWhatItAdds) {
  Rest rest;
  const Minted server = leaf();
  rest.post("/v1/certificates", {{"pem", server.pem()}, {"pin", true}}, 201);
  const Answered pins = rest.json({.path = "/v1/pins", .query = {{"host", "dev.test"}}})["pins"];
  ASSERT_EQ(pins.size(), 1U);
  EXPECT_EQ(pins[0]["pin"], Pin::of(server.certificate).text());
}

TEST(Rest, ARollbackListsWhatItWouldTrustAgain) {
  Rest rest;
  const Minted server = leaf();
  rest.post("/v1/certificates", {{"pem", server.pem()}}, 201);
  rest.json({.method = "DELETE", .path = at(server)});
  const std::string path = "/v1/generations/1/rollback";
  const Answered plan = rest.post(path, {{"plan", true}}, 200);
  EXPECT_EQ(plan["accept"], Answered{fingerprint_of(server)});
  const Answered refused = rest.post(path, Answered::object(), 409);
  EXPECT_EQ(refused["code"], "not_confirmed");
  EXPECT_EQ(refused["accept"], plan["accept"]);
  EXPECT_EQ(refused["widens"][0]["id"], fingerprint_of(server));
  const Answered done = rest.post(path, {{"accept", plan["accept"]}}, 200);
  EXPECT_EQ(done["generation"], 3);
  EXPECT_EQ(rest.json({.path = at(server)})["trust"], "leaf");
  rest.post("/v1/generations/99/rollback", Answered::object(), 404);
  const Answered difference =
      rest.json({.path = "/v1/generations/2/diff", .query = {{"with", "3"}}});
  EXPECT_EQ(difference["added"].size(), 1U);
  EXPECT_EQ(difference["from"], 2);
}

TEST(Rest, TheAuditChainIsVerified) {
  Rest rest;
  rest.post("/v1/certificates", {{"pem", leaf().pem()}, {"reason", "because"}}, 201);
  const Answered audit = rest.json({.path = "/v1/audit", .query = {{"verify", "true"}}});
  EXPECT_EQ(audit["verified"], true);
  EXPECT_EQ(audit["first_bad"], nullptr);
  EXPECT_EQ(audit["audit"][0]["action"], "add");
  EXPECT_EQ(audit["audit"][0]["reason"], "because");
  EXPECT_EQ(audit["audit"][0]["pid"], ::getpid());
}

TEST(Rest, OthersMayReadButNotChangeNorSeeTheAudit) {
  Rest rest;
  const Minted server = leaf();
  rest.post("/v1/certificates", {{"pem", server.pem()}}, 201);
  EXPECT_EQ(rest.ask({.path = at(server), .uid = 1000}).status, 200);
  EXPECT_EQ(rest.ask({.path = "/v1/audit", .uid = 1000}).status, 403);
  EXPECT_EQ(rest.ask({.method = "DELETE", .path = at(server), .uid = 1000}).status, 403);
  EXPECT_EQ(rest.ask({.method = "POST", .path = "/v1/pins", .body = "{}", .uid = 1000}).status,
            403);
}

TEST(Rest, EventsResumeWithNothingLost) {
  Rest rest;
  rest.post("/v1/pins", {{"pattern", "a.test"}, {"pins", {kPin}}}, 201);
  rest.post("/v1/pins", {{"pattern", "b.test"}, {"pins", {kPin}}}, 201);
  Answer answer = rest.answer({.path = "/v1/events", .last_event_id = "1"});
  auto& stream = std::get<EventStream>(answer);
  std::uint64_t after = stream.after;
  const std::string text = stream.pull(after, 65536);
  EXPECT_TRUE(text.starts_with("id: 2\nevent: generation\ndata: {\"number\":2,")) << text;
  EXPECT_TRUE(text.ends_with("}\n\n"));
  EXPECT_EQ(after, 2U);
  EXPECT_EQ(stream.pull(after, 65536), "");
  rest.post("/v1/pins", {{"pattern", "c.test"}, {"pins", {kPin}}}, 201);
  EXPECT_TRUE(stream.pull(after, 65536).starts_with("id: 3\n"));

  // Without a field only what comes is told; a number that was never given out is not waited for.
  Answer fresh = rest.answer({.path = "/v1/events"});
  EXPECT_EQ(std::get<EventStream>(fresh).after, 3U);
  Answer beyond = rest.answer({.path = "/v1/events", .last_event_id = "999"});
  EXPECT_EQ(std::get<EventStream>(beyond).after, 3U);
  EXPECT_EQ(rest.ask({.path = "/v1/events", .last_event_id = "x"}).status, 400);
}

TEST(Rest, AnEndMakesAGenerationOfItsOwn) {
  Rest rest;
  const Minted server = leaf();
  const UnixTime end = rest.time() + 3600;
  rest.post("/v1/certificates", {{"pem", server.pem()}, {"expires_at", rfc3339(end)}}, 201);
  EXPECT_EQ(rest.json({.path = "/v1/status"})["next_end"], rfc3339(end));
  rest.set_time(end);
  // Any change wakes the thread, which then looks at its clock.
  rest.post("/v1/pins", {{"pattern", "a.test"}, {"pins", {kPin}}}, 201);
  rest.json({.path = at(server)}, 404);
  EXPECT_EQ(rest.json({.path = "/v1/generations"})["generations"].size(), 3U);
}

TEST(Rest, AnEndThatWasMissedIsMadeAtStart) {
  Rest rest;
  const Minted server = leaf();
  const UnixTime end = rest.time() + 3600;
  rest.post("/v1/certificates", {{"pem", server.pem()}, {"expires_at", rfc3339(end)}}, 201);
  rest.stop();
  rest.set_time(end + 5);
  rest.start();
  EXPECT_EQ(rest.changes().generation(), 2U);
  EXPECT_EQ(rest.changes().published(), 2U);
  EXPECT_EQ(rest.ask({.path = "/v1/bundle.pem"}).body.find(server.pem()), std::string::npos);
}

TEST(Rest, WhatDoesNotExistIsNotFoundAndOtherMethodsAreNamed) {
  Rest rest;
  for (const char* path : {"/", "/v1", "/v1/verify/x", "/v1/pins/x", "/v1/pins/1/2", "/v2/pins",
                           "/v1/certificates/abc", "/v1/watches/x", "/v1/alerts/1"}) {
    EXPECT_EQ(rest.ask({.path = path}).status, 404) << path;
  }
  const Response response = rest.ask({.method = "DELETE", .path = "/v1/pins"});
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(header_of(response, "Allow"), "GET, HEAD, POST");
}

TEST(Rest, StatusAndMetricsSayWhereItStands) {
  Rest rest;
  rest.post("/v1/certificates", {{"pem", leaf().pem()}}, 201);
  const Answered status = rest.json({.path = "/v1/status"});
  EXPECT_EQ(status["generation"], 1);
  EXPECT_EQ(status["published"], 1);
  EXPECT_EQ(status["problem"], nullptr);
  EXPECT_EQ(status["counts"]["leaves"], 1);
  EXPECT_EQ(status["base"]["source"], "none");
  EXPECT_TRUE(status["audit_head"].get<std::string>().starts_with("1:"));
  const std::string metrics = rest.ask({.path = "/metrics"}).body;
  EXPECT_NE(metrics.find("\ntrustd_generation 1\n"), std::string::npos);
  EXPECT_NE(metrics.find("\ntrustd_entries{trust=\"leaf\"} 1\n"), std::string::npos);
}

TEST(Rest, TheDescriptionNamesExactlyTheRoutes) {
  const Answered description = Answered::parse(openapi_text());
  std::set<std::string> described;
  for (const auto& [path, operations] : description["paths"].items()) {
    for (const auto& [method, operation] : operations.items()) {
      std::string upper = method;
      for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      described.insert(upper + " " + path);
    }
  }
  std::set<std::string> served;
  for (const Route& route : all_routes()) {
    served.insert(std::string(route.method) + " " + std::string(route.path));
  }
  EXPECT_EQ(served, described);
}

} // namespace
} // namespace trust::testing
