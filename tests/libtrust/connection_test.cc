#include "libtrust/connection.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <numeric>
#include <thread>

#include "libtrust/error.h"
#include "libtrust/tcp.h"
#include "tests/libtrust/live_store.h"
#include "tests/libtrust/peer.h"

namespace trust {
namespace {

using namespace std::chrono_literals;
using testing::bytes;
using ::testing::HasSubstr;
using testing::Line;
using testing::LiveStore;
using testing::mint;
using testing::Minted;
using testing::Server;
using testing::tls_context;
using testing::tls_echo;
using testing::tls_talk;
using testing::TlsLine;

Minted loopback(const std::string& name = "dev.test") {
  return mint({.common_name = name, .sans = {"DNS:" + name, "IP:127.0.0.1"}, .ca = false});
}

// A store that trusts one server, and what connects to it.
class ConnectionTest : public ::testing::Test {
 protected:
  ConnectionTest() {
    live_.add(server_, Trust::leaf).publish();
    connector_ = std::make_unique<Connector>(live_.open());
  }

  std::unique_ptr<Connection> connect(const Server& server, const ConnectionConfig& config = {}) {
    return connector_->connect(server.endpoint(), config);
  }
  static void write_all(Connection& connection, std::string_view text) {
    EXPECT_EQ(connection.write(bytes(text)).count, text.size());
  }
  // Blocking, until there are so many or the end.
  static std::string read_all(Connection& connection, std::size_t most = SIZE_MAX) {
    std::string out;
    std::array<std::uint8_t, 5000> buffer{};
    while (out.size() < most) {
      const Moved moved = connection.read(buffer);
      if (moved.progress == Progress::end) break;
      out.append(reinterpret_cast<char*>(buffer.data()), moved.count);
    }
    return out;
  }
  template <typename Call>
  static Error failure_of(Call&& call) {
    try {
      call();
    } catch (const Error& error) {
      EXPECT_EQ(ERR_peek_error(), 0U);
      return error;
    }
    return {Code::internal, "it did not fail"};
  }
  template <typename Call>
  static Code code_of(Call&& call) {
    return failure_of(std::forward<Call>(call)).code();
  }
  // Non-blocking, by what it says it waits for.
  static void finish(Connection& connection) {
    const Deadline deadline(10s);
    for (;;) {
      const Progress progress = connection.handshake();
      if (progress == Progress::done) return;
      ASSERT_TRUE(
          wait_for(connection.fd(), progress == Progress::want_read ? POLLIN : POLLOUT, deadline));
    }
  }

