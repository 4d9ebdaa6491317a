#include "libtrust/request.h"

#include <gtest/gtest.h>

#include "libtrust/error.h"

namespace trust {
namespace {

template <typename Read>
std::string refusal(const Read& read) {
  try {
    read();
  } catch (const Error& error) {
    return error.message();
  }
  return "accepted";
}

std::string add_refusal(std::string_view json) {
  return refusal([&] { AddRequest::parse(json); });
}

TEST(Request, EveryFieldOfAnAdditionIsRead) {
  const AddRequest request = AddRequest::parse(
      R"({"pem":"P","trust":"root","hosts":["*.dev.test"],"label":"l","reason":"r",)"
      R"("expires_at":"2030-01-01T00:00:00Z","replace":true,"skip_invalid":true,)"
      R"("only_this_certificate":true,"emit_signing":true,"pin":true,"source":"ca.pem"})");
  EXPECT_EQ(request.pem, "P");
  EXPECT_EQ(request.trust, Trust::root);
  ASSERT_EQ(request.hosts.size(), 1U);
  EXPECT_EQ(request.hosts[0].text(), "*.dev.test");
  EXPECT_EQ(request.label, "l");
  EXPECT_EQ(request.reason, "r");
  EXPECT_EQ(request.expires_at, 1893456000);
  EXPECT_TRUE(request.replace && request.skip_invalid && request.only_this_certificate &&
              request.emit_signing && request.pin);
  EXPECT_EQ(request.source, "ca.pem");
}

TEST(Request, NullIsTheSameAsAbsent) {
  const AddRequest request =
      AddRequest::parse(R"({"pem":"P","trust":null,"hosts":null,"label":null,"replace":null})");
  EXPECT_FALSE(request.trust);
  EXPECT_TRUE(request.hosts.empty());
  EXPECT_FALSE(request.replace);
}

TEST(Request, WhatIsWrongIsNamed) {
  EXPECT_EQ(add_refusal(R"({"pem":"P","trsut":"root"})"), "the field \"trsut\" is not known");
  EXPECT_EQ(add_refusal(R"({"pem":"P","pem":"Q"})"), "the field \"pem\" stands there twice");
  EXPECT_EQ(add_refusal(R"({"pem":1})"), "the field \"pem\" is not text");
  EXPECT_EQ(add_refusal(R"({"pem":"P","hosts":"a.test"})"),
            "the field \"hosts\" is not a list of texts");
  EXPECT_EQ(add_refusal(R"({"pem":"P","hosts":[1]})"),
            "the field \"hosts\" is not a list of texts");
  EXPECT_EQ(add_refusal(R"({"pem":"P","replace":"yes"})"),
            "the field \"replace\" is not true or false");
  EXPECT_EQ(add_refusal("{}"), "the request needs one of the fields \"pem\" and \"fingerprint\"");
  EXPECT_EQ(add_refusal("[]"), "the request's body is not a JSON object");
  EXPECT_EQ(add_refusal(""), "the request's body is not JSON in UTF-8");
  EXPECT_EQ(add_refusal("{\"pem\":\"\xff\"}"), "the request's body is not JSON in UTF-8");
  EXPECT_EQ(add_refusal(R"({"pem":"P"} x)"), "the request's body is not JSON in UTF-8");
  EXPECT_EQ(add_refusal(R"({"pem":"P","label":[[[[1]]]]})"),
            "the request's JSON is nested too deeply");
  EXPECT_EQ(add_refusal(R"({"pem":"P","reason":")" + std::string(1001, 'r') + "\"}"),
            "the field \"reason\" is longer than 1000 bytes");
}

TEST(Request, AHundredThousandUnknownFieldsAreRefusedQuickly) {
  std::string json = "{\"pem\":\"P\"";
  for (int i = 0; i < 100'000; ++i) json += ",\"f" + std::to_string(i) + "\":1";
  EXPECT_EQ(add_refusal(json + "}"), "the field \"f0\" is not known");
}

TEST(Request, ARawBodyTakesTheSameFromItsQuery) {
  const AddRequest request = AddRequest::parse_raw("DER", {{"trust", "leaf"},
                                                           {"host", "a.test"},
                                                           {"host", "b.test"},
                                                           {"replace", "true"},
                                                           {"pin", "false"},
                                                           {"skip_invalid", ""}});
  EXPECT_EQ(request.pem, "DER");
  EXPECT_EQ(request.trust, Trust::leaf);
  EXPECT_EQ(request.hosts.size(), 2U);
  EXPECT_TRUE(request.replace);
  EXPECT_FALSE(request.pin);
  EXPECT_TRUE(request.skip_invalid);
  const auto raw_refusal = [](const QueryPairs& query) {
    return refusal([&] { AddRequest::parse_raw("DER", query); });
  };
  EXPECT_EQ(raw_refusal({{"pem", "x"}}), "the parameter \"pem\" is not known");
  EXPECT_EQ(raw_refusal({{"label", "a"}, {"label", "b"}}),
            "the parameter \"label\" stands there twice");
  EXPECT_EQ(raw_refusal({{"replace", "maybe"}}), "the parameter \"replace\" is not true or false");
  EXPECT_EQ(raw_refusal({{"lable", "a"}}), "the field \"lable\" is not known");
}

TEST(Request, APatchTellsAbsentFromNull) {
  EXPECT_FALSE(parse_patch("{}").expires_at.has_value());
  const EntryPatch patch = parse_patch(R"({"expires_at":null,"hosts":[]})");
  ASSERT_TRUE(patch.expires_at.has_value());
  EXPECT_FALSE(patch.expires_at->has_value());
  ASSERT_TRUE(patch.hosts.has_value());
  EXPECT_TRUE(patch.hosts->empty());
  EXPECT_THROW(parse_patch(R"({"owner":0})"), Error);
}

TEST(Request, PinsAreARowEach) {
  const std::string a = "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
  const PinsRequest request = PinsRequest::parse(R"({"pattern":"*.dev.test:8443","pins":[")" + a +
                                                 R"("],"mode":"report","role":"backup",)"
                                                 R"("position":"leaf","note":"n"})");
  ASSERT_EQ(request.rows.size(), 1U);
  EXPECT_EQ(request.rows[0].pattern.text(), "*.dev.test:8443");
  EXPECT_EQ(request.rows[0].mode, PinRow::Mode::report);
  EXPECT_EQ(request.rows[0].role, PinRow::Role::backup);
  EXPECT_EQ(request.rows[0].position, PinRow::Position::leaf);
  EXPECT_THROW(PinsRequest::parse(R"({"pattern":"a.test","pins":[]})"), Error);
  EXPECT_THROW(PinsRequest::parse(R"({"pins":[")" + a + "\"]}"), Error);
  EXPECT_THROW(PinsRequest::parse(R"({"pattern":"*","pins":[")" + a + "\"]}"), Error);
}

