#include "libtrust/report.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <map>

#include "libtrust/error.h"
#include "tests/libtrust/mint.h"
#include "tests/libtrust/scratch.h"

namespace trust {
namespace {

using testing::Minted;

Environment environment_of(std::map<std::string, std::string, std::less<>> variables) {
  return [variables = std::move(variables)](std::string_view name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };
}

Judgement judgement_of(const Minted& leaf, Verdict verdict, PinStatus pins) {
  Judgement judgement;
  judgement.verdict = verdict;
  judgement.pin_status = pins;
  judgement.path = {leaf.certificate};
  return judgement;
}

// The daemon's end.
class Receiver {
 public:
  explicit Receiver(const std::string& path)
      : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  std::string receive() const {
    std::string text(kMaxReportBytes + 1, '\0');
    const ssize_t length = ::recv(fd_.get(), text.data(), text.size(), 0);
    text.resize(length < 0 ? 0 : static_cast<std::size_t>(length));
    return text;
  }

 private:
  Fd fd_;
};

const Minted& leaf() {
  static const Minted minted = testing::mint({.sans = {"DNS:dev.test"}});
  return minted;
}

Report a_report() {
  return {Report::Kind::pin_mismatch, Host::parse("dev.test"), 8443,
          leaf().certificate.fingerprint(), Pin::of(leaf().certificate)};
}

TEST(ReportTest, OnlyAMismatchAndAReportOnlyMissAreReported) {
  const Host host = Host::parse("dev.test");
  const auto kind = [&](Verdict verdict, PinStatus pins) -> std::optional<Report::Kind> {
    const auto report = report_of(judgement_of(leaf(), verdict, pins), host, 8443);
    if (!report) return std::nullopt;
    return report->kind;
  };
  EXPECT_EQ(kind(Verdict::pin_mismatch, PinStatus::mismatch), Report::Kind::pin_mismatch);
  EXPECT_EQ(kind(Verdict::ok, PinStatus::reported), Report::Kind::report_only);
  EXPECT_EQ(kind(Verdict::ok, PinStatus::match), std::nullopt);
  EXPECT_EQ(kind(Verdict::ok, PinStatus::none), std::nullopt);
  EXPECT_EQ(kind(Verdict::expired, PinStatus::reported), std::nullopt);
  EXPECT_EQ(kind(Verdict::unknown_issuer, PinStatus::none), std::nullopt);
  EXPECT_EQ(report_of(Judgement{}, host, 8443), std::nullopt) << "nothing was presented";
}

TEST(ReportTest, IsReadAsItWasWritten) {
  for (const Report::Kind kind : {Report::Kind::pin_mismatch, Report::Kind::report_only}) {
    Report report = a_report();
    report.kind = kind;
    const std::string text = report_text(report);
    EXPECT_LE(text.size(), kMaxReportBytes);
    const Report read = parse_report(text);
    EXPECT_EQ(read.kind, kind);
    EXPECT_EQ(read.host, report.host);
    EXPECT_EQ(read.port, report.port);
    EXPECT_EQ(read.fingerprint, report.fingerprint);
    EXPECT_EQ(read.pin, report.pin);
  }
}

TEST(ReportTest, TheLongestHostFits) {
  Report report = a_report();
  const std::string label(63, 'a');
  report.host = Host::parse(label + "." + label + "." + label + "." + std::string(59, 'a') + ".t");
  EXPECT_LE(report_text(report).size(), kMaxReportBytes);
}

TEST(ReportTest, MembersOfALaterVersionAreIgnored) {
  std::string text = report_text(a_report());
  text.insert(1, R"("library":"2.0.0",)");
  EXPECT_EQ(parse_report(text).host.text(), "dev.test");
}

TEST(ReportTest, WhatIsNoReportIsRefused) {
  const std::string good = report_text(a_report());
  const auto with = [&](const std::string& what, const std::string& instead) {
    std::string text = good;
    text.replace(text.find(what), what.size(), instead);
    return text;
  };
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string("{}"),
        std::string(4000, '['), with("pin_mismatch", "trust_me"), with("dev.test", ".dev.test"),
        with("8443", "65536"), with("8443", "-1"), with("8443", "\"8443\""),
        with("sha256/", "sha1/"), with("\"fingerprint\"", "\"finger\""), good + "x"}) {
    EXPECT_THROW(parse_report(text), Error) << text;
  }
  try {
    parse_report(std::string(kMaxReportBytes + 1, ' '));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::too_large);
  }
}

TEST(ReportTest, GoesBesideTheSocketOfTheStoresDaemon) {
  const Scratch scratch;
  const auto home = [&](std::map<std::string, std::string, std::less<>> more) {
    more["HOME"] = "/home/u";
    return environment_of(more);
  };
  EXPECT_EQ(report_socket_of_store("/var/lib/trustd/public", home({})), "/run/trustd/report.sock");
  EXPECT_EQ(
      report_socket_of_store("/var/lib/trustd/public/", home({{"TRUSTD_SOCKET", "/x/t.sock"}})),
      "/run/trustd/report.sock");
  EXPECT_EQ(report_socket_of_store("/home/u/.local/state/trustd/public", home({})),
            "/home/u/.local/state/trustd/report.sock");
  EXPECT_EQ(report_socket_of_store("/home/u/.local/state/trustd/public",
                                   home({{"XDG_RUNTIME_DIR", scratch.path()}})),
            scratch.path("trustd/report.sock"));
  EXPECT_EQ(report_socket_of_store("/srv/state/public", home({})), "/srv/state/report.sock");
  EXPECT_EQ(report_socket_of_store("/srv/state/public", home({{"TRUSTD_SOCKET", "/x/t.sock"}})),
            "/x/report.sock");
  EXPECT_EQ(
      report_socket_of_store("/srv/state/public", home({{"TRUSTD_SOCKET", "http://127.0.0.1:9"}})),
      "/srv/state/report.sock");
}

TEST(ReportTest, ArrivesWhole) {
  const Scratch scratch;
  const Receiver receiver(scratch.path("report.sock"));
  EXPECT_TRUE(send_report(a_report(), scratch.path("report.sock")));
  EXPECT_EQ(receiver.receive(), report_text(a_report()));
}

TEST(ReportTest, NobodyThereIsNoFault) {
  const Scratch scratch;
  scratch.write("file", "");
  errno = 4242;
  EXPECT_FALSE(send_report(a_report(), scratch.path("none.sock")));
  EXPECT_FALSE(send_report(a_report(), scratch.path("file")));
  EXPECT_FALSE(send_report(a_report(), "/" + std::string(200, 'x')));
  EXPECT_FALSE(send_report(a_report(), ""));
  EXPECT_EQ(errno, 4242);
}

TEST(ReportTest, AFullSocketNeverBlocks) {
  const Scratch scratch;
  const Receiver receiver(scratch.path("report.sock"));
  bool taken = true;
  for (int i = 0; i < 100'000 && taken; ++i) {
    taken = send_report(a_report(), scratch.path("report.sock"));
  }
  EXPECT_FALSE(taken) << "it never filled";
  EXPECT_EQ(receiver.receive(), report_text(a_report()));
}

} // namespace
} // namespace trust
