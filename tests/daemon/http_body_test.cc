#include "daemon/http_body.h"

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

namespace trust {
namespace {

constexpr std::size_t kLimit = 64;

Framing chunked() {
  Framing framing;
  framing.chunked = true;
  return framing;
}

Framing of_length(std::uint64_t length) {
  Framing framing;
  framing.content_length = length;
  return framing;
}

struct BodyRow {
  const char* sentence;
  std::string bytes;
  int status; // 0: more is wanted; 200: complete
  std::string body;
  std::string left;
};

void PrintTo(const BodyRow& row, std::ostream* out) { *out << row.sentence; }

class ChunkedTable : public ::testing::TestWithParam<BodyRow> {};

TEST_P(ChunkedTable, InOnePiece) {
  const BodyRow& row = GetParam();
  HttpBody body(chunked(), kLimit);
  std::string_view bytes = row.bytes;
  const auto refusal = body.take(bytes);
  EXPECT_EQ(refusal ? refusal->status : body.complete() ? 200 : 0, row.status);
  if (row.status == 200) {
    EXPECT_EQ(body.release(), row.body);
    EXPECT_EQ(bytes, row.left);
  }
}

TEST_P(ChunkedTable, ByteByByte) {
  const BodyRow& row = GetParam();
  HttpBody body(chunked(), kLimit);
  int status = 0;
  std::size_t used = 0;
  for (; used < row.bytes.size() && status == 0; ++used) {
    std::string_view byte(&row.bytes[used], 1);
    const auto refusal = body.take(byte);
    status = refusal ? refusal->status : body.complete() ? 200 : 0;
  }
  EXPECT_EQ(status, row.status);
  if (row.status == 200) {
    EXPECT_EQ(body.release(), row.body);
    EXPECT_EQ(row.bytes.substr(used), row.left);
  }
}

const std::vector<BodyRow> kBodyRows = {
    {"chunks are joined", "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", 200, "hello!", ""},
    {"lengths are hex", "0A\r\n0123456789\r\n0\r\n\r\n", 200, "0123456789", ""},
    {"what follows is left", "1\r\na\r\n0\r\n\r\nGET /", 200, "a", "GET /"},
    {"no chunk at all is an empty body", "0\r\n\r\n", 200, "", ""},
    {"several zeros are zero", "000\r\n\r\n", 200, "", ""},
    {"unfinished", "5\r\nhel", 0, "", ""},
    {"unfinished at the end", "1\r\na\r\n0\r\n", 0, "", ""},
    {"a chunk extension", "1;a=b\r\na\r\n0\r\n\r\n", 400, "", ""},
    {"an extension of the last chunk", "1\r\na\r\n0;a\r\n\r\n", 400, "", ""},
    {"a space after the length", "1 \r\na\r\n0\r\n\r\n", 400, "", ""},
    {"a trailer", "1\r\na\r\n0\r\nA: b\r\n\r\n", 400, "", ""},
    {"no length", "\r\na\r\n0\r\n\r\n", 400, "", ""},
    {"not hex", "g\r\na\r\n0\r\n\r\n", 400, "", ""},
    {"a sign", "-1\r\na\r\n0\r\n\r\n", 400, "", ""},
    {"a prefix", "0x1\r\na\r\n0\r\n\r\n", 400, "", ""},
    {"a bare LF", "1\na\r\n0\r\n\r\n", 400, "", ""},
    {"a bare LF after the data", "1\r\na\n0\r\n\r\n", 400, "", ""},
    {"more data than said", "1\r\nab\r\n0\r\n\r\n", 400, "", ""},
    {"a length of more digits than any limit has", "000000001\r\n", 400, "", ""},
    {"one chunk over the limit, told before its bytes", "41\r\n", 413, "", ""},
    {"a huge chunk", "ffffffff\r\n", 413, "", ""},
    {"all together over the limit", "40\r\n" + std::string(64, 'a') + "\r\n1\r\n", 413, "", ""},
    {"exactly the limit", "40\r\n" + std::string(64, 'a') + "\r\n0\r\n\r\n", 200,
     std::string(64, 'a'), ""},
};

INSTANTIATE_TEST_SUITE_P(Sentences, ChunkedTable, ::testing::ValuesIn(kBodyRows));

TEST(HttpBody, ALengthIsTakenInPieces) {
  HttpBody body(of_length(5), kLimit);
  std::string_view first = "hel";
  EXPECT_FALSE(body.take(first));
  EXPECT_FALSE(body.complete());
  std::string_view second = "loGET";
  EXPECT_FALSE(body.take(second));
  EXPECT_TRUE(body.complete());
  EXPECT_EQ(second, "GET");
  EXPECT_EQ(body.release(), "hello");
}

TEST(HttpBody, ALengthOverTheLimitIsToldBeforeItsBytes) {
  HttpBody body(of_length(kLimit + 1), kLimit);
  std::string_view nothing;
  const auto refusal = body.take(nothing);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->status, 413);
}

TEST(HttpBody, TakesAnyBytes) {
  std::string all;
  for (int c = 0; c < 64; ++c) all += static_cast<char>(c * 4);
  HttpBody body(of_length(64), kLimit);
  std::string_view bytes = all;
  EXPECT_FALSE(body.take(bytes));
  EXPECT_EQ(body.release(), all);
}

} // namespace
} // namespace trust