TEST(Request, ChainsAreJudgedForAHostAndPort) {
  const VerifyRequest request = VerifyRequest::parse(
      R"({"host":"API.dev.test.","port":8443,"chain_pem":"x","at":"2027-01-01T00:00:00Z"})");
  EXPECT_EQ(request.host.text(), "api.dev.test");
  EXPECT_EQ(request.port, 8443);
  EXPECT_EQ(request.chain_pem, "x");
  EXPECT_EQ(request.at, parse_time("2027-01-01T00:00:00Z"));
  EXPECT_EQ(VerifyRequest::parse(R"({"host":"a.test","chain_pem":""})").port, 0);
  for (const char* wrong :
       {R"({"host":"a.test"})", R"({"chain_pem":"x"})", R"({"host":"127.1","chain_pem":"x"})",
        R"({"host":".dev.test","chain_pem":"x"})", R"({"host":"a.test","chain_pem":1})",
        R"({"host":"a.test","chain_pem":"x","port":65536})",
        R"({"host":"a.test","chain_pem":"x","port":-1})",
        R"({"host":"a.test","chain_pem":"x","port":"443"})",
        R"({"host":"a.test","chain_pem":"x","at":"yesterday"})",
        R"({"host":"a.test","chain_pem":"x","now":"2027-01-01T00:00:00Z"})"}) {
    EXPECT_THROW(VerifyRequest::parse(wrong), Error) << wrong;
  }
  EXPECT_THROW(VerifyRequest::parse(R"({"host":"a.test","chain_pem":")" +
                                    std::string(3 * kMaxChainBytes, 'x') + "\"}"),
               Error);
}

TEST(Request, AProbeNamesAServer) {
  const ProbeRequest request =
      ProbeRequest::parse(R"({"host":"mail.test","port":587,"starttls":"smtp"})");
  EXPECT_EQ(request.port, 587);
  EXPECT_EQ(request.starttls, "smtp");
  EXPECT_FALSE(ProbeRequest::parse(R"({"host":"a.test"})").port);
  EXPECT_THROW(ProbeRequest::parse(R"({"host":"a.test","port":0})"), Error);
  EXPECT_THROW(ProbeRequest::parse(R"({"host":"a.test","path":"/"})"), Error);
}

TEST(Request, ARollbackMayBeEmpty) {
  EXPECT_TRUE(RollbackRequest::parse("").accept.empty());
  const RollbackRequest request = RollbackRequest::parse(R"({"accept":["pin:1"],"plan":true})");
  EXPECT_EQ(request.accept, std::vector<std::string>{"pin:1"});
  EXPECT_TRUE(request.plan);
}

} // namespace
} // namespace trust
