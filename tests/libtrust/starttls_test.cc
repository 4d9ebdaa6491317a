#include "libtrust/starttls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>

#include "libtrust/dial.h"
#include "libtrust/error.h"
#include "tests/libtrust/mint.h"
#include "tests/libtrust/peer.h"

namespace trust {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::Line;
using testing::mint;
using testing::Minted;
using testing::Server;

const Minted& sample() {
  static const Minted minted = mint({.common_name = "", .sans = {"IP:127.0.0.1"}, .ca = false});
  return minted;
}

DialOptions asking(StartTls protocol, std::chrono::milliseconds deadline = 10s) {
  DialOptions options;
  options.starttls = protocol;
  options.deadline = deadline;
  return options;
}

Error failure_of(const Server& server, const DialOptions& options) {
  try {
    dial(server.endpoint(), options);
  } catch (const Error& error) {
    return error;
  }
  return {Code::internal, "connected"};
}

// What a client says, up to the end of a line.
std::string line_of(const Line& line) {
  std::string said;
  while (!said.ends_with("\r\n")) {
    const std::string more = line.receive();
    if (more.empty()) break;
    said += more;
  }
  return said;
}

// A mail server that offers STARTTLS, and what it answers to it; then TLS.
Server::Behaviour smtp(const std::string& answer, const std::string& offer = "250-STARTTLS\r\n") {
  const Server::Behaviour then = testing::tls(sample());
  return [=](const Line& line) {
    line.send("220-mail.dev.test ESMTP\r\n220 at your service\r\n");
    EXPECT_EQ(line_of(line), "EHLO localhost\r\n");
    line.send("250-mail.dev.test\r\n" + offer + "250 8BITMIME\r\n");
    const std::string said = line_of(line);
    if (said.empty()) return;
    EXPECT_EQ(said, "STARTTLS\r\n");
    line.send(answer);
    then(line);
  };
}

Server::Behaviour imap(const std::string& greeting, const std::string& answer) {
  const Server::Behaviour then = testing::tls(sample());
  return [=](const Line& line) {
    line.send(greeting);
    const std::string said = line_of(line);
    if (said.empty()) return;
    EXPECT_EQ(said, "a1 STARTTLS\r\n");
    line.send(answer);
    then(line);
  };
}

Server::Behaviour postgres(const std::string& answer) {
  const Server::Behaviour then = testing::tls(sample());
  return [=](const Line& line) {
    std::string said;
    while (said.size() < 8) {
      const std::string more = line.receive();
      if (more.empty()) return;
      said += more;
    }
    EXPECT_EQ(said, std::string("\0\0\0\x08\x04\xd2\x16\x2f", 8));
    line.send(answer);
    then(line);
  };
}

TEST(StartTls, NamesAreReadAsTheyAreWritten) {
  for (const StartTls protocol : {StartTls::smtp, StartTls::imap, StartTls::postgres}) {
    EXPECT_EQ(parse_starttls(name_of(protocol)), protocol);
  }
  EXPECT_THROW(parse_starttls("SMTP"), Error);
  EXPECT_THROW(parse_starttls(""), Error);
  EXPECT_EQ(default_port(StartTls::postgres), 5432);
}

TEST(StartTls, BringsWhatAMailServerPresents) {
  const Server server(smtp("220 go ahead\r\n"));
  const Presented presented = dial(server.endpoint(), asking(StartTls::smtp));
  EXPECT_EQ(presented.chain.at(0).fingerprint(), sample().certificate.fingerprint());
}

TEST(StartTls, AnOfferIsReadInAnyCase) {
  const Server server(smtp("220\r\n", "250-StartTls\r\n"));
  EXPECT_EQ(dial(server.endpoint(), asking(StartTls::smtp)).chain.size(), 1U);
}

TEST(StartTls, BringsWhatAnImapServerPresents) {
  const Server server(
      imap("* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n", "* 3 EXISTS\r\na1 OK begin\r\n"));
  EXPECT_EQ(dial(server.endpoint(), asking(StartTls::imap)).chain.size(), 1U);
}

TEST(StartTls, BringsWhatAPostgresPresents) {
  const Server server(postgres("S"));
  EXPECT_EQ(dial(server.endpoint(), asking(StartTls::postgres)).chain.size(), 1U);
}

TEST(StartTls, BytesBehindTheAnswerAreRefused) {
  const std::string why = "sends more than it was asked for";
  {
    const Server server(smtp("220 go ahead\r\n250 injected\r\n"));
    EXPECT_THAT(failure_of(server, asking(StartTls::smtp)).message(), HasSubstr(why));
  }
  {
    const Server server(imap("* OK ready\r\n", "a1 OK begin\r\n* OK injected\r\n"));
    EXPECT_THAT(failure_of(server, asking(StartTls::imap)).message(), HasSubstr(why));
  }
  {
    const Server server(postgres("Sinjected"));
    EXPECT_THAT(failure_of(server, asking(StartTls::postgres)).message(), HasSubstr(why));
  }
}

TEST(StartTls, AnswersBeforeTheQuestionAreRefused) {
  const Server server([](const Line& line) {
    line.send("220 mail\r\n250-mail\r\n250 STARTTLS\r\n220 go ahead\r\n");
    line.wait_for_end();
  });
  EXPECT_THAT(failure_of(server, asking(StartTls::smtp)).message(),
              HasSubstr("sends more than it was asked for"));
}

TEST(StartTls, ServersWithoutTlsAreNamedWithWhatToDo) {
  {
    const Server server(smtp("", ""));
    const Error error = failure_of(server, asking(StartTls::smtp));
    EXPECT_EQ(error.code(), Code::tls);
    EXPECT_THAT(error.message(),
                AllOf(HasSubstr(server.endpoint().text()), HasSubstr("does not offer STARTTLS")));
    EXPECT_THAT(error.hint(), HasSubstr("switch TLS on"));
  }
  {
    const Server server(smtp("454 TLS not available\r\n"));
    EXPECT_THAT(failure_of(server, asking(StartTls::smtp)).message(),
                HasSubstr("454 TLS not available"));
  }
  {
    const Server server(imap("* OK ready\r\n", "a1 BAD what\r\n"));
    EXPECT_THAT(failure_of(server, asking(StartTls::imap)).message(), HasSubstr("a1 BAD what"));
  }
  {
    const Server server(imap("* PREAUTH welcome\r\n", ""));
    EXPECT_THAT(failure_of(server, asking(StartTls::imap)).message(), HasSubstr("PREAUTH"));
  }
  {
    const Server server(postgres("N"));
    EXPECT_THAT(failure_of(server, asking(StartTls::postgres)).hint(), HasSubstr("ssl = on"));
  }
  {
    const Server server(postgres("E"));
    EXPECT_THAT(failure_of(server, asking(StartTls::postgres)).message(), HasSubstr("refuses"));
  }
}

TEST(StartTls, AnotherProtocolIsSaidSo) {
  const Server server([](const Line& line) {
    line.send("SSH-2.0-\x1b[31m\r\n");
    line.wait_for_end();
  });
  for (const StartTls protocol : {StartTls::smtp, StartTls::imap}) {
    EXPECT_THAT(failure_of(server, asking(protocol)).message(),
                AllOf(HasSubstr("SSH-2.0-\\x1b[31m"), HasSubstr("does not answer in that")));
  }
}

TEST(StartTls, AServerThatTalksWithoutEndIsLeft) {
  {
    const Server server([](const Line& line) {
      for (int i = 0; i < 100; ++i) line.send("220-" + std::string(1000, 'x') + "\r\n");
      line.wait_for_end();
    });
    EXPECT_THAT(failure_of(server, asking(StartTls::smtp)).message(), HasSubstr("says too much"));
  }
  {
    const Server server([](const Line& line) {
      line.send(std::string(20'000, '*'));
      line.wait_for_end();
    });
    EXPECT_THAT(failure_of(server, asking(StartTls::imap)).message(), HasSubstr("too long"));
  }
}

TEST(StartTls, SilenceAndTheEndAreNamed) {
  {
    const Server server([](const Line& line) { line.stall(); });
    const Error error = failure_of(server, asking(StartTls::smtp, 50ms));
    EXPECT_EQ(error.code(), Code::timeout);
    EXPECT_THAT(error.message(), HasSubstr("in SMTP, before TLS"));
  }
  {
    const Server server([](const Line&) {});
    EXPECT_THAT(failure_of(server, asking(StartTls::imap)).message(),
                HasSubstr("closed the connection before TLS"));
  }
}

TEST(StartTls, OneDeadlineHoldsForPreludeAndHandshake) {
  const Server server([](const Line& line) {
    line.send("220 mail\r\n");
    line_of(line);
    line.send("250 STARTTLS\r\n");
    line_of(line);
    line.send("220 go ahead\r\n");
    line.stall();
  });
  const Error error = failure_of(server, asking(StartTls::smtp, 200ms));
  EXPECT_EQ(error.code(), Code::timeout);
  EXPECT_THAT(error.message(), HasSubstr("in the TLS handshake"));
}

TEST(StartTls, WhoDialsAMailServerInTlsIsToldTheOption) {
  const Server server([](const Line& line) {
    line.send("220 mail.dev.test ESMTP\r\n");
    line.wait_for_end();
  });
  EXPECT_THAT(failure_of(server, {}).hint(), HasSubstr("--starttls smtp"));
}

std::optional<std::string_view> no_loopback(const Host& address) {
  if (address.text().starts_with("127.") || address.text() == "::1") return "loopback";
  return std::nullopt;
}

TEST(Dial, AddressesThatAreRefusedAreNotDialled) {
  bool reached = false;
  const Server server([&](const Line&) { reached = true; });
  DialOptions options;
  options.refused = no_loopback;
  for (const char* name : {"127.0.0.1", "localhost", "::ffff:127.0.0.1"}) {
    try {
      dial({Host::parse(name), server.port()}, options);
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::forbidden) << name;
      EXPECT_THAT(error.message(), HasSubstr("is not dialled")) << name;
    }
  }
  EXPECT_FALSE(reached);
}

TEST(Dial, LocalAndManyFoldAddressesAreKnownInEveryDress) {
  for (const char* text :
       {"0.0.0.0", "0.1.2.3", "169.254.169.254", "224.0.0.1", "239.255.255.250", "255.255.255.255",
        "::", "fe80::1", "febf::1", "ff02::1", "::ffff:169.254.169.254", "::ffff:0.0.0.0",
        "64:ff9b::a9fe:a9fe", "64:ff9b::e000:1", "2002:a9fe:a9fe::1", "::169.254.169.254"}) {
    EXPECT_TRUE(local_or_many(Host::parse(text))) << text;
  }
  for (const char* text : {"127.0.0.1", "::1", "10.0.0.1", "192.168.1.172", "172.16.0.1", "8.8.8.8",
                           "2001:db8::1", "fd00::1", "64:ff9b::808:808", "2002:808:808::1"}) {
    EXPECT_FALSE(local_or_many(Host::parse(text))) << text;
  }
}

} // namespace
} // namespace trust
