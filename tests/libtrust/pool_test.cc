#include "libtrust/pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <utility>
#include <vector>

#include "libtrust/error.h"
#include "libtrust/session_cache.h"
#include "libtrust/tcp.h"
#include "tests/libtrust/live_store.h"
#include "tests/libtrust/peer.h"

namespace trust {
namespace {

using namespace std::chrono_literals;
using testing::bytes;
using testing::LiveStore;
using testing::mint;
using testing::Minted;
using testing::Server;
using testing::tls_context;
using testing::tls_echo;
using testing::tls_talk;
using testing::TlsLine;

std::string ask(Connection& connection, std::string_view text) {
  connection.write(bytes(text));
  std::string out;
  std::array<std::uint8_t, 1000> buffer{};
  while (out.size() < text.size()) {
    const Moved moved = connection.read(buffer);
    if (moved.progress == Progress::end) break;
    out.append(reinterpret_cast<char*>(buffer.data()), moved.count);
  }
  return out;
}

// Seconds and the second of looking are the test's.
struct TestTime {
  std::atomic<std::chrono::steady_clock::time_point> steady{std::chrono::steady_clock::now()};
  std::atomic<UnixTime> offset{0};
  StoreSurroundings surroundings() {
    StoreSurroundings made;
    made.steady = [this] { return steady.load(); };
    made.now = [this] { return system_clock_now() + offset; };
    return made;
  }
  void a_second_passes() {
    steady = steady.load() + 1s;
    ++offset;
  }
};

class PoolTest : public ::testing::Test {
 protected:
  PoolTest() {
    live_.add(leaf_, Trust::leaf).publish();
    store_ = live_.open(time_.surroundings());
  }

  static Minted loopback() {
    return mint({.common_name = "dev.test", .sans = {"DNS:dev.test", "IP:127.0.0.1"}, .ca = false});
  }
  // One whose sessions are for `pool` alone, after one exchange.
  std::string once(Pool& pool, const Server& server, bool reusable = true) {
    auto connection = pool.get(server.endpoint());
    std::string answer = ask(*connection, "hello");
    pool.put(std::move(connection), reusable);
    return answer;
  }

  TestTime time_;
  LiveStore live_;
  Minted leaf_ = loopback();
  std::shared_ptr<PublishedStore> store_;
};

TEST_F(PoolTest, HandsOutAgainWhatWasGivenBack) {
  const Server server(tls_echo(leaf_), "127.0.0.1", true);
  Pool pool(store_, {});
  EXPECT_EQ(once(pool, server), "hello");
  EXPECT_EQ(pool.idle(), 1U);
  EXPECT_EQ(once(pool, server), "hello");
  EXPECT_EQ(pool.created(), 1U);
  EXPECT_EQ(pool.reused(), 1U);
  EXPECT_EQ(pool.idle(), 1U);
}

TEST_F(PoolTest, KeepsNothingThatIsNotReusable) {
  const Server server(tls_echo(leaf_), "127.0.0.1", true);
  Pool pool(store_, {});
  once(pool, server, false);
  EXPECT_EQ(pool.idle(), 0U);
  pool.put(nullptr, true);
  auto cancelled = pool.get(server.endpoint());
  cancelled->cancel();
  pool.put(std::move(cancelled), true);
  auto closed = pool.get(server.endpoint());
  closed->close();
  pool.put(std::move(closed), true);
  EXPECT_EQ(pool.idle(), 0U);
}

TEST_F(PoolTest, KeepsNothingOfAnotherConfiguration) {
  const Server server(tls_echo(leaf_), "127.0.0.1", true);
  ConnectionConfig strict;
  strict.judge.pins = {Pin::of(leaf_.certificate)};
  Pool pool(store_, {}), other(store_, strict);
  const Connector connector(store_);
  auto made_elsewhere = connector.connect(server.endpoint(), {});
  other.put(std::move(made_elsewhere), true);
  other.put(pool.get(server.endpoint()), true);
  EXPECT_EQ(other.idle(), 0U);
}

TEST_F(PoolTest, ClosesWhatHasUnreadBytes) {
  const std::shared_ptr<SSL_CTX> context(tls_context(leaf_));
  std::atomic<int> pushed = 0;
  const Server server(tls_talk(context,
                               [&](TlsLine& line) {
                                 line.write(line.read() + "and more");
                                 ++pushed;
                                 line.read();
                               }),
                      "127.0.0.1", true);
  Pool pool(store_, {});
  auto connection = pool.get(server.endpoint());
  connection->write(bytes("x"));
  std::array<std::uint8_t, 1> one{};
  connection->read(one);
  EXPECT_EQ(connection->pending(), 8U);
  pool.put(std::move(connection), true);
  EXPECT_EQ(pool.idle(), 0U);
}

// What a server does to a connection that lies in the pool, once it is told to. What it sent is not
// there yet when its call returns: only the socket knows.
class WhileItLies {
 public:
  WhileItLies(const Minted& leaf, std::function<void(TlsLine&)> deed)
      : server_(tls_talk(std::shared_ptr<SSL_CTX>(tls_context(leaf)),
                         [this, deed = std::move(deed)](TlsLine& line) {
                           line.write(line.read());
                           const bool first = is_first_.exchange(false);
                           if (first) go_.wait(false);
                           if (first) deed(line);
                           line.line().wait_for_end();
                         }),
                "127.0.0.1", true) {}
  ~WhileItLies() { go(); }
  WhileItLies(const WhileItLies&) = delete;
  WhileItLies& operator=(const WhileItLies&) = delete;

