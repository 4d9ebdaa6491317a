// Servers that misbehave, one way each: every one has a status, a sentence and, where something
// can be done, a hint of its own, and none holds a connection past its deadline.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <map>
#include <set>

#include "libtrust/connection.h"
#include "libtrust/error.h"
#include "tests/libtrust/live_store.h"
#include "tests/libtrust/peer.h"

namespace trust {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using testing::kDay;
using testing::Key;
using testing::Line;
using testing::LiveStore;
using testing::mint;
using testing::Mint;
using testing::Minted;
using testing::Server;
using testing::tls;
using testing::tls_context;
using testing::tls_talk;
using testing::TlsLine;
using testing::TlsOptions;

constexpr auto kDeadline = 400ms;

struct Outcome {
  std::optional<Code> code;       // none: it was trusted
  std::optional<Verdict> verdict; // of one that was refused
  std::string message;
  std::string hint;
  int alert = 0;
};

class MisbehavingTest : public ::testing::Test {
 protected:
  MisbehavingTest() {
    live_.add(root_, Trust::root).publish();
    connector_ = std::make_unique<Connector>(live_.open());
  }

  static Minted authority(const std::string& name, const Minted* issuer = nullptr,
                          std::vector<std::pair<std::string, std::string>> extensions = {}) {
    return mint({.common_name = name,
                 .ca = true,
                 .key_usage = "critical,keyCertSign,cRLSign",
                 .extensions = std::move(extensions)},
                issuer);
  }
  static Mint like_a_server() {
    return {.common_name = "dev.test", .sans = {"DNS:dev.test"}, .ca = false};
  }

  // Connects, reads until the end, and says how that went. Never later than the deadline.
  Outcome outcome_of(const Server& server, ConnectionConfig config = {}) {
    config.server_name = Host::parse("dev.test");
    config.io_timeout = kDeadline;
    if (config.connect_timeout == 10s) config.connect_timeout = kDeadline;
    const auto begin = std::chrono::steady_clock::now();
    Outcome outcome;
    try {
      const auto connection = connector_->connect(server.endpoint(), config);
      std::array<std::uint8_t, 1000> buffer{};
      while (connection->read(buffer).progress != Progress::end) {
      }
    } catch (const Refused& refused) {
      outcome = {refused.code(), refused.peer()->judgement.verdict, refused.message(),
                 refused.hint(), refused.tls_alert()};
      EXPECT_EQ(refused.code(), Code::not_trusted);
      EXPECT_EQ(refused.peer()->host.text(), "dev.test");
      EXPECT_EQ(refused.peer()->port, server.port());
    } catch (const Error& error) {
      outcome = {error.code(), {}, error.message(), error.hint(), error.tls_alert()};
    }
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
    EXPECT_EQ(ERR_peek_error(), 0U);
    return outcome;
  }
  // Greets whoever is content with it, and ends as one should.
  static Server::Behaviour greet(const Minted& server, const TlsOptions& options = {}) {
    return tls_talk(tls_context(server, options), [](TlsLine& line) {
      line.write("welcome");
      line.close();
      line.line().wait_for_end();
    });
  }

