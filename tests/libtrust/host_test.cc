#include "libtrust/host.h"

#include <gtest/gtest.h>

#include "libtrust/error.h"

namespace trust {
namespace {

std::string fault_of(auto&& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::invalid);
    return error.message();
  }
  return "accepted";
}

TEST(Host, ReadsNamesAndAddressesIntoOneForm) {
  struct Row {
    const char* text;
    const char* canonical;
    bool is_address;
  };
  for (const Row& row : {
           Row{"dev.test", "dev.test", false},
           Row{"DEV.Test", "dev.test", false},
           Row{"dev.test.", "dev.test", false},
           Row{"localhost", "localhost", false},
           Row{"_sip._tcp.dev_box.test", "_sip._tcp.dev_box.test", false},
           Row{"xn--mnchen-3ya.de", "xn--mnchen-3ya.de", false},
           Row{"1.2.3.4.in-addr.arpa", "1.2.3.4.in-addr.arpa", false},
           Row{"3com.com", "3com.com", false},
           Row{"a.0xg", "a.0xg", false},
           Row{"127.0.0.1", "127.0.0.1", true},
           Row{"0.0.0.0", "0.0.0.0", true},
           Row{"255.255.255.255", "255.255.255.255", true},
           Row{"::1", "::1", true},
           Row{"::", "::", true},
           Row{"2001:DB8:0:0:0:0:0:1", "2001:db8::1", true},
           Row{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", true},
           Row{"2001:0:0:1:0:0:0:1", "2001:0:0:1::1", true},
           Row{"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1", true},
           Row{"1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7:0", true},
           Row{"1:2:3:4:5:6::", "1:2:3:4:5:6::", true},
           Row{"::1234:5678", "::1234:5678", true},
           Row{"::1.2.3.4", "::102:304", true},
           Row{"::ffff:127.0.0.1", "127.0.0.1", true},
           Row{"::FFFF:7f00:1", "127.0.0.1", true},
           Row{"fe80::1", "fe80::1", true},
       }) {
    const auto host = Host::try_parse(row.text);
    ASSERT_TRUE(host) << row.text;
    EXPECT_EQ(host->text(), row.canonical) << row.text;
    EXPECT_EQ(host->is_address(), row.is_address) << row.text;
    EXPECT_EQ(Host::parse(host->text()), *host) << "the canonical form reads back";
  }
}

TEST(Host, RefusesWhatIsNeither) {
  for (const char* text :
       {"", ".", "..", ".dev.test", "dev..test", "dev.test..", "*", "*.dev.test", "dev test",
        "dev.test:443", "dev.test/", "dév.test", "dev.test%00", "a@b", "[::1]", "-dev.test",
        // what inet_aton would take
        "127.1", "127", "2130706433", "0177.0.0.1", "0x7f.0.0.1", "0x7f000001", "0X7F000001",
        "127.0.0.0x1", "0x", "127.0.0.1.", "127.0.0.01", "256.0.0.1", "1.2.3", "1.2.3.4.5",
        "dev.123", "+1.2.3.4", " 127.0.0.1", "127.0.0.1 ",
        // IPv6
        "fe80::1%eth0", "fe80::1%1", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
        "::12345", "::1.2.3", "::ffff:0177.0.0.1", "::1 "}) {
    EXPECT_FALSE(Host::try_parse(text)) << text;
    EXPECT_THROW(Host::parse(text), Error) << text;
  }
  EXPECT_FALSE(Host::try_parse(std::string_view("dev\0.test", 9)));
  EXPECT_FALSE(Host::try_parse(std::string_view("::1\0", 4)));
}

TEST(Host, KeepsTheLimitsOfDns) {
  const std::string label(63, 'a');
  EXPECT_TRUE(Host::try_parse(label + ".test"));
  EXPECT_FALSE(Host::try_parse(label + "a.test"));
  const std::string longest = label + '.' + label + '.' + label + '.' + std::string(61, 'b');
  ASSERT_EQ(longest.size(), 253U);
  EXPECT_TRUE(Host::try_parse(longest));
  EXPECT_TRUE(Host::try_parse(longest + '.'));
  EXPECT_FALSE(Host::try_parse(longest + 'b'));
}

TEST(Host, SaysWhyItRefuses) {
  EXPECT_NE(fault_of([] { Host::parse("127.1"); }).find("leading zeros"), std::string::npos);
  EXPECT_NE(fault_of([] { Host::parse("münchen.de"); }).find("xn--"), std::string::npos);
  EXPECT_NE(fault_of([] { Host::parse("a\x1b.test"); }).find("\\x1b"), std::string::npos);
  EXPECT_NE(fault_of([] { Host::parse(".dev.test"); }).find("begin with a dot"), std::string::npos);
}

TEST(Host, IsMadeOfAddressBytes) {
  const std::array<std::uint8_t, 4> v4{10, 0, 0, 1};
  EXPECT_EQ(Host::from_address(v4).text(), "10.0.0.1");
  const std::array<std::uint8_t, 16> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1};
  EXPECT_EQ(Host::from_address(mapped), Host::parse("10.0.0.1"));
  EXPECT_EQ(Host::from_address(mapped).address().size(), 4U);
  const std::array<std::uint8_t, 5> odd{};
  EXPECT_THROW(Host::from_address(odd), Error);
}

