// Every sentence that http_head.h and http_target.h say, as a table.
#include "daemon/http_head.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "daemon/http_target.h"

namespace trust {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

// The status that a head gets, however it is cut; 200 when it is right, 0 when it is unfinished.
int status_of(const std::string& bytes, const HeadLimits& limits = {}) {
  HeadScan scan;
  if (const auto refusal = scan_head(bytes, limits, scan)) return refusal->status;
  if (!scan.complete) return 0;
  const auto head = parse_head(std::string_view(bytes).substr(0, scan.seen));
  const auto* refusal = std::get_if<Refusal>(&head);
  return refusal == nullptr ? 200 : refusal->status;
}

int status_byte_by_byte(const std::string& bytes) {
  HeadScan scan;
  for (std::size_t size = 1; size <= bytes.size(); ++size) {
    if (const auto refusal = scan_head(bytes.substr(0, size), {}, scan)) return refusal->status;
    if (scan.complete) return status_of(bytes.substr(0, size));
  }
  return 0;
}

struct HeadRow {
  const char* sentence;
  std::string bytes;
  int status;
};

void PrintTo(const HeadRow& row, std::ostream* out) { *out << row.sentence; }

const std::string kHost = "Host: localhost\r\n";

std::string with(const std::string& fields) {
  return "GET / HTTP/1.1\r\n" + kHost + fields + "\r\n";
}
std::string line(const std::string& request_line) { return request_line + "\r\n" + kHost + "\r\n"; }

class HeadTable : public ::testing::TestWithParam<HeadRow> {};

TEST_P(HeadTable, HasItsStatus) { EXPECT_EQ(status_of(GetParam().bytes), GetParam().status); }

TEST_P(HeadTable, HasItsStatusHoweverItArrives) {
  EXPECT_EQ(status_byte_by_byte(GetParam().bytes), GetParam().status);
}

const std::vector<HeadRow> kHeadRows = {
    {"a plain request is right", with(""), 200},
    {"HEAD is right", line("HEAD / HTTP/1.1"), 200},
    {"unknown fields are right", with("X-Whatever: 1\r\n"), 200},
    {"an empty value is right", with("X-Whatever:\r\n"), 200},
    {"tabs and spaces around a value are right", with("Accept: \t */* \t\r\n"), 200},

    {"a bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
    {"a bare LF after a field", "GET / HTTP/1.1\r\nHost: a\n\r\n", 400},
    {"a bare LF at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400},
    {"a bare CR", "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400},
    {"NUL", std::string("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", 29), 400},
    {"a control character", with("X: a\x01\r\n"), 400},
    {"DEL", with("X: a\x7f\r\n"), 400},
    {"a byte above ASCII", with("X: \xc3\xa9\r\n"), 400},
    {"an empty line first", "\r\n" + with(""), 400},
    {"a TLS hello", "\x16\x03\x01\x02", 400},

    {"HTTP/1.0", line("GET / HTTP/1.0"), 505},
    {"HTTP/2.0", "PRI * HTTP/2.0\r\n\r\n", 505},
    {"HTTP/0.9 is told of at its first line", "GET /\r\n", 400},
    {"a version in lower case", line("GET / http/1.1"), 400},
    {"a version too long", line("GET / HTTP/1.10"), 400},
    {"two spaces", line("GET  / HTTP/1.1"), 400},
    {"a space at the end", line("GET / HTTP/1.1 "), 400},
    {"a space at the start", line(" GET / HTTP/1.1"), 400},
    {"a tab", line("GET\t/ HTTP/1.1"), 400},
    {"a method that is no token", line("G(T / HTTP/1.1"), 400},
    {"a method that is not known", line("BREW / HTTP/1.1"), 501},
    {"a method in lower case", line("get / HTTP/1.1"), 501},
    {"TRACE", line("TRACE / HTTP/1.1"), 501},
    {"CONNECT", line("CONNECT example.com:443 HTTP/1.1"), 400},
    {"CONNECT in origin form", line("CONNECT / HTTP/1.1"), 400},
    {"absolute form", line("GET http://localhost/ HTTP/1.1"), 400},
    {"asterisk form", line("OPTIONS * HTTP/1.1"), 400},
    {"a fragment", line("GET /#a HTTP/1.1"), 400},
    {"a long target", line("GET /" + std::string(7'990, 'a') + " HTTP/1.1"), 200},
    {"a target too long", line("GET /" + std::string(8'100, 'a') + " HTTP/1.1"), 414},

    {"a space before the colon", with("Accept : a\r\n"), 400},
    {"folding", with("Accept: a\r\n b\r\n"), 400},
    {"folding by a tab", with("Accept: a\r\n\tb\r\n"), 400},
    {"a field without colon", with("Accept\r\n"), 400},
    {"a field without name", with(": a\r\n"), 400},
    {"a name that is no token", with("Acc\"ept: a\r\n"), 400},

    {"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
    {"two Hosts", with("Host: localhost\r\n"), 400},
    {"two Hosts, one in capitals", with("HOST: localhost\r\n"), 400},

    {"Content-Length", with("Content-Length: 1234567890\r\n"), 200},
    {"Content-Length of no digits", with("Content-Length: abc\r\n"), 400},
    {"Content-Length of nothing", with("Content-Length:\r\n"), 400},
    {"Content-Length with a sign", with("Content-Length: +1\r\n"), 400},
    {"Content-Length in hex", with("Content-Length: 0x10\r\n"), 400},
    {"Content-Length of eleven digits", with("Content-Length: 00000000001\r\n"), 400},
    {"Content-Length twice", with("Content-Length: 1\r\nContent-Length: 1\r\n"), 400},
    {"Content-Length as a list", with("Content-Length: 1, 1\r\n"), 400},
    {"chunked", with("Transfer-Encoding: chunked\r\n"), 200},
    {"chunked twice", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
    {"chunked in other words", with("Transfer-Encoding: Chunked\r\n"), 400},
    {"gzip, chunked", with("Transfer-Encoding: gzip, chunked\r\n"), 400},
    {"identity", with("Transfer-Encoding: identity\r\n"), 400},
    {"both", with("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), 400},
    {"both, the other way round", with("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n"), 400},

    {"Upgrade", with("Connection: Upgrade\r\nUpgrade: websocket\r\n"), 400},
    {"Trailer", with("Trailer: Expires\r\n"), 400},
    {"Content-Encoding", with("Content-Encoding: gzip\r\n"), 415},
    {"Expect", with("Expect: 100-Continue\r\n"), 200},
    {"Expect something else", with("Expect: a-miracle\r\n"), 417},
    {"Expect twice", with("Expect: 100-continue\r\nExpect: 100-continue\r\n"), 400},
    {"Authorization twice", with("Authorization: a\r\nAuthorization: b\r\n"), 400},
    {"Origin twice", with("Origin: a\r\norigin: b\r\n"), 400},
    {"a field too long", with("X: " + std::string(9'000, 'a') + "\r\n"), 431},

    {"an encoded CR LF in the path", line("GET /%0d%0a HTTP/1.1"), 400},
    {"an encoded NUL", line("GET /a%00 HTTP/1.1"), 400},
    {"an encoded slash", line("GET /a%2fb HTTP/1.1"), 400},
    {"an encoded dot segment", line("GET /v1/%2e%2e/x HTTP/1.1"), 400},
    {"a dot segment", line("GET /v1/../x HTTP/1.1"), 400},
    {"a single dot", line("GET /v1/./x HTTP/1.1"), 400},
    {"an empty segment", line("GET //x HTTP/1.1"), 400},
    {"a slash at the end", line("GET /v1/ HTTP/1.1"), 400},
    {"half a percent-encoding", line("GET /a%4 HTTP/1.1"), 400},
    {"a percent-encoding that is none", line("GET /a%zz HTTP/1.1"), 400},
    {"an encoding of no UTF-8", line("GET /%ff HTTP/1.1"), 400},
    {"an overlong encoding", line("GET /%c0%af HTTP/1.1"), 400},
    {"a surrogate", line("GET /%ed%a0%80 HTTP/1.1"), 400},
    {"a C1 control", line("GET /%c2%85 HTTP/1.1"), 400},
    {"a control character in the query", line("GET /?a=%0a HTTP/1.1"), 400},

    {"nothing yet", "GET / HT", 0},
    {"a CR whose LF is on the way", "GET / HTTP/1.1\r\nHost: a\r\n\r", 0},
};

INSTANTIATE_TEST_SUITE_P(Sentences, HeadTable, ::testing::ValuesIn(kHeadRows));

Head right(const std::string& bytes) {
  auto head = parse_head(bytes);
  if (const auto* refusal = std::get_if<Refusal>(&head)) {
    ADD_FAILURE() << refusal->detail;
    return {};
  }
  return std::move(std::get<Head>(head));
}

TEST(HttpHead, SixteenKibibytesAreTheMost) {
  std::string fields;
  while (fields.size() < 16'000) fields += "X: " + std::string(995, 'a') + "\r\n";
  const std::string just = "GET / HTTP/1.1\r\nHost: a\r\n" + fields;
  const std::string rest = "Y: " + std::string(16 * 1024 - just.size() - 7, 'b') + "\r\n\r\n";
  ASSERT_EQ((just + rest).size(), 16u * 1024);
  EXPECT_EQ(status_of(just + rest), 200);
  EXPECT_EQ(status_of(just + "Y" + rest), 431);
}

TEST(HttpHead, TooMuchIsRefusedBeforeItEnds) {
  EXPECT_EQ(status_of("GET /" + std::string(20'000, 'a')), 431);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nX: " + std::string(20'000, 'a')), 431);
}

TEST(HttpHead, SixtyFourFieldsAreTheMost) {
  std::string fields;
  for (int i = 0; i < 63; ++i) fields += "X: a\r\n";
  EXPECT_EQ(status_of(with(fields)), 200);
  EXPECT_EQ(status_of(with(fields + "X: a\r\n")), 431);
}

TEST(HttpHead, WhatFollowsTheHeadIsNotLookedAt) {
  HeadScan scan;
  const std::string head = with("");
  EXPECT_FALSE(scan_head(head + std::string("\0\n\r", 3), {}, scan));
  EXPECT_TRUE(scan.complete);
  EXPECT_EQ(scan.seen, head.size());
}

TEST(HttpHead, SaysWhatRoutesUse) {
  const Head head = right(
      "PATCH /v1/certificates/ab?q=a+b%21&limit=&x HTTP/1.1\r\nhOST: trustd\r\n"
      "Content-Type: application/json\r\nAccept: */*\r\nAuthorization: Bearer x\r\n"
      "If-Match: \"g1\"\r\nIf-None-Match: \"g2\"\r\nLast-Event-ID: 7\r\nOrigin: http://a\r\n"
      "Sec-Fetch-Site: none\r\nContent-Length: 12\r\n\r\n");
  const Request& request = head.request;
  EXPECT_EQ(request.method, "PATCH");
  EXPECT_EQ(request.path, "/v1/certificates/ab");
  EXPECT_THAT(request.segments, ElementsAre("v1", "certificates", "ab"));
  EXPECT_THAT(request.query, ElementsAre(Pair("q", "a b!"), Pair("limit", ""), Pair("x", "")));
  EXPECT_EQ(request.query_value("q"), "a b!");
  EXPECT_EQ(request.query_value("none"), std::nullopt);
  EXPECT_EQ(request.host, "trustd");
  EXPECT_EQ(request.content_type, "application/json");
  EXPECT_EQ(request.accept, "*/*");
  EXPECT_EQ(request.authorization, "Bearer x");
  EXPECT_EQ(request.if_match, "\"g1\"");
  EXPECT_EQ(request.if_none_match, "\"g2\"");
  EXPECT_EQ(request.last_event_id, "7");
  EXPECT_EQ(request.origin, "http://a");
  EXPECT_EQ(request.sec_fetch_site, "none");
  EXPECT_TRUE(request.has_body);
  EXPECT_EQ(head.framing.content_length, 12u);
  EXPECT_FALSE(head.framing.close);
}

TEST(HttpHead, HeadArrivesAsGet) {
  const Head head = right(line("HEAD / HTTP/1.1"));
  EXPECT_EQ(head.request.method, "GET");
  EXPECT_TRUE(head.framing.head_only);
  EXPECT_THAT(head.request.segments, IsEmpty());
}

TEST(HttpHead, CloseIsOneOfTheWordsOfConnection) {
  EXPECT_TRUE(right(with("Connection: keep-alive, Close\r\n")).framing.close);
  EXPECT_TRUE(right(with("Connection: close\r\nConnection: x\r\n")).framing.close);
  EXPECT_FALSE(right(with("Connection: closed\r\n")).framing.close);
}

TEST(HttpHead, ALengthOfZeroIsAnAnnouncedBodyThatIsThere) {
  const Head head = right(with("Content-Length: 0\r\n"));
  EXPECT_TRUE(head.request.has_body);
  EXPECT_FALSE(head.framing.has_body());
}

TEST(HttpTarget, TooManyQueryFieldsAreRefused) {
  std::string target = "/?a=1";
  for (std::size_t i = 1; i < kMostQueryFields; ++i) target += "&a=1";
  EXPECT_TRUE(std::holds_alternative<Target>(read_target(target)));
  EXPECT_TRUE(std::holds_alternative<std::string_view>(read_target(target + "&a=1")));
}

TEST(HttpTarget, DecodesUtf8) {
  const auto target = read_target("/%c3%a9/%F0%9F%94%92");
  ASSERT_TRUE(std::holds_alternative<Target>(target));
  EXPECT_THAT(std::get<Target>(target).segments, ElementsAre("\xc3\xa9", "\xf0\x9f\x94\x92"));
}

} // namespace
} // namespace trust