  LiveStore live_;
  Minted root_ = authority("Test Root");
  std::unique_ptr<Connector> connector_;
};

TEST_F(MisbehavingTest, WhoeverIsNotTrustedIsToldWhy) {
  const UnixTime now = system_clock_now();
  const Minted middle = authority("Middle", &root_), low = authority("Low", &middle);
  const Minted foreign = authority("Foreign Root");
  const Minted narrow =
      authority("Narrow", &root_, {{"nameConstraints", "critical,permitted;DNS:other.test"}});
  const auto changed = [](auto change) {
    Mint what = like_a_server();
    change(what);
    return what;
  };
  const auto ended = changed([&](Mint& m) {
    m.not_before = now - 9 * kDay;
    m.not_after = now - kDay;
  });
  const auto early = changed([&](Mint& m) {
    m.not_before = now + kDay;
    m.not_after = now + 9 * kDay;
  });
  const auto wrong_host = changed([](Mint& m) {
    m.common_name = "other.test";
    m.sans = {"DNS:other.test"};
  });
  const auto wrong_usage = changed([](Mint& m) {
    m.extensions = {{"extendedKeyUsage", "clientAuth"}};
  });
  const auto sha1 = changed([](Mint& m) { m.digest = "SHA1"; });
  const auto small = changed([](Mint& m) { m.key = Key::rsa(1024); });
  const auto huge = changed([](Mint& m) { m.key = Key::rsa_in_appearance(16384); });
  // What cannot sign presents itself all the same where the server only decrypts.
  const TlsOptions decrypts{.max_version = TLS1_2_VERSION, .ciphers = "kRSA:@SECLEVEL=0"};
  const std::vector<Certificate> thirty_one(31, root_.certificate),
      thirty_two(32, root_.certificate);

  struct Row {
    const char* name;
    Minted server;
    TlsOptions options;
    std::optional<Verdict> verdict; // none: it is trusted
    const char* says;
  };
  const std::vector<Row> rows{
      {"expired", mint(ended, &root_), {}, Verdict::expired, "ended on"},
      {"not yet valid", mint(early, &root_), {}, Verdict::not_yet_valid, "is valid from"},
      {"wrong host", mint(wrong_host, &root_), {}, Verdict::name_mismatch, "dev.test"},
      {"self-signed", mint(like_a_server()), {}, Verdict::self_signed, "signed by itself"},
      {"unknown issuer", mint(like_a_server(), &foreign), {}, Verdict::unknown_issuer, ""},
      {"unknown issuer, presented",
       mint(like_a_server(), &foreign),
       {.chain = {foreign.certificate}},
       Verdict::unknown_issuer,
       ""},
      {"incomplete chain",
       mint(like_a_server(), &low),
       {.chain = {low.certificate}},
       Verdict::unknown_issuer,
       ""},
      {"reversed order",
       mint(like_a_server(), &low),
       {.chain = {root_.certificate, middle.certificate, low.certificate}},
       {},
       ""},
      {"wrong usage", mint(wrong_usage, &root_), {}, Verdict::bad_chain, ""},
      {"SHA-1", mint(sha1, &root_), {}, Verdict::weak, "SHA"},
      {"RSA-1024", mint(small, &root_), {}, Verdict::weak, "1024"},
      {"RSA-16384", mint(huge, &root_), decrypts, Verdict::weak, "16384"},
      {"name constraint broken",
       mint(like_a_server(), &narrow),
       {.chain = {narrow.certificate}},
       Verdict::bad_chain,
       ""},
      {"32 certificates", mint(like_a_server(), &root_), {.chain = thirty_one}, {}, ""},
      {"33 certificates",
       mint(like_a_server(), &root_),
       {.chain = thirty_two},
       Verdict::bad_chain,
       "32"},
  };
  std::map<std::string, std::string> said;
  for (const Row& row : rows) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      if (row.options.max_version == TLS1_2_VERSION && version == TLS1_3_VERSION) continue;
      SCOPED_TRACE(row.name);
      TlsOptions options = row.options;
      options.max_version = version;
      const Server server(greet(row.server, options));
      ConnectionConfig config;
      config.connect_timeout = 9s; // these do not stall
      const Outcome outcome = outcome_of(server, config);
      if (!row.verdict) {
        EXPECT_EQ(outcome.code, std::nullopt) << outcome.message;
        continue;
      }
      ASSERT_TRUE(outcome.verdict) << outcome.message;
      EXPECT_EQ(facts(*outcome.verdict).name, facts(*row.verdict).name) << outcome.message;
      EXPECT_THAT(outcome.message, HasSubstr(row.says));
      EXPECT_THAT(outcome.message, HasSubstr("dev.test"));
      EXPECT_NE(outcome.alert, 0) << "the server was told";
      EXPECT_NE(outcome.hint, "");
      // Each its own, and the same by whichever version of TLS.
      const auto [kept, is_new] = said.try_emplace(outcome.message, row.name);
      EXPECT_EQ(kept->second, row.name) << outcome.message;
    }
  }
  EXPECT_EQ(said.size(), rows.size() - 2) << "two are trusted";
}

TEST_F(MisbehavingTest, WhoeverStallsIsATimeoutAtEachStep) {
  const Minted leaf = mint(like_a_server(), &root_);
  std::vector<Server::Behaviour> stalls{[](const Line& line) { line.stall(); }};
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION})
    for (const std::size_t bytes : {0U, 1U, 5U, 60U, 130U, 400U, 700U})
      stalls.push_back(testing::tls_cut_off(leaf, bytes, {.max_version = version}));
  for (std::size_t i = 0; i < stalls.size(); ++i) {
    SCOPED_TRACE(i);
    const Server server(stalls[i]);
    ConnectionConfig config;
    config.connect_timeout = 100ms;
    const Outcome outcome = outcome_of(server, config);
    EXPECT_EQ(outcome.code, Code::timeout) << outcome.message;
    EXPECT_THAT(outcome.message, HasSubstr("did not answer within 100 ms"));
  }
}

TEST_F(MisbehavingTest, WhoeverClosesIsToldApartAtEachStep) {
  const Minted leaf = mint(like_a_server(), &root_);
  std::vector<Server::Behaviour> closes{[](const Line& line) { line.receive(); }};
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION})
    for (const std::size_t bytes : {1U, 5U, 60U, 130U, 400U, 700U})
      closes.push_back(testing::tls_broken_off(leaf, bytes, {.max_version = version}));
  for (std::size_t i = 0; i < closes.size(); ++i) {
    SCOPED_TRACE(i);
    const Server server(closes[i]);
    const Outcome outcome = outcome_of(server);
    EXPECT_EQ(outcome.code, Code::tls) << outcome.message;
    // "closed the connection", or, if it did so before it had read all of ours, "broke off".
    EXPECT_THAT(outcome.message, HasSubstr("during the handshake"));
    EXPECT_NE(outcome.hint, "");
  }
}

