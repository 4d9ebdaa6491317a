#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libtrust/judge.h"
#include "tests/libtrust/judged.h"
#include "tests/libtrust/mint.h"

namespace trust {
namespace {

using ::testing::HasSubstr;
using testing::Judged;
using testing::mint;
using testing::Minted;
using Mode = PinRow::Mode;
using Position = PinRow::Position;

// A leaf of a root that is trusted, and a key that is in no path.
class PinningTest : public ::testing::Test {
 protected:
  PinningTest() { store_.base(top_.certificate); }

  Judgement judge(const JudgeOptions& options = {}, Port port = 443) {
    return store_.judge({leaf_.certificate}, "api.dev.test", options, now_, port);
  }

  const UnixTime now_ = system_clock_now();
  const Minted top_ =
      mint({.common_name = "Root", .ca = true, .key_usage = "critical,keyCertSign,cRLSign"});
  const Minted leaf_ =
      mint({.common_name = "api.dev.test", .sans = {"DNS:api.dev.test"}, .ca = false}, &top_);
  const Minted other_ = mint({.common_name = "other"});
  Judged store_;
};

TEST_F(PinningTest, AnyKeyOfThePathMatchesTheAnchorsIncluded) {
  store_.pin("api.dev.test", top_.certificate);
  const Judgement judged = judge();
  EXPECT_EQ(judged.verdict, Verdict::ok);
  EXPECT_EQ(judged.pin_status, PinStatus::match);
  ASSERT_EQ(judged.pins.size(), 1U);
}

TEST_F(PinningTest, AKeyThatIsNotInThePathIsAMismatch) {
  store_.pin("api.dev.test", other_.certificate);
  const Judgement judged = judge();
  EXPECT_EQ(judged.verdict, Verdict::pin_mismatch);
  EXPECT_EQ(judged.pin_status, PinStatus::mismatch);
  EXPECT_EQ(judged.trusted_by, TrustedBy::nothing);
  EXPECT_THAT(judged.detail, HasSubstr("none of the keys pinned for api.dev.test"));
  EXPECT_EQ(judged.hint, "trustctl pin list api.dev.test");
}

TEST_F(PinningTest, AnActiveAndABackupPinServeAlike) {
  store_.pin("api.dev.test", other_.certificate)
      .pin("api.dev.test", leaf_.certificate, {.role = PinRow::Role::backup});
  EXPECT_EQ(judge().pin_status, PinStatus::match);
}

TEST_F(PinningTest, APinOfTheLeafIsNotMatchedByItsCa) {
  store_.pin("api.dev.test", top_.certificate, {.position = Position::leaf});
  EXPECT_EQ(judge().verdict, Verdict::pin_mismatch);
  store_.pin("api.dev.test", leaf_.certificate, {.position = Position::leaf});
  EXPECT_EQ(judge().verdict, Verdict::ok);
}

TEST_F(PinningTest, TheMostSpecificPatternCountsAndSetsAreNotMerged) {
  // Each is more specific than those before it; only the last one's key decides.
  const char* const patterns[] = {"**.test",         "**.dev.test",  "*.dev.test",
                                  "**.api.dev.test", "api.dev.test", "api.dev.test:443"};
  bool good = true;
  for (const char* pattern : patterns) {
    store_.pin(pattern, good ? leaf_.certificate : other_.certificate);
    EXPECT_EQ(judge().verdict, good ? Verdict::ok : Verdict::pin_mismatch) << pattern;
    good = !good;
  }
  EXPECT_EQ(judge({}, 8443).verdict, Verdict::ok); // the host's, for the port has none
}

TEST_F(PinningTest, AHostComesBeforeAPatternWithAPort) {
  store_.pin("*.dev.test:443", other_.certificate).pin("api.dev.test", leaf_.certificate);
  EXPECT_EQ(judge().verdict, Verdict::ok);
}

TEST_F(PinningTest, PortZeroTakesThePinsOfAnyPort) {
  store_.pin("api.dev.test:8443", leaf_.certificate).pin("api.dev.test:9443", other_.certificate);
  EXPECT_EQ(judge({}, 0).pin_status, PinStatus::match);
  EXPECT_EQ(judge({}, 443).pin_status, PinStatus::none);
  EXPECT_EQ(judge({}, 9443).verdict, Verdict::pin_mismatch);
}

TEST_F(PinningTest, ReportPinsSatisfyNothingAndRefuseNothing) {
  store_.pin("api.dev.test", other_.certificate, {.mode = Mode::report});
  Judgement judged = judge();
  EXPECT_EQ(judged.verdict, Verdict::ok);
  EXPECT_EQ(judged.pin_status, PinStatus::reported);
  // Beside an enforced one that matches it is still told.
  store_.pin("api.dev.test", leaf_.certificate);
  EXPECT_EQ(judge().pin_status, PinStatus::reported);
  // One that matches does not save from an enforced one that does not.
  store_.pin("api.dev.test:443", other_.certificate)
      .pin("api.dev.test:443", leaf_.certificate, {.mode = Mode::report});
  EXPECT_EQ(judge().verdict, Verdict::pin_mismatch);
}

TEST_F(PinningTest, AReportPinThatMatchesIsNoPin) {
  store_.pin("api.dev.test", leaf_.certificate, {.mode = Mode::report});
  EXPECT_EQ(judge().pin_status, PinStatus::none);
}

TEST_F(PinningTest, LapsedPinsAreNoPinsAndSaidSo) {
  store_.pin("api.dev.test", other_.certificate, {.end = now_});
  EXPECT_EQ(judge().verdict, Verdict::ok);
  EXPECT_EQ(judge().pin_status, PinStatus::lapsed);
  // A wider one that is in force counts.
  store_.pin("*.dev.test", other_.certificate);
  EXPECT_EQ(judge().verdict, Verdict::pin_mismatch);
}

TEST_F(PinningTest, APinIsInForceUntilItsEnd) {
  store_.pin("api.dev.test", other_.certificate, {.end = now_ + 1});
  EXPECT_EQ(judge().verdict, Verdict::pin_mismatch);
  store_.created_at(now_ + 1); // the later of the two times holds
  EXPECT_EQ(judge().pin_status, PinStatus::lapsed);
}

TEST_F(PinningTest, AProgramsPinsAreASecondSetThatMustMatchToo) {
  EXPECT_EQ(judge({.pins = {Pin::of(other_.certificate)}}).verdict, Verdict::pin_mismatch);
  EXPECT_EQ(judge({.pins = {Pin::of(other_.certificate), Pin::of(top_.certificate)}}).pin_status,
            PinStatus::match);
  store_.pin("api.dev.test", leaf_.certificate);
  const Judgement judged = judge({.pins = {Pin::of(other_.certificate)}});
  EXPECT_EQ(judged.verdict, Verdict::pin_mismatch);
  EXPECT_THAT(judged.detail, HasSubstr("this program demands"));
  store_.pin("api.dev.test:443", other_.certificate);
  EXPECT_EQ(judge({.pins = {Pin::of(leaf_.certificate)}}).verdict, Verdict::pin_mismatch);
}

TEST_F(PinningTest, ARequiredPinIsOneInForceOfTheStoreOrOfTheProgram) {
  const JudgeOptions required{.pins = {}, .require_pin = true};
  EXPECT_EQ(judge(required).verdict, Verdict::pin_missing);
  EXPECT_EQ(judge(required).hint, "trustctl pin add api.dev.test:443");
  store_.pin("api.dev.test", leaf_.certificate, {.mode = Mode::report});
  EXPECT_EQ(judge(required).verdict, Verdict::pin_missing);
  store_.pin("api.dev.test", leaf_.certificate, {.end = now_});
  EXPECT_EQ(judge(required).verdict, Verdict::pin_missing);
  EXPECT_EQ(judge({.pins = {Pin::of(leaf_.certificate)}, .require_pin = true}).verdict,
            Verdict::ok);
  store_.pin("*.dev.test", leaf_.certificate);
  EXPECT_EQ(judge(required).verdict, Verdict::ok);
}

TEST_F(PinningTest, NoPinMakesAnUntrustedChainTrusted) {
  Judged bare;
  bare.pin("api.dev.test", leaf_.certificate);
  const Judgement judged =
      bare.judge({leaf_.certificate}, "api.dev.test", {.pins = {Pin::of(leaf_.certificate)}}, now_);
  EXPECT_EQ(judged.verdict, Verdict::unknown_issuer);
}

TEST_F(PinningTest, ARefusedChainHasNoPathThatAPinOfTheLeafCouldMatch) {
  Judged bare;
  bare.pin("api.dev.test", leaf_.certificate, {.position = Position::leaf})
      .pin("api.dev.test", leaf_.certificate, {.mode = Mode::report, .position = Position::leaf});
  const Judgement judged = bare.judge({leaf_.certificate}, "api.dev.test", {}, now_);
  EXPECT_EQ(judged.verdict, Verdict::unknown_issuer);
  EXPECT_EQ(judged.pins.size(), 2U);
}

TEST_F(PinningTest, AnotherPathIsTriedForAPin) {
  // The leaf's CA is cross-signed; only the root of the second path is pinned.
  const Minted second =
      mint({.common_name = "Second", .ca = true, .key_usage = "critical,keyCertSign,cRLSign"});
  const Minted crossed = mint({.common_name = "Root",
                               .ca = true,
                               .key_usage = "critical,keyCertSign,cRLSign",
                               .key = top_.key},
                              &second);
  store_.base(second.certificate).pin("api.dev.test", second.certificate);
  const Judgement judged =
      store_.judge({leaf_.certificate, crossed.certificate}, "api.dev.test", {}, now_);
  EXPECT_EQ(judged.verdict, Verdict::ok) << judged.detail;
  EXPECT_EQ(judged.path.size(), 3U);
}

} // namespace
} // namespace trust