  Endpoint endpoint() const { return server_.endpoint(); }
  void go() {
    go_ = true;
    go_.notify_all();
  }

 private:
  std::atomic<bool> is_first_ = true;
  std::atomic<bool> go_ = false;
  Server server_;
};

TEST_F(PoolTest, ClosesWhatGotUnreadBytesOrWasClosedWhileItLay) {
  const auto ends = [](TlsLine& line) { line.close(); };
  const std::vector<std::pair<const char*, std::function<void(TlsLine&)>>> deeds = {
      {"sends what nobody asked for", [](TlsLine& line) { line.write("unasked"); }},
      {"closes TLS", ends},
      {"closes the connection", [](TlsLine& line) { ::shutdown(line.line().fd(), SHUT_RDWR); }},
      {"sends a ticket and closes TLS, in one flight",
       [&](TlsLine& line) {
         const int fd = line.line().fd(), on = 1, off = 0;
         ::setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on);
         SSL_new_session_ticket(line.ssl());
         SSL_do_handshake(line.ssl());
         ends(line);
         ::setsockopt(fd, IPPROTO_TCP, TCP_CORK, &off, sizeof off);
       }},
  };
  for (const auto& [what, deed] : deeds) {
    SCOPED_TRACE(what);
    WhileItLies server(leaf_, deed);
    Pool pool(store_, {});
    auto first = pool.get(server.endpoint());
    EXPECT_EQ(ask(*first, "hello"), "hello");
    const int fd = first->fd();
    pool.put(std::move(first), true);
    ASSERT_EQ(pool.idle(), 1U);
    server.go();
    ASSERT_TRUE(wait_for(fd, POLLIN, Deadline(30s)));
    const auto second = pool.get(server.endpoint());
    EXPECT_EQ(pool.reused(), 0U);
    EXPECT_EQ(pool.created(), 2U);
    EXPECT_EQ(ask(*second, "hello"), "hello");
  }
}

TEST_F(PoolTest, KeepsWhatGotNothingButATicketWhileItLay) {
  WhileItLies server(leaf_, [](TlsLine& line) {
    SSL_new_session_ticket(line.ssl());
    SSL_do_handshake(line.ssl());
  });
  Pool pool(store_, {});
  auto first = pool.get(server.endpoint());
  ask(*first, "hello");
  const int fd = first->fd();
  pool.put(std::move(first), true);
  server.go();
  ASSERT_TRUE(wait_for(fd, POLLIN, Deadline(30s)));
  pool.get(server.endpoint());
  EXPECT_EQ(pool.reused(), 1U);
}

TEST_F(PoolTest, HoldsItsLimits) {
  const Server one(tls_echo(leaf_), "127.0.0.1", true), two(tls_echo(leaf_), "127.0.0.1", true);
  Pool pool(store_, {});
  pool.set_limits({.per_endpoint = 2, .total = 3, .idle = 60s});
  std::vector<std::unique_ptr<Connection>> out;
  for (int i = 0; i < 4; ++i) out.push_back(pool.get(one.endpoint()));
  EXPECT_EQ(pool.created(), 4U) << "never refuses for a limit";
  for (auto& each : out) pool.put(std::move(each), true);
  EXPECT_EQ(pool.idle(), 2U);
  out.clear();
  for (int i = 0; i < 2; ++i) out.push_back(pool.get(two.endpoint()));
  for (auto& each : out) pool.put(std::move(each), true);
  EXPECT_EQ(pool.idle(), 3U);
  pool.set_limits({.per_endpoint = 2, .total = 1, .idle = 60s});
  EXPECT_EQ(pool.idle(), 1U);
  pool.set_limits({.per_endpoint = 2, .total = 1, .idle = 0s});
  EXPECT_EQ(pool.idle(), 0U);
}

TEST_F(PoolTest, DistrustTakesHoldOfPooledConnectionsWithinASecond) {
  const Server server(tls_echo(leaf_), "127.0.0.1", true);
  Pool pool(store_, {});
  once(pool, server);
  live_.distrust(leaf_).publish();
  once(pool, server); // the second is not over
  EXPECT_EQ(pool.idle(), 1U);
  time_.a_second_passes();
  try {
    once(pool, server);
    ADD_FAILURE() << "it was handed out";
  } catch (const Refused& refused) {
    EXPECT_EQ(refused.peer()->judgement.verdict, Verdict::distrusted);
  }
  EXPECT_EQ(pool.idle(), 0U);
}

TEST_F(PoolTest, AnEntrysEndTakesHoldWithoutADaemon) {
  LiveStore live;
  live.add(leaf_, Trust::leaf, {}, system_clock_now() + 100).publish();
  const auto store = live.open(time_.surroundings());
  const Server server(tls_echo(leaf_), "127.0.0.1", true);
  Pool pool(store, {});
  const Connector connector(store);
  once(pool, server);
  time_.offset = 200; // and nothing is published
  EXPECT_THROW(once(pool, server), Refused);
  EXPECT_THROW(connector.connect(server.endpoint(), {}), Refused);
}

TEST_F(PoolTest, AnUnreadableStoreHandsOutNothing) {
  const Server server(tls_echo(leaf_), "127.0.0.1", true);
  Pool pool(store_, {});
  once(pool, server);
  std::filesystem::remove(live_.directory() + "/current");
  time_.a_second_passes();
  EXPECT_THROW(once(pool, server), Error);
}

TEST_F(PoolTest, IsJudgedOnceASecondAndShowsTheGenerationThatJudged) {
  const Server server(tls_echo(leaf_), "127.0.0.1", true);
  Pool pool(store_, {});
  once(pool, server);
  live_.add(loopback(), Trust::leaf).publish();
  time_.a_second_passes();
  auto connection = pool.get(server.endpoint());
  EXPECT_EQ(pool.reused(), 1U);
  EXPECT_EQ(connection->peer()->judgement.generation, 2U);
}

TEST_F(PoolTest, NewConnectionsResumeSessions) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const Server server(tls_echo(leaf_, {.max_version = version}), "127.0.0.1", true);
    Pool pool(store_, {});
    for (int i = 0; i < 5; ++i) EXPECT_EQ(once(pool, server, false), "hello");
    EXPECT_EQ(pool.created(), 5U);
    EXPECT_EQ(pool.resumed(), 4U) << version;
    auto connection = pool.get(server.endpoint());
    EXPECT_TRUE(connection->resumed());
    EXPECT_TRUE(connection->peer()->judgement.trusted());
    EXPECT_EQ(connection->peer()->presented.size(), 1U);
  }
}

