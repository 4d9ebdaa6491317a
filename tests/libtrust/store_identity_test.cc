// Identities in the store.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "libtrust/error.h"
#include "libtrust/issue.h"
#include "libtrust/store.h"
#include "tests/libtrust/mint.h"
#include "tests/libtrust/scratch.h"

namespace trust {
namespace {

using ::testing::HasSubstr;
using testing::kDay;
using testing::kNow;

class StoreIdentity : public ::testing::Test {
 protected:
  StoreIdentity()
      : store_(Store::open(scratch_.path("trustd.db"), [this] { return now_; })),
        key_(PrivateKey::generate(KeyKind::ecdsa_p256)) {}

  // Of a key of its own, so that pins can tell them apart.
  Certificate issued(const std::string& name, std::int64_t days = 90) {
    key_ = PrivateKey::generate(KeyKind::ecdsa_p256);
    return issue_self_signed({parse_names({name}), SigningDigest::sha256, now_, now_ + days * kDay},
                             key_);
  }
  static Identity identity(const std::string& label, std::int64_t days = 90) {
    Identity made;
    made.label = label;
    made.names = parse_names({label});
    made.days = days;
    made.directory = "/state/keys/" + label;
    made.renews = true;
    return made;
  }
  Identity add(const std::string& label, bool trusted = true, std::int64_t days = 90) {
    const Certificate certificate = issued(label, days);
    Identity made = identity(label, days);
    made.next_at = renewal_time(certificate.not_before(), certificate.not_after());
    std::optional<Addition::Item> item;
    if (trusted) item = Addition::Item{certificate, Trust::leaf, {}, label};
    return store_.add_identity(asked(), made, certificate, item, false).identity;
  }
  Identity renew(const Identity& current) {
    const Certificate next = issued(current.label, current.days);
    Identity renewed =
        store_.renew_identity(asked(), current.certificate.fingerprint, next).identity;
    store_.finish_identity(renewed.id, renewal_time(next.not_before(), next.not_after()));
    return store_.identity(renewed.certificate.fingerprint).value();
  }
  static Store::Asked asked() { return {{1000, 42, "/bin/test"}, "because", {}}; }
  Code code_of(const std::function<void()>& call) {
    try {
      call();
    } catch (const Error& error) {
      message_ = error.message();
      return error.code();
    }
    return Code::internal;
  }