TEST(ParsePort, IsADecimalNumberInRange) {
  EXPECT_EQ(parse_port("1"), 1);
  EXPECT_EQ(parse_port("65535"), 65535);
  for (const char* text :
       {"", "0", "65536", "080", "+80", "-1", " 80", "80 ", "http", "99999999", "0x50"}) {
    EXPECT_THROW(parse_port(text), Error) << text;
  }
}

TEST(Endpoint, ReadsTheFormsThatPeoplePaste) {
  struct Row {
    const char* text;
    const char* canonical;
  };
  for (const Row& row : {
           Row{"dev.test", "dev.test:8443"},
           Row{"DEV.test:1", "dev.test:1"},
           Row{"127.0.0.1:5000", "127.0.0.1:5000"},
           Row{"::1", "[::1]:8443"},
           Row{"2001:db8::1:443", "[2001:db8::1:443]:8443"},
           Row{"[::1]", "[::1]:8443"},
           Row{"[::1]:443", "[::1]:443"},
           Row{"[::ffff:10.0.0.1]:443", "10.0.0.1:443"},
           Row{"https://dev.test", "dev.test:443"},
           Row{"HTTPS://Dev.Test:444/path?q#f", "dev.test:444"},
           Row{"https://dev.test?q=https://x", "dev.test:443"},
           Row{"https://[::1]:5000/", "[::1]:5000"},
       }) {
    EXPECT_EQ(Endpoint::parse(row.text, 8443).text(), row.canonical) << row.text;
  }
}

TEST(Endpoint, RefusesEverythingElse) {
  for (const char* text : {"",
                           ":443",
                           "dev.test:",
                           "dev.test:0",
                           "dev.test:https",
                           "[::1",
                           "[::1]443",
                           "[::1]x",
                           "[dev.test]:443",
                           "[127.0.0.1]:443",
                           "http://dev.test",
                           "ftp://dev.test",
                           "https://",
                           "https://user@dev.test",
                           "https://user:pw@dev.test/",
                           "https:///x",
                           "dev.test/path",
                           "1:2:3",
                           "[fe80::1%eth0]:443",
                           "127.1:443"}) {
    EXPECT_THROW(Endpoint::parse(text, 443), Error) << text;
  }
}

TEST(Pattern, HoldsForTheHostsThatItSays) {
  struct Row {
    const char* pattern;
    std::vector<const char*> matches;
    std::vector<const char*> others;
  };
  for (const Row& row : {
           Row{"dev.test", {"dev.test"}, {"a.dev.test", "test", "xdev.test"}},
           Row{"*.dev.test",
               {"a.dev.test", "_x.dev.test"},
               {"dev.test", "a.b.dev.test", "xdev.test", "a.dev.test.evil.test"}},
           Row{"**.dev.test",
               {"dev.test", "a.dev.test", "a.b.dev.test"},
               {"xdev.test", "test", "dev.testx"}},
           Row{"*.test", {"dev.test"}, {"test", "a.dev.test", "127.0.0.1"}},
           Row{"10.0.0.1", {"10.0.0.1", "::ffff:10.0.0.1"}, {"10.0.0.2"}},
           Row{"10.1.0.0/16", {"10.1.2.3", "::ffff:10.1.0.0"}, {"10.2.0.0", "::1", "a.test"}},
           Row{"10.0.0.0/9", {"10.127.255.255"}, {"10.128.0.0"}},
           Row{"0.0.0.0/0", {"8.8.8.8"}, {"::1"}},
           Row{"2001:db8::/33", {"2001:db8:7fff::1"}, {"2001:db8:8000::", "32.1.13.184"}},
           Row{"::/0", {"::1", "fe80::"}, {"1.2.3.4"}},
       }) {
    const Pattern pattern = Pattern::parse(row.pattern);
    for (const char* host : row.matches) {
      EXPECT_TRUE(pattern.matches(Host::parse(host))) << row.pattern << " " << host;
    }
    for (const char* host : row.others) {
      EXPECT_FALSE(pattern.matches(Host::parse(host))) << row.pattern << " " << host;
    }
  }
  EXPECT_FALSE(Pattern::parse("dev.test").matches(Host{}));
}

