// What a client that means harm, or is broken, gets: and that nobody else notices.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "daemon/front.h"
#include "tests/daemon/serving.h"

namespace trust {
namespace {

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMemoryCanBeMeasured = false; // a sanitizer's own is in it
#else
constexpr bool kMemoryCanBeMeasured = true;
#endif

struct Row {
  const char* sent;
  std::string bytes;
  int status;
};

void PrintTo(const Row& row, std::ostream* out) { *out << row.sent; }

std::string post_with(const std::string& fields, const std::string& body = {}) {
  return "POST /size HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + fields +
         "\r\n" + body;
}

class Hostile : public ::testing::TestWithParam<Row> {};

TEST_P(Hostile, IsRefusedInASentenceAndCutOff) {
  Serving serving;
  Client client = serving.connect();
  client.send(GetParam().bytes);
  const Client::Answer answer = client.answer();
  EXPECT_EQ(answer.status, GetParam().status);
  EXPECT_TRUE(answer.has("\r\nConnection: close\r\n"));
  EXPECT_TRUE(answer.has("\r\nContent-Type: application/problem+json\r\n"));
  const auto problem = nlohmann::json::parse(answer.body, nullptr, false);
  ASSERT_TRUE(problem.is_object()) << answer.body;
  EXPECT_EQ(problem["status"], GetParam().status);
  EXPECT_FALSE(problem["code"].get<std::string>().empty());
  EXPECT_FALSE(problem["detail"].get<std::string>().empty());
  EXPECT_TRUE(client.ends());
  EXPECT_TRUE(serving.pings());
}

const std::vector<Row> kRows = {
    {"a path of 8,100 bytes", get("/" + std::string(8'100, 'a')), 414},
    {"Content-Length twice", post_with("Content-Length: 1\r\nContent-Length: 1\r\n", "a"), 400},
    {"Content-Length with Transfer-Encoding",
     post_with("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
    {"Content-Length of no digits", post_with("Content-Length: abc\r\n", "a"), 400},
    {"a body over the limit, by length", post_with("Content-Length: 1048577\r\n"), 413},
    {"a body over the limit, in chunks", post_with("Transfer-Encoding: chunked\r\n", "100001\r\n"),
     413},
    {"a gzip body", post_with("Content-Encoding: gzip\r\nContent-Length: 1\r\n", "\x1f"), 415},
    {"an encoded CR LF in a path", get("/%0d%0aX-Injected:%201"), 400},
    {"HTTP/1.0", "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n", 505},
    {"a TLS hello", std::string("\x16\x03\x01\x00\xa5\x01\x00", 7), 400},
    {"another host", "GET /ping HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 1\r\n\r\n", 421},
    {"a page's request",
     "POST /size HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n"
     "Content-Length: 10\r\n\r\n",
     403},
    {"a form",
     "POST /size HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
     "Content-Length: 10\r\n\r\n",
     415},
    {"a bare LF", "GET /ping HTTP/1.1\nHost: localhost\n\n", 400},
    {"a chunk extension", post_with("Transfer-Encoding: chunked\r\n", "1;a=b\r\nx\r\n"), 400},
    {"a trailer", post_with("Transfer-Encoding: chunked\r\n", "0\r\nA: b\r\n\r\n"), 400},
};

INSTANTIATE_TEST_SUITE_P(Sent, Hostile, ::testing::ValuesIn(kRows));

TEST(HostileFront, AHeaderLineOfThreeHundredMegabytesCostsNothing) {
  Serving serving;
  Client client = serving.connect();
  ASSERT_TRUE(serving.pings());
  const std::size_t before = resident_bytes();
  client.send("GET /ping HTTP/1.1\r\nHost: localhost\r\nX: ");
  const std::string part(std::size_t{1} << 20, 'a');
  int sent = 0;
  while (sent < 300 && client.send(part)) ++sent;
  EXPECT_LT(sent, 10);
  EXPECT_EQ(client.answer().status, 431);
  if (kMemoryCanBeMeasured) {
    EXPECT_LT(resident_bytes(), before + (std::size_t{8} << 20));
  }
  EXPECT_TRUE(serving.pings());
}

TEST(HostileFront, HalfAMillionHeadersCostNothing) {
  Serving serving;
  Client client = serving.connect();
  client.send("GET /ping HTTP/1.1\r\nHost: localhost\r\n");
  std::string some;
  for (int i = 0; i < 5'000; ++i) some += "X: a\r\n";
  for (int i = 0; i < 100 && client.send(some); ++i) {
  }
  EXPECT_EQ(client.answer().status, 431);
  EXPECT_TRUE(serving.pings());
}

TEST(HostileFront, ATwoHundredMegabyteBodyInChunksIsCutOffAtTheLimit) {
  Serving serving;
  Client client = serving.connect();
  client.send(post_with("Transfer-Encoding: chunked\r\n"));
  const std::string chunk = "ffff\r\n" + std::string(0xffff, 'a') + "\r\n";
  for (int i = 0; i < 3200 && client.send(chunk); ++i) {
  }
  EXPECT_EQ(client.answer().status, 413);
  EXPECT_TRUE(serving.pings());
}

TEST(HostileFront, AHeadThatTricklesHasOneDeadline) {
  FrontLimits limits;
  limits.request = std::chrono::milliseconds(100);
  Serving serving(limits);
  Client client = serving.connect();
  // Byte after byte, so that each would look alive by itself.
  ASSERT_TRUE(client.send("GET /ping HTTP/1.1\r\nHost: localhost\r\nX: "));
  EXPECT_TRUE(comes_true([&] {
    client.send_some("a");
    pollfd readable{client.fd(), POLLIN, 0};
    return poll(&readable, 1, 1) == 1;
  }));
  EXPECT_EQ(client.answer().status, 408);
  EXPECT_TRUE(client.ends());
}

TEST(HostileFront, ABodyThatDoesNotComeHasOneDeadline) {
  FrontLimits limits;
  limits.request = std::chrono::milliseconds(50);
  Serving serving(limits);
  Client client = serving.connect();
  client.send(post_with("Content-Length: 10\r\n", "abc"));
  EXPECT_EQ(client.answer().status, 408);
  EXPECT_TRUE(client.ends());
}

TEST(HostileFront, AnIdleConnectionIsClosedWithoutAWord) {
  FrontLimits limits;
  limits.idle = std::chrono::milliseconds(30);
  Serving serving(limits);
  Client silent = serving.connect();
  Client used = serving.connect();
  EXPECT_EQ(used.ask(get("/ping")).status, 200);
  EXPECT_TRUE(silent.ends());
  EXPECT_TRUE(used.ends());
}

TEST(HostileFront, AnAnswerThatIsNotTakenHasADeadline) {
  FrontLimits limits;
  limits.write = std::chrono::milliseconds(50);
  Serving serving(limits);
  Client client = serving.connect();
  client.send(get("/large?n=20000000"));
  EXPECT_TRUE(comes_true([&] { return serving.front().counts().buffered_bytes > 1'000'000; }));
  EXPECT_TRUE(serving.pings());
  EXPECT_TRUE(comes_true([&] {
    const FrontCounts counts = serving.front().counts();
    return counts.connections == 0 && counts.buffered_bytes == 0;
  }));
}

TEST(HostileFront, ASlowReaderGetsAllOfALargeAnswer) {
  Serving serving;
  Client client = serving.connect();
  client.send(get("/large?n=20000000") + get("/ping"));
  EXPECT_TRUE(comes_true([&] { return serving.front().counts().buffered_bytes > 1'000'000; }));
  EXPECT_EQ(client.answer().body.size(), 20'000'000u);
  EXPECT_EQ(client.answer().status, 200);
}

TEST(HostileFront, WhoAsksAndNeverReadsIsNotAskedAgain) {
  FrontLimits limits;
  limits.buffered_per_uid = 4'000'000;
  Serving serving(limits);
  std::vector<Client> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(serving.connect());
    std::string many;
    for (int k = 0; k < 50; ++k) many += get("/large?n=1000000");
    clients.back().send(many);
  }
  // One answer each at most, whatever is asked for behind it.
  EXPECT_TRUE(comes_true([&] { return serving.front().counts().buffered_bytes > 4'000'000; }));
  EXPECT_LT(serving.front().counts().buffered_bytes, 6'000'000u);
  EXPECT_EQ(serving.connect().ask(get("/ping")).status, 429);
  EXPECT_EQ(serving.connect().ask(post("/size", std::string(1000, 'a'))).status, 429);
}

TEST(HostileFront, UnfinishedBodiesOfOneUserHaveABound) {
  FrontLimits limits;
  limits.buffered_per_uid = 3'000'000;
  Serving serving(limits);
  std::vector<Client> clients;
  int refused = 0;
  for (int i = 0; i < 10; ++i) {
    clients.push_back(serving.connect());
    clients.back().send(post_with("Content-Length: 1000000\r\n", std::string(900'000, 'a')));
  }
  EXPECT_TRUE(comes_true([&] { return serving.front().counts().refused > 0; }));
  for (Client& client : clients) {
    client.send(std::string(100'000, 'a'));
    const Client::Answer answer = client.answer();
    if (answer.status == 429) {
      ++refused;
      EXPECT_TRUE(answer.has("\r\nRetry-After: "));
    } else {
      EXPECT_EQ(answer.status, 200);
    }
  }
  EXPECT_GT(refused, 0);
  EXPECT_LT(refused, 10);
}

TEST(HostileFront, OneConnectionTooManyOfAUserIsToldSo) {
  FrontLimits limits;
  limits.connections_per_uid = 3;
  Serving serving(limits);
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(serving.connect());
    EXPECT_EQ(clients.back().ask(get("/ping")).status, 200);
  }
  Client refused = serving.connect();
  const Client::Answer answer = refused.ask(get("/ping"));
  EXPECT_EQ(answer.status, 429);
  EXPECT_TRUE(answer.has("\r\nRetry-After: "));
  EXPECT_TRUE(refused.ends());
  clients.pop_back();
  EXPECT_TRUE(comes_true([&] { return serving.connect().ask(get("/ping")).status == 200; }));
}

TEST(HostileFront, OneConnectionTooManyInAllIsToldSo) {
  FrontLimits limits;
  limits.connections = 2;
  limits.connections_per_uid = 10;
  Serving serving(limits);
  Client first = serving.connect();
  Client second = serving.connect();
  EXPECT_EQ(first.ask(get("/ping")).status, 200);
  EXPECT_EQ(second.ask(get("/ping")).status, 200);
  const Client::Answer answer = serving.connect().ask(get("/ping"));
  EXPECT_EQ(answer.status, 503);
  EXPECT_TRUE(answer.has("\r\nRetry-After: "));
}

TEST(HostileFront, TooManyWaitingOfAUserAreToldSo) {
  FrontLimits limits;
  limits.waiting_per_uid = 2;
  Serving serving(limits);
  Client first = serving.connect();
  Client second = serving.connect();
  first.send(get("/block"));
  second.send(get("/later"));
  ASSERT_TRUE(comes_true([&] { return serving.front().counts().waiting == 2; }));
  Client third = serving.connect();
  EXPECT_EQ(third.ask(get("/block")).status, 429);
  EXPECT_EQ(third.ask(get("/later")).status, 429);
  EXPECT_EQ(third.ask(get("/ping")).status, 200);
  serving.application.completions(1)[0](Response());
  EXPECT_EQ(second.answer().status, 200);
}

TEST(HostileFront, TooManyStreamsOfAUserAreToldSo) {
  FrontLimits limits;
  limits.streams_per_uid = 1;
  Serving serving(limits);
  Client first = serving.connect();
  first.send(get("/events"));
  ASSERT_TRUE(first.receive_until("\r\n\r\n"));
  EXPECT_EQ(serving.connect().ask(get("/events")).status, 429);
}

TEST(HostileFront, ARefusalReachesAClientThatIsStillSending) {
  Serving serving;
  for (int i = 0; i < 20; ++i) {
    Client client = serving.connect();
    const std::string head =
        "POST /size HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 1000000\r\n\r\n";
    EXPECT_TRUE(client.send(head + std::string(1'000'000, 'a')));
    EXPECT_EQ(client.answer().status, 421);
  }
}

TEST(HostileFront, RubbishDoesNoHarm) {
  Serving serving;
  unsigned state = 12345;
  for (int i = 0; i < 200; ++i) {
    std::string bytes;
    for (int k = 0; k < 300; ++k) {
      state = state * 1664525 + 1013904223;
      bytes += static_cast<char>(state >> 24);
    }
    if (i % 2 == 0) bytes = "POST /size HTTP/1.1\r\n" + bytes;
    Client client = serving.connect();
    client.send(bytes);
    client.finish_sending();
    client.rest();
  }
  EXPECT_TRUE(serving.pings());
}

TEST(HostileFront, ClientsThatGoAtAnyMomentDoNoHarm) {
  Serving serving;
  const std::string all = get("/ping") + post("/echo", "hello") + post("/worker", "x") +
                          get("/large?n=500000") + get("/later") + get("/events");
  for (std::size_t cut = 0; cut <= all.size(); cut += 3) {
    Client client = serving.connect();
    client.send(std::string_view(all).substr(0, cut));
  }
  EXPECT_TRUE(serving.pings());
  for (const auto& complete : serving.application.completions(0)) complete(Response());
  EXPECT_TRUE(comes_true([&] { return serving.front().counts().connections == 0; }));
  EXPECT_EQ(serving.front().counts().buffered_bytes, 0u);
  EXPECT_EQ(serving.front().counts().waiting, 0u);
  EXPECT_EQ(serving.front().counts().streams, 0u);
}

TEST(HostileFront, AThousandConnectAtOnce) {
  Serving serving;
  std::vector<Client> clients;
  clients.reserve(1000);
  for (int i = 0; i < 1000; ++i) {
    clients.push_back(serving.connect());
    ASSERT_TRUE(clients.back().connected());
    ASSERT_TRUE(clients.back().send(get("/ping")));
  }
  for (Client& client : clients) EXPECT_EQ(client.answer().status, 200);
}

TEST(HostileFront, IdleConnectionsCostLittle) {
  Serving serving; // raises the limit of descriptors, which this process shares
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  // Both ends are here, and a quarter is kept from one user.
  const std::size_t wanted = 10'000;
  const std::size_t possible =
      limit.rlim_cur > 2'000 ? std::min<std::size_t>(wanted, (limit.rlim_cur - 1'000) / 2) : 0;
  if (possible < 1'000) GTEST_SKIP() << "only " << limit.rlim_cur << " descriptors allowed";
  ASSERT_TRUE(serving.pings());

  std::vector<Client> clients;
  clients.reserve(possible);
  const std::size_t before = resident_bytes();
  for (std::size_t i = 0; i < possible; ++i) {
    clients.push_back(serving.connect());
    ASSERT_TRUE(clients.back().connected()) << i;
    if (i % 2 == 0) {
      ASSERT_EQ(clients.back().ask(get("/ping")).status, 200);
    }
  }
  ASSERT_TRUE(comes_true([&] { return serving.front().counts().connections == possible; }));
  const std::size_t grown = resident_bytes() - before;
  RecordProperty("connections", static_cast<int>(possible));
  RecordProperty("bytes_each", static_cast<int>(grown / possible));
  // The clients of the test are in it.
  if (kMemoryCanBeMeasured) {
    EXPECT_LT(grown / possible, 4096u);
  }
  EXPECT_TRUE(serving.pings());
  for (std::size_t i = 0; i < possible; i += 97) {
    EXPECT_EQ(clients[i].ask(get("/ping")).status, 200);
  }
}

} // namespace
} // namespace trust