TEST_F(MisbehavingTest, WhoeverTruncatesIsNotBelieved) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const std::shared_ptr<SSL_CTX> context(
        tls_context(mint(like_a_server(), &root_), {.max_version = version}));
    const Server server(tls_talk(context, [](TlsLine& line) { line.write("half of "); }));
    const Outcome outcome = outcome_of(server);
    EXPECT_EQ(outcome.code, Code::truncated) << outcome.message;
    EXPECT_THAT(outcome.message, HasSubstr("data may be missing"));
  }
}

TEST_F(MisbehavingTest, WhoeverStallsLaterIsATimeoutToo) {
  const std::shared_ptr<SSL_CTX> context(tls_context(mint(like_a_server(), &root_)));
  const Server server(tls_talk(context, [](TlsLine& line) { line.line().stall(); }));
  const Outcome outcome = outcome_of(server);
  EXPECT_EQ(outcome.code, Code::timeout);
  EXPECT_THAT(outcome.message, HasSubstr("said nothing for 400 ms"));
}

TEST_F(MisbehavingTest, WhoeverRenegotiatesIsNotFollowed) {
  const std::shared_ptr<SSL_CTX> context(
      tls_context(mint(like_a_server(), &root_), {.max_version = TLS1_2_VERSION}));
  std::atomic<bool> was_done = false;
  Outcome outcome;
  {
    const Server server(tls_talk(context, [&](TlsLine& line) {
      SSL_renegotiate(line.ssl());
      SSL_do_handshake(line.ssl()); // asks
      line.read();                  // the client would begin
      was_done = SSL_renegotiate_pending(line.ssl()) == 0 && SSL_in_init(line.ssl()) == 0 &&
                 SSL_num_renegotiations(line.ssl()) > 0 && ERR_peek_error() == 0;
      line.line().stall();
    }));
    outcome = outcome_of(server);
  }
  EXPECT_TRUE(outcome.code == Code::timeout || outcome.code == Code::truncated ||
              outcome.code == Code::tls)
      << outcome.message;
  EXPECT_FALSE(was_done);
}

TEST_F(MisbehavingTest, WhoeverIsTooOldIsNotSpokenTo) {
  for (const int version : {TLS1_VERSION, TLS1_1_VERSION}) {
    Mint what = like_a_server();
    what.key = Key::rsa();
    const Server server(
        greet(mint(what, &root_), {.min_version = version, .max_version = version}));
    const Outcome outcome = outcome_of(server);
    EXPECT_EQ(outcome.code, Code::tls);
    EXPECT_THAT(outcome.message, HasSubstr("neither TLS 1.2 nor 1.3"));
    EXPECT_NE(outcome.hint, "");
    EXPECT_EQ(outcome.alert, SSL_AD_PROTOCOL_VERSION);
  }
}

TEST_F(MisbehavingTest, WhoeverChangesItsKeyOnResumptionIsJudgedAnew) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const Minted leaf = mint(like_a_server(), &root_), other = mint(like_a_server(), &root_);
    ConnectionConfig config;
    config.judge.pins = {Pin::of(leaf.certificate)};
    Port port = 0;
    {
      const Server server(greet(leaf, {.max_version = version}));
      port = server.port();
      EXPECT_EQ(outcome_of(server, config).code, std::nullopt); // and has a session
    }
    const Server server(greet(other, {.max_version = version}), "127.0.0.1", false, port);
    const Outcome outcome = outcome_of(server, config);
    EXPECT_EQ(outcome.verdict, Verdict::pin_mismatch) << outcome.message;
  }
}

TEST_F(MisbehavingTest, WhoeverSpeaksSomethingElseIsNamed) {
  const Server server([](const Line& line) {
    line.receive();
    line.send("HTTP/1.1 400 Bad Request\r\n\r\n");
    line.wait_for_end();
  });
  const Outcome outcome = outcome_of(server);
  EXPECT_EQ(outcome.code, Code::tls);
  EXPECT_THAT(outcome.message, HasSubstr("plain HTTP"));
}

TEST_F(MisbehavingTest, WhoeverSendsMoreThanACertificateHoldsIsStopped) {
  std::string value = "DER:0483010000";
  for (int i = 0; i < 65536; ++i) value += "00";
  const Certificate fat = mint({.extensions = {{"1.2.3.4", value}}}).certificate;
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const Server server(
        greet(mint(like_a_server(), &root_), {.max_version = version, .chain = {fat, fat}}));
    ConnectionConfig config;
    config.connect_timeout = 9s;
    const Outcome outcome = outcome_of(server, config);
    EXPECT_EQ(outcome.code, Code::tls);
    EXPECT_THAT(outcome.message, HasSubstr("more than 100 KiB"));
  }
}

} // namespace
} // namespace trust
