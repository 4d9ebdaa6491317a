#include "libtrust/dial.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>

#include "libtrust/error.h"
#include "libtrust/tcp.h"
#include "tests/libtrust/mint.h"
#include "tests/libtrust/peer.h"

namespace trust {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using testing::Key;
using testing::Line;
using testing::mint;
using testing::Minted;
using testing::Server;
using testing::tls;

const Minted& sample() {
  static const Minted minted = mint({.common_name = "", .sans = {"IP:127.0.0.1"}, .ca = false});
  return minted;
}

Error failure_of(const Endpoint& endpoint, std::chrono::milliseconds deadline = 10s) {
  try {
    dial(endpoint, deadline);
  } catch (const Error& error) {
    EXPECT_EQ(ERR_peek_error(), 0U);
    return error;
  }
  return {Code::internal, "connected"};
}

TEST(Dial, BringsWhatTheServerPresents) {
  const Server server(tls(sample()));
  const Presented presented = dial(server.endpoint());
  ASSERT_EQ(presented.chain.size(), 1U);
  EXPECT_EQ(presented.chain[0].fingerprint(), sample().certificate.fingerprint());
  EXPECT_EQ(presented.endpoint.text(), server.endpoint().text());
  EXPECT_EQ(presented.address, "127.0.0.1");
  EXPECT_EQ(presented.tls_version, "TLSv1.3");
  EXPECT_THAT(presented.cipher, HasSubstr("TLS_"));
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(Dial, BringsTheChainInTheOrderSent) {
  const Minted root = mint({.common_name = "Root", .ca = true});
  const Minted middle = mint({.common_name = "Middle", .ca = true}, &root);
  const Minted leaf = mint({.sans = {"IP:127.0.0.1"}}, &middle);
  const Server server(tls(leaf, {.chain = {middle.certificate, root.certificate}}));
  const Presented presented = dial(server.endpoint());
  ASSERT_EQ(presented.chain.size(), 3U);
  EXPECT_EQ(presented.chain[1].common_name(), "Middle");
  EXPECT_EQ(presented.chain[2].common_name(), "Root");
}

TEST(Dial, TrustsNothingAndSoTakesWhatNobodyShouldTrust) {
  const UnixTime now = system_clock_now();
  for (const Minted& minted :
       {mint({.not_before = now - 20 * testing::kDay, .not_after = now - testing::kDay}),
        mint({.sans = {"DNS:other.test"}, .ca = true}), mint({.key = Key::rsa(1024)}),
        mint({.key = Key::ed25519()})}) {
    const Server server(tls(minted));
    EXPECT_EQ(dial(server.endpoint()).chain.at(0).fingerprint(), minted.certificate.fingerprint());
  }
}

TEST(Dial, AnnouncesNamesAndNeverAddresses) {
  std::string asked;
  const Server server([&](const Line& line) {
    asked = line.receive();
    line.send("no\n");
    line.wait_for_end();
  });
  failure_of(server.endpoint());
  EXPECT_EQ(asked.find("127.0.0.1"), std::string::npos);
  failure_of(Endpoint::parse("localhost", server.port()));
  EXPECT_NE(asked.find("localhost"), std::string::npos);
  try {
    dial(server.endpoint(), 10s, Host::parse("api.dev.test"));
  } catch (const Error&) {
  }
  EXPECT_NE(asked.find("api.dev.test"), std::string::npos);
}

TEST(Dial, SaysNothingAfterTheHandshake) {
  std::string heard = "not yet";
  const std::shared_ptr<SSL_CTX> context(testing::tls_context(sample()));
  {
    const Server server([&](const Line& line) {
      const SslPtr ssl(SSL_new(context.get()));
      SSL_set_fd(ssl.get(), line.fd());
      ASSERT_EQ(SSL_accept(ssl.get()), 1);
      heard = line.receive();
    });
    dial(server.endpoint());
  }
  EXPECT_EQ(heard, "") << "neither data nor a closing alert";
}

TEST(Dial, TakesTheChainOfAServerThatWantsAClientCertificate) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const Server server(tls(sample(), {.max_version = version, .wants_client_certificate = true}));
    const Presented presented = dial(server.endpoint());
    EXPECT_EQ(presented.chain.at(0).fingerprint(), sample().certificate.fingerprint());
    EXPECT_EQ(presented.tls_version, version == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");
    EXPECT_NE(presented.cipher, "");
  }
}

TEST(Dial, SaysThatNobodyListens) {
  Port port = 0;
  {
    const Server gone([](const Line&) {});
    port = gone.port();
  }
  const Error error = failure_of(Endpoint::parse("127.0.0.1", port));
  EXPECT_EQ(error.code(), Code::connect);
  EXPECT_EQ(error.message(),
            "cannot connect to 127.0.0.1:" + std::to_string(port) + ": Connection refused");
  EXPECT_THAT(error.hint(), HasSubstr("is the server running"));
}

TEST(Dial, TriesTheNextAddressOfAName) {
  const Server server(tls(sample())); // on 127.0.0.1; localhost may be ::1 first
  EXPECT_EQ(dial(Endpoint::parse("localhost", server.port())).address, "127.0.0.1");
}

TEST(Dial, ANameThatDoesNotExistIsToldInTime) {
  const auto begin = std::chrono::steady_clock::now();
  const Error error = failure_of(Endpoint::parse("no-such-host.invalid:443", 443), 1s);
  EXPECT_TRUE(error.code() == Code::resolve || error.code() == Code::timeout) << error.message();
  EXPECT_THAT(error.message(), HasSubstr("no-such-host.invalid"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 8s);
}

TEST(Dial, KeepsItsDeadlineWhereverTheServerStalls) {
  const auto in_time = [](const Endpoint& endpoint) {
    const auto begin = std::chrono::steady_clock::now();
    const Error error = failure_of(endpoint, 100ms);
    EXPECT_EQ(error.code(), Code::timeout) << error.message();
    EXPECT_THAT(error.message(), HasSubstr("within 100 ms (in the TLS handshake)"));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
  };
  in_time(Server([](const Line& line) { line.stall(); }).endpoint());
  for (const std::size_t bytes : {1U, 5U, 60U, 130U, 400U}) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      const Server server(testing::tls_cut_off(sample(), bytes, {.max_version = version}));
      in_time(server.endpoint());
    }
  }
}

