#include "libtrust/view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "libtrust/error.h"
#include "libtrust/recent.h"
#include "tests/libtrust/judged.h"
#include "tests/libtrust/mint.h"

namespace trust {
namespace {

using testing::Judged;
using testing::Key;
using testing::mint;
using testing::Mint;
using testing::Minted;

TEST(RecentTest, WhatWasUsedLastStays) {
  Recent<int, int> recent(2);
  recent.put(1, 10);
  recent.put(2, 20);
  ASSERT_NE(recent.find(1), nullptr);
  recent.put(3, 30);
  EXPECT_EQ(recent.find(2), nullptr);
  EXPECT_EQ(*recent.find(1), 10);
  recent.put(1, 11);
  EXPECT_EQ(*recent.find(1), 11);
  EXPECT_EQ(recent.size(), 2U);
}

TEST(RecentTest, WeightCounts) {
  Recent<int, int> recent(10);
  recent.put(1, 10, 4);
  recent.put(2, 20, 4);
  recent.put(3, 30, 4);
  EXPECT_EQ(recent.find(1), nullptr);
  recent.put(4, 40, 11); // more than all that may be held
  EXPECT_EQ(recent.find(4), nullptr);
  EXPECT_EQ(recent.size(), 2U);
}

TEST(ViewTest, AParsedCertificateIsKeptAndGoesWithTheNextGeneration) {
  Judged store;
  const Minted minted = mint({});
  const View& view = store.view();
  const Certificate first = view.certificate(minted.certificate.der());
  EXPECT_EQ(first.fingerprint(), minted.certificate.fingerprint());
  EXPECT_EQ(view.certificate(minted.certificate.der()).x509(), first.x509());
  EXPECT_NE(first.x509(), minted.certificate.x509());
  const auto parsed = view.parsed();
  EXPECT_EQ(parsed->get(minted.certificate.der()).x509(), first.x509());
  const Bytes junk{1, 2, 3};
  EXPECT_THROW(view.certificate(junk), Error);
}

TEST(ViewTest, ParsedCertificatesAreBounded) {
  ParsedCertificates parsed;
  const Certificate first = parsed.get(mint({.key = Key::shared()}).certificate.der());
  for (int i = 0; i < 100; ++i)
    parsed.get(mint({.key = Key::shared(), .serial = i + 1}).certificate.der());
  EXPECT_NE(parsed.get(first.der()).x509(), first.x509());
}

TEST(ViewTest, RootsOfASubjectAreFoundAmongManyLeavesOfIt) {
  Judged store;
  const Minted root = mint({.common_name = "localhost", .ca = true});
  for (int i = 0; i < 20; ++i)
    store.add(mint({.common_name = "localhost", .key = Key::shared(), .serial = i + 1}).certificate,
              Trust::leaf);
  store.add(root.certificate, Trust::root);
  const auto anchors = store.view().anchors(root.certificate.subject_hash());
  ASSERT_EQ(anchors->size(), 1U);
  EXPECT_EQ(anchors->front().certificate.fingerprint(), root.certificate.fingerprint());
}

TEST(ViewTest, OfManyRootsWithASubjectTheLastAddedAreLookedAt) {
  Judged store;
  std::optional<Certificate> last;
  for (std::size_t i = 0; i < kMaxAnchorsOfSubject + 10; ++i) {
    last = mint({.common_name = "CA",
                 .ca = true,
                 .key = Key::shared(),
                 .serial = static_cast<std::int64_t>(i) + 1})
               .certificate;
    store.add(*last, Trust::root);
  }
  const auto anchors = store.view().anchors(last->subject_hash());
  ASSERT_EQ(anchors->size(), kMaxAnchorsOfSubject);
  EXPECT_EQ(anchors->front().certificate.fingerprint(), last->fingerprint());
}

TEST(ViewTest, DistrustIsFoundForTheKeyAndForTheCertificateAlone) {
  Judged store;
  const Minted one = mint({.key = Key::shared()});
  const Minted two = mint({.key = Key::shared()});
  const Minted other = mint({});
  store.add(one.certificate, Trust::distrusted, {.only_this = true})
      .add(other.certificate, Trust::distrusted);
  const View& view = store.view();
  const auto asked = [&](const Certificate& certificate) {
    return view.distrusting(certificate.fingerprint(), certificate.spki_hash()).has_value();
  };
  for (int again = 0; again < 2; ++again) { // looked up, and held
    EXPECT_TRUE(asked(one.certificate));
    EXPECT_FALSE(asked(two.certificate));
    EXPECT_TRUE(asked(other.certificate));
  }
}

TEST(ViewTest, ManyThreadsMayAskAtOnce) {
  Judged store;
  const Minted root =
      mint({.common_name = "Root", .ca = true, .key_usage = "critical,keyCertSign"});
  const Minted leaf =
      mint({.common_name = "dev.test", .sans = {"DNS:dev.test"}, .ca = false}, &root);
  store.add(root.certificate, Trust::root).pin("dev.test", leaf.certificate);
  const View& view = store.view();
  std::vector<std::thread> threads;
  std::atomic<int> trusted = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        const std::vector<Certificate> chain{view.certificate(leaf.certificate.der())};
        trusted +=
            judge(chain, Host::parse("dev.test"), 443, view, {}, system_clock_now()).trusted();
        view.pins_for(Host::parse("h" + std::to_string(i) + ".test"), 443);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(trusted, 200);
}

} // namespace
} // namespace trust
