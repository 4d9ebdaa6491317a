#include "daemon/origin.h"

#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <string>
#include <vector>

namespace trust {
namespace {

struct Row {
  const char* sentence;
  bool unix_socket;
  const char* method;
  const char* host;
  std::optional<std::string> origin;
  std::optional<std::string> site;
  std::optional<std::string> type;
  bool body;
  std::optional<Code> refused;
};

void PrintTo(const Row& row, std::ostream* out) { *out << row.sentence; }

constexpr bool kUnix = true;
constexpr bool kTcp = false;
const std::nullopt_t kNone = std::nullopt;
const std::string kJson = "application/json";

class OriginTable : public ::testing::TestWithParam<Row> {};

TEST_P(OriginTable, IsDecided) {
  const Row& row = GetParam();
  Request head;
  const auto peer = std::make_shared<Caller>();
  peer->unix_socket = row.unix_socket;
  peer->local_port = row.unix_socket ? 0 : 8443;
  head.peer = peer;
  head.method = row.method;
  head.host = row.host;
  head.origin = row.origin;
  head.sec_fetch_site = row.site;
  head.content_type = row.type;
  head.has_body = row.body;
  const std::optional<Error> refused = refused_origin(head);
  EXPECT_EQ(refused ? std::optional(refused->code()) : std::nullopt, row.refused);
}

const std::vector<Row> kRows = {
    {"localhost on the socket", kUnix, "GET", "localhost", kNone, kNone, kNone, false, kNone},
    {"trustd on the socket", kUnix, "GET", "trustd", kNone, kNone, kNone, false, kNone},
    {"any port on the socket", kUnix, "GET", "LocalHost:1234", kNone, kNone, kNone, false, kNone},
    {"an address on the socket", kUnix, "GET", "[::1]", kNone, kNone, kNone, false, kNone},
    {"a rebound name on the socket", kUnix, "GET", "evil.example", kNone, kNone, kNone, false,
     Code::misdirected},
    {"no name on the socket", kUnix, "GET", "", kNone, kNone, kNone, false, Code::misdirected},
    {"a port that is none", kUnix, "GET", "localhost:", kNone, kNone, kNone, false,
     Code::misdirected},
    {"a port of letters", kUnix, "GET", "localhost:a", kNone, kNone, kNone, false,
     Code::misdirected},
    {"a name that only begins like ours", kUnix, "GET", "localhost.evil.example", kNone, kNone,
     kNone, false, Code::misdirected},
    {"a name with a user", kUnix, "GET", "localhost:80@evil.example", kNone, kNone, kNone, false,
     Code::misdirected},

    {"our address", kTcp, "GET", "127.0.0.1:8443", kNone, kNone, kNone, false, kNone},
    {"our other address", kTcp, "GET", "[::1]:8443", kNone, kNone, kNone, false, kNone},
    {"our name", kTcp, "GET", "localhost:8443", kNone, kNone, kNone, false, kNone},
    {"another port", kTcp, "GET", "127.0.0.1:8444", kNone, kNone, kNone, false, Code::misdirected},
    {"the port with a zero before it", kTcp, "GET", "127.0.0.1:08443", kNone, kNone, kNone, false,
     Code::misdirected},
    {"no port", kTcp, "GET", "127.0.0.1", kNone, kNone, kNone, false, Code::misdirected},
    {"the name of the socket", kTcp, "GET", "trustd:8443", kNone, kNone, kNone, false,
     Code::misdirected},
    {"a rebound name", kTcp, "GET", "evil.example:8443", kNone, kNone, kNone, false,
     Code::misdirected},

    {"our own page", kTcp, "GET", "localhost:8443", "http://localhost:8443", "same-origin", kNone,
     false, kNone},
    {"a page of another origin", kTcp, "GET", "localhost:8443", "http://evil.example", kNone, kNone,
     false, Code::bad_origin},
    {"a page of another port", kTcp, "GET", "localhost:8443", "http://localhost:80", kNone, kNone,
     false, Code::bad_origin},
    {"a page by another of our names", kTcp, "GET", "localhost:8443", "http://127.0.0.1:8443",
     kNone, kNone, false, Code::bad_origin},
    {"a page over https", kTcp, "GET", "localhost:8443", "https://localhost:8443", kNone, kNone,
     false, Code::bad_origin},
    {"a page without origin", kTcp, "GET", "localhost:8443", "null", kNone, kNone, false,
     Code::bad_origin},
    {"a page that got to the socket", kUnix, "GET", "localhost", "http://evil.example", kNone,
     kNone, false, Code::bad_origin},
    {"an image of another site", kTcp, "GET", "localhost:8443", kNone, "cross-site", kNone, false,
     Code::bad_origin},
    {"a page of the same site", kTcp, "GET", "localhost:8443", kNone, "same-site", kNone, false,
     Code::bad_origin},
    {"typed by a person", kTcp, "GET", "localhost:8443", kNone, "none", kNone, false, kNone},

    {"JSON", kUnix, "POST", "localhost", kNone, kNone, kJson, true, kNone},
    {"JSON in UTF-8", kUnix, "POST", "localhost", kNone, kNone, "Application/JSON; charset=UTF-8",
     true, kNone},
    {"JSON in something else", kUnix, "POST", "localhost", kNone, kNone,
     "application/json; charset=latin1", true, Code::media_type},
    {"PEM", kUnix, "POST", "localhost", kNone, kNone, "application/x-pem-file", true, kNone},
    {"DER", kUnix, "POST", "localhost", kNone, kNone, "application/pkix-cert", true, kNone},
    {"a form", kUnix, "POST", "localhost", kNone, kNone, "application/x-www-form-urlencoded", true,
     Code::media_type},
    {"text", kUnix, "POST", "localhost", kNone, kNone, "text/plain", true, Code::media_type},
    {"a type that only begins like ours", kUnix, "POST", "localhost", kNone, kNone,
     "application/jsonx", true, Code::media_type},
    {"no type", kUnix, "POST", "localhost", kNone, kNone, kNone, true, Code::media_type},
    {"a POST of nothing", kUnix, "POST", "localhost", kNone, kNone, kNone, false, Code::media_type},
    {"DELETE of nothing", kUnix, "DELETE", "localhost", kNone, kNone, kNone, false, kNone},
    {"DELETE of something", kUnix, "DELETE", "localhost", kNone, kNone, kNone, true,
     Code::media_type},
    {"the host comes first", kUnix, "POST", "evil.example", "http://evil.example", kNone, kNone,
     true, Code::misdirected},
};

INSTANTIATE_TEST_SUITE_P(Sentences, OriginTable, ::testing::ValuesIn(kRows));

} // namespace
} // namespace trust