TEST_F(PoolTest, ATicketIsUsedOnce) {
  const std::shared_ptr<SSL_CTX> context(tls_context(leaf_));
  SSL_CTX_set_num_tickets(context.get(), 1);
  const Server server(tls_talk(context,
                               [](TlsLine& line) {
                                 line.write(line.read());
                                 line.read();
                               }),
                      "127.0.0.1", true);
  Pool pool(store_, {});
  once(pool, server, false);
  auto first = pool.get(server.endpoint());
  EXPECT_TRUE(first->resumed());
  auto second = pool.get(server.endpoint()); // before the first was given another ticket
  EXPECT_FALSE(second->resumed());
}

TEST_F(PoolTest, ASessionIsJudgedAgainBeforeItIsOffered) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    LiveStore live;
    live.add(leaf_, Trust::leaf).publish();
    const auto store = live.open(time_.surroundings());
    std::atomic<int> full = 0;
    const std::shared_ptr<SSL_CTX> context(tls_context(leaf_, {.max_version = version}));
    const Server server(tls_talk(context,
                                 [&](TlsLine& line) {
                                   if (SSL_session_reused(line.ssl()) == 0) ++full;
                                   line.write(line.read());
                                   line.read();
                                 }),
                        "127.0.0.1", true);
    const Connector connector(store);
    ask(*connector.connect(server.endpoint(), {}), "hello");
    EXPECT_TRUE(connector.connect(server.endpoint(), {})->resumed());
    live.distrust(leaf_).publish();
    time_.a_second_passes();
    EXPECT_THROW(connector.connect(server.endpoint(), {}), Refused);
    live.remove(leaf_).add(leaf_, Trust::leaf).publish();
    time_.a_second_passes();
    EXPECT_FALSE(connector.connect(server.endpoint(), {})->resumed()) << "it was dropped";
  }
}