TEST(Pattern, HasOneText) {
  EXPECT_EQ(Pattern::parse("*.DEV.test.").text(), "*.dev.test");
  EXPECT_EQ(Pattern::parse("**.Dev.test").text(), "**.dev.test");
  EXPECT_EQ(Pattern::parse("10.1.2.3/8").text(), "10.0.0.0/8");
  EXPECT_EQ(Pattern::parse("2001:DB8::1/32").text(), "2001:db8::/32");
  EXPECT_EQ(Pattern::parse("::ffff:10.1.2.3/104").text(), "10.0.0.0/8");
  EXPECT_EQ(Pattern::parse("*.dev.test"), Pattern::parse("*.Dev.Test"));
}

TEST(Pattern, RefusesEverythingElse) {
  for (const char* text : {"",
                           "*",
                           "**",
                           "*.",
                           "**.",
                           "***.dev.test",
                           "*dev.test",
                           "d*.test",
                           "a.*.test",
                           "*.*.test",
                           "dev.*",
                           "*.10.0.0.1",
                           "*.1",
                           "*.::1",
                           "10.0.0.0/33",
                           "10.0.0.0/-1",
                           "10.0.0.0/08",
                           "10.0.0.0/",
                           "10.0.0/8",
                           "dev.test/8",
                           "::/129",
                           "::ffff:10.0.0.0/95",
                           "10.0.0.0/8/8",
                           "dev.test:443",
                           ".dev.test"}) {
    EXPECT_THROW(Pattern::parse(text), Error) << text;
  }
}

TEST(Pattern, MoreSpecificIsHostThenTheLongest) {
  const auto rank = [](const char* text) { return Pattern::parse(text).specificity(); };
  EXPECT_GT(rank("a.b.test"), rank("**.a.b.test"));
  EXPECT_GT(rank("**.a.b.test"), rank("*.b.test"));
  EXPECT_GT(rank("*.b.test"), rank("**.b.test"));
  EXPECT_GT(rank("**.b.test"), rank("**.test"));
  EXPECT_GT(rank("10.0.0.1"), rank("10.0.0.0/31"));
  EXPECT_GT(rank("10.0.0.0/16"), rank("10.0.0.0/8"));
}

TEST(CandidatePatterns, AreAllThatMatchMostSpecificFirst) {
  const Host host = Host::parse("a.b.test");
  const std::vector<std::string> expected{"a.b.test", "**.a.b.test", "*.b.test", "**.b.test",
                                          "**.test"};
  EXPECT_EQ(candidate_patterns(host), expected);
  int last = 1 << 20;
  for (const std::string& text : expected) {
    const Pattern pattern = Pattern::parse(text);
    EXPECT_TRUE(pattern.matches(host)) << text;
    EXPECT_LT(pattern.specificity(), last) << text;
    last = pattern.specificity();
  }
  EXPECT_EQ(candidate_patterns(Host::parse("::1")), std::vector<std::string>{"::1"});
  const std::vector<std::string> single{"localhost", "**.localhost"};
  EXPECT_EQ(candidate_patterns(Host::parse("localhost")), single);
}

TEST(PortPattern, ReadsAnOptionalPort) {
  struct Row {
    const char* text;
    const char* canonical;
    Port port;
  };
  for (const Row& row : {
           Row{"dev.test", "dev.test", 0},
           Row{"*.dev.test:8443", "*.dev.test:8443", 8443},
           Row{"::1", "::1", 0},
           Row{"[::1]", "::1", 0},
           Row{"[::1]:443", "[::1]:443", 443},
           Row{"10.0.0.0/8:443", "10.0.0.0/8:443", 443},
           Row{"2001:db8::/32", "2001:db8::/32", 0},
           Row{"[2001:db8::/32]:443", "[2001:db8::/32]:443", 443},
       }) {
    const PortPattern read = PortPattern::parse(row.text);
    EXPECT_EQ(read.text(), row.canonical) << row.text;
    EXPECT_EQ(read.port, row.port) << row.text;
    EXPECT_EQ(PortPattern::parse(read.text()).text(), read.text());
  }
  for (const char* text : {"", ":443", "dev.test:", "dev.test:0", "[dev.test]:443", "[::1]443",
                           "[::1", "*:443", "[10.0.0.0/8]:443"}) {
    EXPECT_THROW(PortPattern::parse(text), Error) << text;
  }
}

} // namespace
} // namespace trust
