#include "libtrust/label.h"

#include <gtest/gtest.h>

#include "libtrust/error.h"
#include "tests/libtrust/mint.h"

namespace trust {
namespace {

using testing::mint;

TEST(Label, HasAForm) {
  for (const std::string& text :
       {std::string("1.2.3.4"), std::string("dev.test-8443"), std::string("a_b-c.d"),
        std::string("bundle-2"), std::string("cafes"), std::string("0-0"),
        std::string(62, 'a') + "z"}) {
    EXPECT_TRUE(is_label(text)) << text;
    EXPECT_EQ(parse_label(text), text);
  }
  for (const std::string& text :
       {std::string(), std::string("-a"), std::string(".a"), std::string("_a"), std::string("A"),
        std::string("a b"), std::string("a/b"), std::string("ä"), std::string("a\nb"),
        std::string(63, 'a') + "z", std::string("bundle"), std::string("extra"),
        std::string("hashed"), std::string("p12"), std::string("cafe"), std::string("123456"),
        std::string("0"), std::string("a")}) {
    EXPECT_FALSE(is_label(text)) << text;
    EXPECT_THROW(parse_label(text), Error) << text;
  }
}

TEST(Label, ARefusalProposesOneThatFits) {
  try {
    parse_label("My Server");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::invalid);
    EXPECT_EQ(error.hint(), "try --label my-server");
  }
}

TEST(FittedLabel, MakesALabelOfAnythingOrNothing) {
  struct Row {
    std::string text;
    std::string label;
  };
  for (const Row& row : {
           Row{"Corp Root CA (2026)", "corp-root-ca-2026"},
           Row{"*.dev.test", "dev.test"},
           Row{"...x", "x"},
           Row{"x---", "x"},
           Row{"Größe", "gr-e"},
           Row{"東京", ""},
           Row{"", ""},
           Row{"--", ""},
           Row{"bundle", "bundle-cert"},
           Row{"DEADBEEF", "deadbeef-cert"},
           Row{"a/../../etc", "a-..-..-etc"},
           Row{std::string(100, 'x'), std::string(63, 'x')},
           Row{std::string(100, 'a'), std::string(58, 'a') + "-cert"},
       }) {
    EXPECT_EQ(fitted_label(row.text), row.label) << row.text;
    EXPECT_TRUE(row.label.empty() || is_label(row.label)) << row.label;
  }
}

TEST(LabelFor, AServerIsItsHostAndPort) {
  const auto label = [](const char* text) { return label_for(Endpoint::parse(text, 443)); };
  EXPECT_EQ(label("dev.test"), "dev.test");
  EXPECT_EQ(label("dev.test:8443"), "dev.test-8443");
  EXPECT_EQ(label("127.0.0.1:5000"), "127.0.0.1-5000");
  EXPECT_EQ(label("[::1]:5000"), "ipv6-1-5000");
  EXPECT_EQ(label("[2001:db8::1]"), "ipv6-2001-db8-1");
  EXPECT_EQ(label("cafe"), "cafe-443") << "hex digits alone would be a fingerprint";
  EXPECT_EQ(label("bundle"), "bundle-443");
  EXPECT_EQ(label("_x.test:1"), "x.test-1");
  const std::string longest =
      label((std::string(60, 'a') + "." + std::string(60, 'b') + ".test:65535").c_str());
  EXPECT_TRUE(is_label(longest)) << longest;
  EXPECT_TRUE(longest.ends_with("-65535")) << longest;
}

TEST(LabelFor, AFileIsItsSanThenItsCnThenItsName) {
  EXPECT_EQ(
      label_for(mint({.common_name = "x", .sans = {"IP:10.0.0.1", "DNS:*.dev.test"}}).certificate,
                "f.pem"),
      "dev.test");
  EXPECT_EQ(label_for(mint({.common_name = "x", .sans = {"IP:::1"}}).certificate, "f.pem"),
            "ipv6-1");
  EXPECT_EQ(label_for(mint({.common_name = "Corp CA"}).certificate, "f.pem"), "corp-ca");
  const Certificate nameless = mint({.common_name = ""}).certificate;
  EXPECT_EQ(label_for(nameless, "/etc/ssl/My CA.old.pem"), "my-ca.old");
  EXPECT_EQ(label_for(nameless, "dir/.pem"), "pem");
  EXPECT_EQ(label_for(nameless, "-"), "certificate");
  EXPECT_EQ(label_for(nameless, ""), "certificate");
}

} // namespace
} // namespace trust