TEST_F(PoolTest, ASessionIsOfferedUnderTheSameDemandsAlone) {
  const Server server(tls_echo(leaf_), "127.0.0.1", true);
  const Connector connector(store_);
  ConnectionConfig plain;
  const auto resumes = [&](const ConnectionConfig& config) {
    ask(*connector.connect(server.endpoint(), plain), "hello");
    return connector.connect(server.endpoint(), config)->resumed();
  };
  EXPECT_TRUE(resumes(plain));
  ConnectionConfig other = plain;
  other.server_name = Host::parse("dev.test");
  EXPECT_FALSE(resumes(other));
  other = plain;
  other.alpn = {"h2"};
  EXPECT_FALSE(resumes(other));
  other = plain;
  other.min_tls = 13;
  EXPECT_FALSE(resumes(other));
  other = plain;
  other.judge.pins = {Pin::of(leaf_.certificate)};
  EXPECT_FALSE(resumes(other));
  const Minted own = mint({.common_name = "client"});
  other = plain;
  other.client_certificate = ClientCertificate::parse(own.pem(), own.key.pem(), {});
  EXPECT_FALSE(resumes(other));
  other = plain;
  other.resumption = false;
  EXPECT_FALSE(resumes(other));
  EXPECT_TRUE(resumes(plain));
}

TEST_F(PoolTest, AChildBeginsWithAnEmptyPoolAndLeavesTheParentsAlone) {
  const Server server(tls_echo(leaf_), "127.0.0.1", true);
  Pool pool(store_, {});
  once(pool, server);
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      if (pool.idle() != 0) ::_exit(1);
      if (once(pool, server) != "hello" || pool.created() != 1 || pool.reused() != 0) ::_exit(2);
      ::_exit(0);
    } catch (...) {
      ::_exit(3);
    }
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(once(pool, server), "hello");
  EXPECT_EQ(pool.reused(), 1U);
}

TEST(SessionCacheTest, IsBounded) {
  SessionCache cache;
  for (std::size_t i = 0; i < SessionCache::kMostKeys + 10; ++i) {
    for (std::size_t n = 0; n < SessionCache::kMostOfOneKey + 2; ++n) {
      cache.put("key" + std::to_string(i), {SslSessionPtr(SSL_SESSION_new()), {}});
    }
  }
  EXPECT_EQ(cache.count(), SessionCache::kMostKeys * SessionCache::kMostOfOneKey);
  EXPECT_FALSE(cache.take("key0"));
  cache.forget("key50");
  EXPECT_EQ(cache.count(), (SessionCache::kMostKeys - 1) * SessionCache::kMostOfOneKey);
}

} // namespace
} // namespace trust
