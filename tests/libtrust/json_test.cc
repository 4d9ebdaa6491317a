#include "libtrust/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/libtrust/mint.h"

namespace trust {
namespace {

PinRow row() {
  PinRow pin;
  pin.id = 7;
  pin.pattern = PortPattern::parse("*.dev.test:8443");
  pin.mode = PinRow::Mode::report;
  pin.note = "it's \"quoted\" \\ \x01 \xc3\xa9 \xff";
  pin.expires_at = 0;
  return pin;
}

TEST(Json, ThePinsInForceAreWrittenAsTheLibraryWouldWriteThem) {
  const Json written =
      Json::parse(pins_in_force_text(Host::parse("api.dev.test"), 8443, std::vector{row(), row()}));
  Json pin = Json::parse(text_of(json_of(row())));
  for (const char* more : {"layer", "owner", "added_at", "since"}) pin.erase(more);
  EXPECT_EQ(written,
            (Json{{"host", "api.dev.test"}, {"port", 8443}, {"pins", Json::array({pin, pin})}}));
}

TEST(Json, AnEntryIsItsDecisionAndItsFacts) {
  const auto minted = testing::mint({.common_name = "dev.test", .sans = {"DNS:dev.test"}});
  Entry entry;
  entry.trust = Trust::leaf;
  entry.label = "web";
  entry.hosts = {Pattern::parse("a.test")};
  entry.certificate = CertificateFacts::of(minted.certificate);
  const Json json = json_of(entry);
  EXPECT_EQ(json["fingerprint"], minted.certificate.fingerprint().text());
  EXPECT_EQ(json["trust"], "leaf");
  EXPECT_EQ(json["base"], false);
  EXPECT_EQ(json["hosts"], Json::array({"a.test"}));
  EXPECT_EQ(json["expires_at"], nullptr);
  EXPECT_EQ(json["pin"], Pin::of(minted.certificate).text());
}

TEST(Json, TextThatIsNotUtf8IsReplacedAndOnOneLine) {
  EXPECT_EQ(text_of(Json{{"a", "\xff\n"}}), "{\"a\":\"\xEF\xBF\xBD\\n\"}\n");
}

TEST(Json, ADamagedDetailDoesNotSpoilTheRecord) {
  AuditRecord record;
  record.detail = "{not json";
  EXPECT_EQ(json_of(record)["detail"], Json::object());
}

TEST(Json, AProblemHasTheCodesStatusAndName) {
  const Json json = problem_json(Error(Code::not_found, "there is no x", "trustctl list"));
  EXPECT_EQ(json["status"], 404);
  EXPECT_EQ(json["code"], "not_found");
  EXPECT_EQ(json["hint"], "trustctl list");
}

} // namespace
} // namespace trust