  LiveStore live_;
  Minted server_ = loopback();
  std::unique_ptr<Connector> connector_;
};

TEST_F(ConnectionTest, CarriesDataToATrustedPeerAndBack) {
  const Server server(tls_echo(server_));
  const auto connection = connect(server);
  write_all(*connection, "hello");
  EXPECT_EQ(read_all(*connection, 5), "hello");
  EXPECT_EQ(connection->tls_version(), "TLSv1.3");
  EXPECT_THAT(connection->cipher(), HasSubstr("TLS_"));
  EXPECT_EQ(connection->alpn(), "");
  EXPECT_FALSE(connection->resumed());
  const auto peer = connection->peer();
  EXPECT_TRUE(peer->judgement.trusted());
  EXPECT_EQ(peer->host.text(), "127.0.0.1");
  EXPECT_EQ(peer->port, server.port());
  EXPECT_EQ(peer->judgement.trusted_by, TrustedBy::added_leaf);
  EXPECT_EQ(connection->close(), Progress::done);
  EXPECT_EQ(read_all(*connection), "") << "the peer ends too, and says so";
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST_F(ConnectionTest, CarriesMegabytesUnharmedOverTls12And13) {
  std::string sent(3'000'000, '\0');
  std::iota(sent.begin(), sent.end(), '\0');
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const Server server(tls_echo(server_, {.max_version = version}));
    const auto connection = connect(server);
    // The echo wants to be read while it is written to.
    std::thread writer([&] {
      write_all(*connection, sent);
      connection->close();
    });
    EXPECT_EQ(read_all(*connection), sent);
    writer.join();
  }
}

TEST_F(ConnectionTest, IsVerifiedAnnouncedAndPinnedUnderTheServerName) {
  std::string announced;
  const std::shared_ptr<SSL_CTX> context(tls_context(server_));
  std::optional<Server> server(std::in_place, tls_talk(context, [&](TlsLine& line) {
                                 announced =
                                     SSL_get_servername(line.ssl(), TLSEXT_NAMETYPE_host_name);
                                 line.read();
                               }));
  ConnectionConfig config;
  config.server_name = Host::parse("dev.test");
  EXPECT_EQ(connect(*server, config)->peer()->host.text(), "dev.test");
  config.server_name = Host::parse("other.test");
  try {
    connect(*server, config);
    ADD_FAILURE() << "other.test was taken for dev.test";
  } catch (const Refused& refused) {
    EXPECT_EQ(refused.peer()->judgement.verdict, Verdict::name_mismatch);
  }
  server.reset(); // and its thread
  EXPECT_EQ(announced, "dev.test");
}

TEST_F(ConnectionTest, AgreesOnAProtocol) {
  const Server server(tls_echo(server_, {.alpn = "h2"}));
  ConnectionConfig config;
  config.alpn = parse_alpn("h2,http/1.1");
  EXPECT_EQ(connect(server, config)->alpn(), "h2");
  config.alpn = parse_alpn("http/1.1");
  EXPECT_EQ(connect(server, config)->alpn(), "");
}

TEST_F(ConnectionTest, HoldsTheLeastVersionOfTls) {
  const Server server(tls_echo(server_, {.max_version = TLS1_2_VERSION}));
  ConnectionConfig config;
  EXPECT_EQ(connect(server, config)->tls_version(), "TLSv1.2");
  config.min_tls = 13;
  EXPECT_EQ(code_of([&] { connect(server, config); }), Code::tls);
}

TEST_F(ConnectionTest, NothingMovesBeforeThePeerIsVerified) {
  const Server server([](const Line& line) { line.stall(); });
  const auto connection = connector_->start(server.endpoint(), {});
  std::array<std::uint8_t, 10> buffer{};
  EXPECT_NE(connection->handshake(), Progress::done);
  EXPECT_EQ(code_of([&] { connection->read(buffer); }), Code::state);
  EXPECT_EQ(code_of([&] { connection->write(bytes("x")); }), Code::state);
  EXPECT_EQ(code_of([&] { connection->close(); }), Code::state);
  EXPECT_EQ(code_of([&] { connection->peer(); }), Code::state);
  EXPECT_EQ(connection->tls_version(), "");
  EXPECT_EQ(connection->pending(), 0U);
}

TEST_F(ConnectionTest, AfterARefusalNothingMovesEither) {
  const Server server(tls_echo(loopback("stranger.test")));
  const auto connection = connector_->start(server.endpoint(), {});
  const auto shake = [&] { finish(*connection); };
  EXPECT_THROW(shake(), Refused);
  EXPECT_THROW(connection->handshake(), Refused) << "each call fails the same way";
  std::array<std::uint8_t, 10> buffer{};
  EXPECT_EQ(code_of([&] { connection->read(buffer); }), Code::state);
  EXPECT_EQ(code_of([&] { connection->write(bytes("x")); }), Code::state);
  EXPECT_EQ(code_of([&] { connection->peer(); }), Code::state);
}

TEST_F(ConnectionTest, WithoutBlockingItSaysWhatItWaitsFor) {
  const Server server(tls_echo(server_));
  const auto connection = connector_->start(server.endpoint(), {});
  finish(*connection);
  std::array<std::uint8_t, 10> buffer{};
  EXPECT_EQ(connection->read(buffer).progress, Progress::want_read);
  const Moved written = connection->write(bytes("hello"));
  EXPECT_EQ(written.progress, Progress::done);
  EXPECT_EQ(written.count, 5U);
  Moved moved;
  while ((moved = connection->read(buffer)).progress == Progress::want_read) {
    ASSERT_TRUE(wait_for(connection->fd(), POLLIN, Deadline(10s)));
  }
  EXPECT_EQ(moved.count, 5U);
  connection->set_blocking(true);
  write_all(*connection, "again");
  EXPECT_EQ(read_all(*connection, 5), "again");
}

TEST_F(ConnectionTest, AWriteThatWasNotTakenMayBeFollowedByAnother) {
  std::string heard;
  std::atomic<bool> listen = false;
  const std::shared_ptr<SSL_CTX> context(tls_context(server_));
  auto server = std::make_unique<Server>(tls_talk(context, [&](TlsLine& line) {
    while (!listen) std::this_thread::yield();
    for (std::string text = line.read(); !text.empty(); text = line.read()) heard += text;
  }));
  const auto connection = connector_->start(server->endpoint(), {});
  finish(*connection);
  std::string said;
  const std::string chunk(10'000, 'a');
  Moved moved;
  while ((moved = connection->write(bytes(chunk))).progress == Progress::done) {
    said += chunk.substr(0, moved.count);
    ASSERT_LT(said.size(), 100'000'000U);
  }
  EXPECT_EQ(moved.progress, Progress::want_write);
  listen = true;
  const std::string other(77, 'b'); // other bytes, and fewer
  while ((moved = connection->write(bytes(other))).progress == Progress::want_write) {
    ASSERT_TRUE(wait_for(connection->fd(), POLLOUT, Deadline(10s)));
  }
  said += other.substr(0, moved.count);
  connection->set_blocking(true);
  connection->close();
  std::array<std::uint8_t, 10> buffer{};
  EXPECT_THROW(connection->read(buffer), Error) << "the server just goes";
  server.reset();
  EXPECT_EQ(heard, said);
}

TEST_F(ConnectionTest, GoesOverASocketOfTheCallers) {
  const Server server(tls_echo(server_));
  const TcpConnection tcp = connect_tcp(server.endpoint(), Deadline(10s));
  {
    const auto connection = connector_->start_fd(tcp.fd.get(), server.endpoint(), {});
    EXPECT_EQ(connection->fd(), tcp.fd.get());
    finish(*connection);
    connection->set_blocking(true);
    write_all(*connection, "hello");
    EXPECT_EQ(read_all(*connection, 5), "hello");
  }
  EXPECT_NE(::fcntl(tcp.fd.get(), F_GETFD), -1) << "it stays the caller's";
}

TEST_F(ConnectionTest, TakesNothingButAConnectedStreamSocket) {
  const Endpoint endpoint = Endpoint::parse("dev.test", 443);
  const Fd datagram(::socket(AF_INET, SOCK_DGRAM, 0)), lonely(::socket(AF_INET, SOCK_STREAM, 0));
  const Fd file(::open("/dev/null", O_RDWR));
  for (const int fd : {datagram.get(), lonely.get(), file.get(), -1}) {
    const Error error = failure_of([&] { connector_->start_fd(fd, endpoint, {}); });
    EXPECT_EQ(error.code(), Code::invalid);
    EXPECT_THAT(error.message(), HasSubstr("no connected stream socket"));
  }
}

// Carries what a connection in memory says to a server's side in memory, and back.
struct InMemory {
  explicit InMemory(const Minted& server, const testing::TlsOptions& options = {})
      : context(tls_context(server, options)), ssl(SSL_new(context.get())) {
    BIO* const in = BIO_new(BIO_s_mem());
    BIO* const out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(in, -1);
    SSL_set_bio(ssl.get(), in, out);
    SSL_set_accept_state(ssl.get());
  }
  // Whether anything was carried.
  bool carry(Connection& client) {
    bool moved = false;
    std::array<std::uint8_t, 700> buffer{};
    while (const std::size_t count = client.drain(buffer)) {
      BIO_write(SSL_get_rbio(ssl.get()), buffer.data(), static_cast<int>(count));
      moved = true;
    }
    if (SSL_in_init(ssl.get()) == 1) SSL_do_handshake(ssl.get());
    ERR_clear_error();
    int count = 0;
    while (client_room > 0 &&
           (count = BIO_read(SSL_get_wbio(ssl.get()), buffer.data(), buffer.size())) > 0) {
      EXPECT_EQ(client.feed({buffer.data(), static_cast<std::size_t>(count)}),
                static_cast<std::size_t>(count));
      moved = true;
    }
    return moved;
  }
  int client_room = 1;
  SslCtxPtr context;
  SslPtr ssl;
};

TEST_F(ConnectionTest, GoesWithoutASocket) {
  InMemory memory(server_);
  const Endpoint endpoint = Endpoint::parse("127.0.0.1", 443);
  const auto connection = connector_->start_memory(endpoint, {});
  EXPECT_EQ(connection->fd(), -1);
  EXPECT_EQ(code_of([&] { connection->set_blocking(true); }), Code::state);
  while (connection->handshake() != Progress::done) ASSERT_TRUE(memory.carry(*connection));
  memory.carry(*connection);
  EXPECT_EQ(connection->write(bytes("hello")).count, 5U);
  memory.carry(*connection);
  std::array<char, 100> text{};
  ASSERT_EQ(SSL_read(memory.ssl.get(), text.data(), text.size()), 5);
  EXPECT_EQ(connection->pending(), 0U);
  SSL_write(memory.ssl.get(), "one", 3);
  SSL_write(memory.ssl.get(), "three", 5);
  SSL_shutdown(memory.ssl.get());
  memory.carry(*connection);
  std::array<std::uint8_t, 100> buffer{};
  EXPECT_EQ(connection->pending(), 3U) << "the first record";
  EXPECT_EQ(connection->read(buffer).count, 3U);
  EXPECT_EQ(connection->pending(), 5U);
  EXPECT_EQ(connection->read(buffer).count, 5U);
  EXPECT_EQ(connection->pending(), 0U);
  EXPECT_EQ(connection->read(buffer).progress, Progress::end);
}

TEST_F(ConnectionTest, InMemoryTheEndOfTheTransportIsNotTheEndOfTls) {
  InMemory memory(server_);
  const auto connection = connector_->start_memory(Endpoint::parse("127.0.0.1", 443), {});
  while (connection->handshake() != Progress::done) ASSERT_TRUE(memory.carry(*connection));
  memory.carry(*connection);
  EXPECT_EQ(connection->feed({}), 0U);
  std::array<std::uint8_t, 100> buffer{};
  EXPECT_EQ(code_of([&] { connection->read(buffer); }), Code::truncated);
  EXPECT_EQ(code_of([&] { connection->read(buffer); }), Code::truncated);
  EXPECT_EQ(code_of([&] { connection->feed(bytes("x")); }), Code::state);
}

TEST_F(ConnectionTest, InMemoryARefusedPeerIsSentAnAlert) {
  InMemory memory(loopback("stranger.test"), {.max_version = TLS1_2_VERSION});
  const auto connection = connector_->start_memory(Endpoint::parse("127.0.0.1", 443), {});
  const auto shake = [&] {
    while (connection->handshake() != Progress::done) memory.carry(*connection);
  };
  EXPECT_THROW(shake(), Refused);
  std::array<std::uint8_t, 100> buffer{};
  ASSERT_EQ(connection->drain(buffer), 7U);
  EXPECT_EQ(buffer[0], 21); // an alert,
  EXPECT_EQ(buffer[5], 2);  // fatal
  EXPECT_EQ(connection->drain(buffer), 0U);
}

TEST_F(ConnectionTest, AMemoryThatIsFullTakesLess) {
  const auto connection = connector_->start_memory(Endpoint::parse("127.0.0.1", 443), {});
  const std::string much(1'000'000, 'x');
  const std::size_t taken = connection->feed(bytes(much));
  EXPECT_GT(taken, 0U);
  EXPECT_LT(taken, 200'000U);
  EXPECT_EQ(connection->feed(bytes("x")), 0U);
}

TEST_F(ConnectionTest, TellsTheEndFromTruncation) {
  const std::shared_ptr<SSL_CTX> context(tls_context(server_));
  const auto read_from = [&](bool says_so) {
    const Server server(tls_talk(context, [&](TlsLine& line) {
      line.write("all of it");
      if (says_so) line.close();
    }));
    const auto connection = connect(server);
    return read_all(*connection);
  };
  EXPECT_EQ(read_from(true), "all of it");
  const Error error = failure_of([&] { read_from(false); });
  EXPECT_EQ(error.code(), Code::truncated);
  EXPECT_THAT(error.message(), HasSubstr("went away without closing TLS"));
}

TEST_F(ConnectionTest, WhatIsReadBeforeTheCutIsNotLost) {
  const std::shared_ptr<SSL_CTX> context(tls_context(server_));
  const Server server(tls_talk(context, [&](TlsLine& line) { line.write("a part"); }));
  const auto connection = connect(server);
  EXPECT_EQ(read_all(*connection, 6), "a part");
  EXPECT_EQ(code_of([&] { read_all(*connection); }), Code::truncated);
}

TEST_F(ConnectionTest, ReadingGoesOnAfterClose) {
  const std::shared_ptr<SSL_CTX> context(tls_context(server_));
  const Server server(tls_talk(context, [&](TlsLine& line) {
    while (!line.read().empty()) {
    }
    line.write(line.ended_properly() ? "you ended" : "you went");
    line.close();
  }));
  const auto connection = connect(server);
  write_all(*connection, "request");
  EXPECT_EQ(connection->close(), Progress::done);
  EXPECT_EQ(connection->close(), Progress::done);
  EXPECT_EQ(code_of([&] { connection->write(bytes("x")); }), Code::state);
  EXPECT_EQ(read_all(*connection), "you ended");
}

TEST_F(ConnectionTest, ASilentPeerIsATimeoutAndMayBeReadAgain) {
  std::atomic<bool> speak = false;
  const std::shared_ptr<SSL_CTX> context(tls_context(server_));
  const Server server(tls_talk(context, [&](TlsLine& line) {
    while (!speak) std::this_thread::yield();
    line.write("late");
    line.read();
  }));
  ConnectionConfig config;
  config.io_timeout = 50ms;
  const auto connection = connect(server, config);
  const Error error = failure_of([&] { read_all(*connection, 4); });
  EXPECT_EQ(error.code(), Code::timeout);
  EXPECT_THAT(error.message(), HasSubstr("said nothing for 50 ms"));
  speak = true;
  const auto begin = std::chrono::steady_clock::now();
  std::string heard;
  while (heard.empty() && std::chrono::steady_clock::now() - begin < 10s) {
    try {
      heard = read_all(*connection, 4);
    } catch (const Error& again) {
      EXPECT_EQ(again.code(), Code::timeout);
    }
  }
  EXPECT_EQ(heard, "late");
}

TEST_F(ConnectionTest, APeerThatTakesNothingIsATimeout) {
  const std::shared_ptr<SSL_CTX> context(tls_context(server_));
  const Server server(tls_talk(context, [&](TlsLine& line) { line.line().stall(); }));
  ConnectionConfig config;
  config.io_timeout = 50ms;
  const auto connection = connect(server, config);
  const std::string much(64'000'000, 'x');
  const Error error = failure_of([&] { connection->write(bytes(much)); });
  EXPECT_EQ(error.code(), Code::timeout);
  EXPECT_THAT(error.message(), HasSubstr("took nothing for 50 ms"));
}

TEST_F(ConnectionTest, APeerThatIsGoneIsAnErrorAndNoSignal) {
  const std::shared_ptr<SSL_CTX> context(tls_context(server_));
  struct sigaction before {
  }, seen{};
  ::sigaction(SIGPIPE, nullptr, &before);
  Error error(Code::internal, "");
  {
    const Server server(tls_talk(context, [&](TlsLine& line) {
      const linger hard{1, 0};
      ::setsockopt(line.line().fd(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    }));
    const auto connection = connect(server);
    const auto begin = std::chrono::steady_clock::now();
    while (error.code() == Code::internal && std::chrono::steady_clock::now() - begin < 10s) {
      error = failure_of([&] { connection->write(bytes("x")); });
    }
  }
  EXPECT_EQ(error.code(), Code::io) << error.message();
  EXPECT_THAT(error.error_number(), ::testing::AnyOf(EPIPE, ECONNRESET));
  ::sigaction(SIGPIPE, nullptr, &seen);
  EXPECT_EQ(before.sa_handler, seen.sa_handler);
}

TEST_F(ConnectionTest, IsCancelledFromAnotherThread) {
  const std::shared_ptr<SSL_CTX> context(tls_context(server_));
  const Server server(tls_talk(context, [&](TlsLine& line) { line.line().stall(); }));
  const auto connection = connect(server);
  std::thread reader([&] {
    std::array<std::uint8_t, 10> buffer{};
    EXPECT_EQ(code_of([&] { connection->read(buffer); }), Code::cancelled);
  });
  connection->cancel();
  reader.join();
  std::array<std::uint8_t, 10> buffer{};
  EXPECT_EQ(code_of([&] { connection->read(buffer); }), Code::cancelled);
  EXPECT_EQ(code_of([&] { connection->write(bytes("x")); }), Code::cancelled);
  EXPECT_EQ(code_of([&] { connection->close(); }), Code::cancelled);
  EXPECT_EQ(code_of([&] { connection->handshake(); }), Code::cancelled);
  connection->cancel();
}

TEST_F(ConnectionTest, AHandshakeIsCancelledToo) {
  const Server server([](const Line& line) { line.stall(); });
  const auto connection = connector_->start(server.endpoint(), {});
  connection->set_blocking(true);
  std::thread shaker(
      [&] { EXPECT_EQ(code_of([&] { connection->handshake(); }), Code::cancelled); });
  connection->cancel();
  shaker.join();
}

TEST_F(ConnectionTest, KeepsTheErrorsThatTheCallerHad) {
  const Server server(tls_echo(server_)), stranger(tls_echo(loopback("stranger.test")));
  ERR_raise_data(ERR_LIB_USER, 7, "mine");
  {
    const auto connection = connect(server);
    write_all(*connection, "hello");
    read_all(*connection, 5);
    connection->close();
    EXPECT_THROW(connect(stranger), Refused);
  }
  EXPECT_EQ(ERR_GET_REASON(ERR_get_error()), 7);
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST_F(ConnectionTest, AnUnreadableStoreRefusesBeforeAnythingIsDialled) {
  std::atomic<int> dialled = 0;
  const Server server([&](const Line&) { ++dialled; });
  connector_->store()->view();
  std::filesystem::remove(live_.directory() + "/current");
  EXPECT_THROW(connector_->store()->refresh(), Error);
  EXPECT_EQ(code_of([&] { connect(server); }), Code::store_missing);
  EXPECT_EQ(dialled, 0);
}

TEST_F(ConnectionTest, SaysThatNobodyListensAndThatAnAddressIsUnknown) {
  Port port = 0;
  {
    const Server gone([](const Line&) {});
    port = gone.port();
  }
  const Endpoint endpoint = Endpoint::parse("127.0.0.1", port);
  const Error error = failure_of([&] { connector_->connect(endpoint, {}); });
  EXPECT_EQ(error.code(), Code::connect);
  EXPECT_EQ(error.error_number(), ECONNREFUSED);
  EXPECT_EQ(code_of([&] { connector_->start(endpoint, {}); }), Code::connect);
  ConnectionConfig config;
  config.connect_timeout = 2s;
  const Code unknown =
      code_of([&] { connector_->connect(Endpoint::parse("no-such-host.invalid", 443), config); });
  EXPECT_TRUE(unknown == Code::resolve || unknown == Code::timeout);
}

TEST_F(ConnectionTest, AChildOfAForkLooksUpNamesAndConnects) {
  const Server server(tls_echo(server_), "127.0.0.1", true);
#ifdef __SANITIZE_THREAD__ // it knows no threads in a child of fork(), and a look-up is one
  const Endpoint endpoint = server.endpoint();
#else
  const Endpoint endpoint = Endpoint::parse("localhost", server.port());
#endif
  ConnectionConfig config;
  config.server_name = Host::parse("dev.test");
  config.connect_timeout = 8s;
  connector_->connect(endpoint, config); // so that there is something to inherit
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      const auto connection = connector_->connect(endpoint, config);
      ::_exit(connection->resumed() ? 2 : 0); // the parent's ticket is the parent's
    } catch (...) {
      ::_exit(1);
    }
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

// ---- client certificates ------------------------------------------------------

struct CertificateSeen {
  std::atomic<int> messages = 0; // "Certificate" of the client's
  std::atomic<int> certificates = 0;
};

std::shared_ptr<SSL_CTX> asking(const Minted& server, int version, CertificateSeen& seen) {
  std::shared_ptr<SSL_CTX> context(tls_context(server, {.max_version = version}));
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                     [](int, X509_STORE_CTX*) { return 1; });
  SSL_CTX_set_msg_callback(context.get(), [](int write, int, int type, const void* data,
                                             std::size_t length, SSL*, void* argument) {
    if (write != 0 || type != SSL3_RT_HANDSHAKE || length < 1) return;
    if (*static_cast<const unsigned char*>(data) != SSL3_MT_CERTIFICATE) return;
    ++static_cast<CertificateSeen*>(argument)->messages;
  });
  SSL_CTX_set_msg_callback_arg(context.get(), &seen);
  return context;
}

ClientCertificate client_certificate(const Minted& minted) {
  return ClientCertificate::parse(minted.pem(), minted.key.pem(), {});
}

TEST_F(ConnectionTest, ShowsItsCertificateToATrustedPeerThatAsks) {
  const Minted own = mint({.common_name = "client"});
  ConnectionConfig config;
  config.client_certificate = client_certificate(own);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CertificateSeen seen;
    std::string shown;
    const Server server(tls_talk(asking(server_, version, seen), [&](TlsLine& line) {
      const X509Ptr certificate(SSL_get1_peer_certificate(line.ssl()));
      if (certificate) ++seen.certificates;
      line.write("welcome");
      line.close();
    }));
    const auto connection = connect(server, config);
    EXPECT_EQ(read_all(*connection), "welcome");
    EXPECT_EQ(seen.messages, 1);
    EXPECT_EQ(seen.certificates, 1);
  }
}

TEST_F(ConnectionTest, NeverShowsItToAPeerThatWasRefused) {
  const Minted own = mint({.common_name = "client"});
  ConnectionConfig config;
  config.client_certificate = client_certificate(own);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CertificateSeen seen;
    {
      const Server server(
          tls_talk(asking(loopback("stranger.test"), version, seen), [](TlsLine&) {}));
      EXPECT_THROW(connect(server, config), Refused);
    }
    EXPECT_EQ(seen.messages, 0);
    EXPECT_EQ(seen.certificates, 0);
  }
}

TEST_F(ConnectionTest, SaysThatTheServerWantsACertificate) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CertificateSeen seen;
    const Server server(tls_talk(asking(server_, version, seen), [](TlsLine&) {}));
    const Error error = failure_of([&] { read_all(*connect(server)); });
    EXPECT_EQ(error.code(), Code::tls) << error.message();
    EXPECT_THAT(error.message(), HasSubstr("wants a client certificate"));
    EXPECT_NE(error.hint(), "");
    EXPECT_EQ(error.tls_alert(),
              version == TLS1_3_VERSION ? SSL_AD_CERTIFICATE_REQUIRED : SSL_AD_HANDSHAKE_FAILURE);
  }
}

} // namespace
} // namespace trust