  Scratch scratch_;
  UnixTime now_ = kNow;
  Store store_;
  PrivateKey key_;
  std::string message_;
};

TEST_F(StoreIdentity, IsOneGenerationWithItsTrustAndReadsBack) {
  const Identity made = add("dev.test");
  EXPECT_EQ(store_.generation(), 1U);
  const Identity read = store_.identity(made.certificate.fingerprint).value();
  EXPECT_EQ(read.label, "dev.test");
  EXPECT_EQ(read.names.size(), 1U);
  EXPECT_EQ(read.owner, 1000U);
  EXPECT_EQ(read.made_at, kNow);
  EXPECT_EQ(read.next_at, kNow + 60 * kDay);
  EXPECT_FALSE(read.pending);
  const Entry entry = store_.entry(made.certificate.fingerprint).value();
  EXPECT_EQ(entry.trust, Trust::leaf);
  EXPECT_EQ(entry.label, "dev.test");
  const AuditRecord record = store_.audit(1, 0).at(0);
  EXPECT_EQ(record.action, "identity");
  EXPECT_THAT(record.detail, HasSubstr(made.certificate.fingerprint.text()));
  EXPECT_FALSE(store_.verify_audit());
}

TEST_F(StoreIdentity, IsTrustedOnlyIfAsked) {
  const Identity made = add("dev.test", false);
  EXPECT_FALSE(store_.entry(made.certificate.fingerprint));
  const Identity next = renew(made);
  EXPECT_FALSE(store_.entry(next.certificate.fingerprint));
}

TEST_F(StoreIdentity, LabelsAndTheLocalCaAreOneOfAKind) {
  add("dev.test");
  EXPECT_EQ(code_of([&] { add("dev.test"); }), Code::conflict);
  Identity ca = identity("local-ca");
  ca.kind = Identity::Kind::ca;
  store_.add_identity(asked(), ca, issued("a.test"), {}, false);
  EXPECT_EQ(store_.local_ca().value().label, "local-ca");
  ca.label = "another-ca";
  EXPECT_EQ(code_of([&] { store_.add_identity(asked(), ca, issued("b.test"), {}, false); }),
            Code::conflict);
  EXPECT_THAT(message_, HasSubstr("there is a local CA already"));
}

TEST_F(StoreIdentity, RenewalTrustsBothUntilTheOldOneEnds) {
  const Identity first = add("dev.test");
  now_ = kNow + 60 * kDay;
  const Identity second = renew(first);
  EXPECT_NE(second.certificate.fingerprint, first.certificate.fingerprint);
  EXPECT_EQ(second.id, first.id);
  const Entry old = store_.entry(first.certificate.fingerprint).value();
  const Entry now = store_.entry(second.certificate.fingerprint).value();
  EXPECT_EQ(now.label, "dev.test");
  EXPECT_EQ(now.trust, Trust::leaf);
  EXPECT_FALSE(now.expires_at);
  EXPECT_EQ(old.label, "dev.test-before");
  EXPECT_EQ(old.expires_at, first.certificate.not_after);
  EXPECT_EQ(store_.next_end(), first.certificate.not_after);
  now_ = first.certificate.not_after;
  EXPECT_TRUE(store_.end_due(now_).changed);
  EXPECT_FALSE(store_.entry(first.certificate.fingerprint));
  EXPECT_TRUE(store_.entry(second.certificate.fingerprint));
  EXPECT_EQ(store_.audit(2, 0).at(1).action, "renew");
}

TEST_F(StoreIdentity, WhatWasTakenBackIsNotTrustedAgainByARenewal) {
  const Identity first = add("dev.test");
  store_.remove(asked(), first.certificate.fingerprint);
  const Identity second = renew(first);
  EXPECT_FALSE(store_.entry(second.certificate.fingerprint));
}

TEST_F(StoreIdentity, PinsOfTheKeyHoldForTheNewKeyAndGoWhenTheyAreOver) {
  const Identity first = add("dev.test");
  PinRow pin;
  pin.pin = Pin{first.certificate.spki_hash};
  pin.pattern = PortPattern::parse("dev.test:8443");
  pin.position = PinRow::Position::leaf;
  store_.add_pins(asked(), {pin});
  now_ = kNow + 60 * kDay;
  const Identity second = renew(first);
  std::vector<PinRow> pins = store_.pins_for(Host::parse("dev.test"), 8443);
  ASSERT_EQ(pins.size(), 2U);
  EXPECT_EQ(pins[1].pin.spki_hash, second.certificate.spki_hash);
  EXPECT_EQ(pins[1].position, PinRow::Position::leaf);
  now_ = second.certificate.not_before + 60 * kDay;
  const Identity third = renew(second);
  pins = store_.pins_for(Host::parse("dev.test"), 8443);
  ASSERT_EQ(pins.size(), 2U);
  for (const PinRow& each : pins) EXPECT_NE(each.pin.spki_hash, first.certificate.spki_hash);
}

TEST_F(StoreIdentity, RenewalIsPendingAndDueUntilItIsFinished) {
  const Identity first = add("dev.test");
  EXPECT_TRUE(store_.identities_due(now_, 10).empty());
  const Certificate next = issued("dev.test");
  const Identity renewed =
      store_.renew_identity(asked(), first.certificate.fingerprint, next).identity;
  EXPECT_TRUE(renewed.pending);
  ASSERT_EQ(store_.identities_due(now_, 10).size(), 1U);
  store_.note_identity_problem(renewed.id, "the hook failed", now_ + 60);
  EXPECT_TRUE(store_.identities_due(now_, 10).empty());
  const Identity waiting = store_.identities_due(now_ + 60, 10).at(0);
  EXPECT_TRUE(waiting.pending);
  EXPECT_EQ(waiting.failures, 1U);
  EXPECT_EQ(waiting.problem, "the hook failed");
  const GenerationNumber generation = store_.generation();
  store_.finish_identity(renewed.id, std::nullopt);
  EXPECT_EQ(store_.generation(), generation);
  EXPECT_FALSE(store_.next_identity_due());
  EXPECT_EQ(store_.identity(next.fingerprint()).value().problem, "");
}

TEST_F(StoreIdentity, IsFoundByFingerprintLabelAndUniquePrefix) {
  const Identity made = add("dev.test");
  const std::string fingerprint = made.certificate.fingerprint.text();
  EXPECT_EQ(store_.find_identity("dev.test", 16).id, made.id);
  EXPECT_EQ(store_.find_identity(fingerprint, 16).id, made.id);
  EXPECT_EQ(store_.find_identity(fingerprint.substr(0, 16), 16).id, made.id);
  EXPECT_EQ(code_of([&] { store_.find_identity(fingerprint.substr(0, 15), 16); }), Code::not_found);
  EXPECT_EQ(code_of([&] { store_.find_identity("other.test", 16); }), Code::not_found);
}

TEST_F(StoreIdentity, ForgettingLeavesWhatIsTrusted) {
  const Identity made = add("dev.test");
  store_.remove_identity(asked(), made.certificate.fingerprint);
  EXPECT_FALSE(store_.identity(made.certificate.fingerprint));
  EXPECT_TRUE(store_.entry(made.certificate.fingerprint));
  EXPECT_TRUE(store_.identities(10, 0).empty());
  EXPECT_EQ(code_of([&] { store_.remove_identity(asked(), made.certificate.fingerprint); }),
            Code::not_found);
  EXPECT_FALSE(store_.verify_audit());
}

// A year, slept through from one due time to the next: each is renewed at two thirds, exactly as
// often as its lifetime says, and there is no moment without a trusted certificate.
TEST_F(StoreIdentity, YearOfRenewalsMissesNoneAndRepeatsNone) {
  const std::vector<std::int64_t> lifetimes = {1, 7, 30, 90, 365};
  std::map<std::string, std::int64_t> renewals;
  for (const std::int64_t days : lifetimes) add("d" + std::to_string(days) + ".test", true, days);
  const UnixTime end = kNow + 365 * kDay;
  while (const auto next = store_.next_identity_due()) {
    if (*next > end) break;
    ASSERT_GE(*next, now_);
    now_ = *next;
    const auto due = store_.identities_due(now_, 10);
    ASSERT_FALSE(due.empty());
    for (const Identity& identity : due) {
      ASSERT_LT(now_, identity.certificate.not_after) << "too late for " << identity.label;
      renew(identity);
      ++renewals[identity.label];
    }
  }
  for (const std::int64_t days : lifetimes) {
    const std::int64_t expected = 365 * kDay / (days * kDay / 3 * 2);
    EXPECT_EQ(renewals["d" + std::to_string(days) + ".test"], expected) << days;
  }
}

} // namespace
} // namespace trust