TEST(Dial, KeepsItsDeadlineWhileBytesDrip) {
  const Server server([](const Line& line) {
    line.receive();
    // A record of 16 KiB whose bytes come one at a time.
    line.send(std::string("\x16\x03\x03\x40\x00", 5));
    while (!line.ends_within(5)) line.send("\x02");
  });
  const auto begin = std::chrono::steady_clock::now();
  const Error error = failure_of(server.endpoint(), 200ms);
  EXPECT_EQ(error.code(), Code::timeout) << error.message();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

TEST(Dial, KeepsItsDeadlineWhileConnecting) {
  // A listener whose queue is full drops what else comes.
  const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(listener.get(), 0), 0);
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length);
  std::vector<Fd> fillers;
  for (int i = 0; i < 4; ++i) {
    fillers.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    (void)::connect(fillers.back().get(), reinterpret_cast<sockaddr*>(&address), length);
  }
  const Error error = failure_of(Endpoint::parse("127.0.0.1", ntohs(address.sin_port)), 200ms);
  EXPECT_EQ(error.code(), Code::timeout) << error.message();
  EXPECT_THAT(error.message(), HasSubstr("while connecting"));
}

TEST(Dial, SaysWhatAnswersInPlaceOfTls) {
  struct Row {
    std::string answer;
    const char* says;
  };
  for (const Row& row : {
           Row{"HTTP/1.1 400 Bad Request\r\n\r\n", "it answered with plain HTTP"},
           Row{"<!DOCTYPE HTML>", "it answered with plain HTTP"},
           Row{"SSH-2.0-OpenSSH_9.2\r\n", "it answered with SSH"},
           Row{"220 mail.test ESMTP\r\n", "mail or FTP"},
           Row{"\x1b[2J\r\n", "it answered with \"\\x1b[2J\""},
       }) {
    const Server server([&](const Line& line) {
      line.receive();
      line.send(row.answer);
      line.wait_for_end();
    });
    const Error error = failure_of(server.endpoint());
    EXPECT_EQ(error.code(), Code::tls);
    EXPECT_THAT(error.message(), HasSubstr("does not speak TLS"));
    EXPECT_THAT(error.message(), HasSubstr(row.says));
    EXPECT_NE(error.hint(), "");
  }
}

TEST(Dial, SaysThatTheServerClosed) {
  const Server polite([](const Line& line) { line.receive(); });
  EXPECT_THAT(failure_of(polite.endpoint()).message(),
              HasSubstr("closed the connection during the handshake"));
  const Server rude([](const Line&) {});
  const Error error = failure_of(rude.endpoint());
  EXPECT_EQ(error.code(), Code::tls);
  EXPECT_THAT(error.message(), HasSubstr("during the handshake"));
}

TEST(Dial, SaysThatTheServerIsTooOld) {
  for (const int version : {TLS1_VERSION, TLS1_1_VERSION}) {
    const Server server(
        tls(mint({.key = Key::rsa()}), {.min_version = version, .max_version = version}));
    const Error error = failure_of(server.endpoint());
    EXPECT_EQ(error.code(), Code::tls);
    EXPECT_THAT(error.message(), HasSubstr("neither TLS 1.2 nor 1.3"));
  }
}

TEST(Dial, HoldsTheLimitsOfAChain) {
  std::vector<Certificate> rest(31, sample().certificate);
  {
    const Server server(tls(sample(), {.chain = rest}));
    EXPECT_EQ(dial(server.endpoint()).chain.size(), 32U);
  }
  rest.push_back(sample().certificate);
  {
    const Server server(tls(sample(), {.chain = rest}));
    const Error error = failure_of(server.endpoint());
    EXPECT_EQ(error.code(), Code::tls);
    EXPECT_THAT(error.message(), HasSubstr("presents 33 certificates; 32 are the most"));
  }
  std::string value = "DER:0483010000";
  for (int i = 0; i < 65536; ++i) value += "00";
  const Certificate fat = mint({.extensions = {{"1.2.3.4", value}}}).certificate;
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const Server server(tls(sample(), {.max_version = version, .chain = {fat, fat}}));
    const Error error = failure_of(server.endpoint());
    EXPECT_EQ(error.code(), Code::tls);
    EXPECT_THAT(error.message(), HasSubstr("more than 100 KiB"));
  }
}

TEST(Dial, KeepsTheErrorsThatTheCallerHad) {
  const Server server([](const Line& line) { line.receive(); });
  ERR_raise_data(ERR_LIB_USER, 7, "mine");
  try {
    dial(server.endpoint());
  } catch (const Error&) {
  }
  const char* data = nullptr;
  EXPECT_EQ(ERR_GET_REASON(ERR_get_error_all(nullptr, nullptr, nullptr, &data, nullptr)), 7);
  EXPECT_STREQ(data, "mine");
  EXPECT_EQ(ERR_peek_error(), 0U);
}

} // namespace
} // namespace trust
