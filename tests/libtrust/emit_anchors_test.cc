#include "libtrust/emit/anchors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libtrust/emit/bundle.h"
#include "libtrust/emit/hashed.h"
#include "libtrust/emit/manifest.h"
#include "tests/libtrust/mint.h"

namespace trust {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kNow;
using testing::mint;
using testing::Minted;

// Certificates of one name and key, and what is decided of them.
class Anchors : public ::testing::Test {
 protected:
  Minted ca(std::int64_t serial, const std::string& name = "Corp", std::int64_t days = 30) {
    return mint({.common_name = name,
                 .ca = true,
                 .key_usage = "critical,keyCertSign",
                 .not_before = kNow - 1000,
                 .not_after = kNow + days * testing::kDay,
                 .key = key_,
                 .serial = serial});
  }

  Entry& add(const Minted& minted, Trust trust, std::vector<std::string> hosts = {},
             Layer layer = Layer::own) {
    StoredEntry stored;
    stored.entry.id = static_cast<std::int64_t>(entries_.size()) + 1;
    stored.entry.layer = layer;
    stored.entry.trust = trust;
    stored.entry.certificate = CertificateFacts::of(minted.certificate);
    stored.entry.label = layer == Layer::own ? "e" + std::to_string(stored.entry.id) : "";
    for (const std::string& host : hosts) stored.entry.hosts.push_back(Pattern::parse(host));
    const ByteView der = minted.certificate.der();
    stored.der.assign(der.begin(), der.end());
    entries_.push_back(std::move(stored));
    return entries_.back().entry;
  }

  Emission emitted() {
    return emission_of(
        entries_, rules_,
        [&](const StoredEntry& of, const std::vector<Pattern>& scope, std::optional<UnixTime> end) {
          scope_.clear();
          for (const Pattern& pattern : scope) scope_.push_back(pattern.text());
          of_ = of.entry.id;
          end_ = end;
          return expressible_ ? Shadow{Bytes{1, 2, 3}, "", {}}
                              : Shadow{std::nullopt, "it admits nothing", {}};
        });
  }

  const testing::Key key_ = testing::Key::p256();
  std::vector<StoredEntry> entries_;
  EmissionRules rules_{kNow, false};
  bool expressible_ = true;
  std::vector<std::string> scope_; // of the last shadow that was asked for
  std::int64_t of_ = 0;
  std::optional<UnixTime> end_;
};

TEST_F(Anchors, ACertificateInSeveralLayersIsOneAnchor) {
  const Minted root = ca(1);
  add(root, Trust::root, {}, Layer::base);
  add(root, Trust::root, {}, Layer::machine);
  add(root, Trust::root);
  const Emission emission = emitted();
  ASSERT_EQ(emission.anchors.size(), 1U);
  EXPECT_FALSE(emission.anchors[0].shadow);
  EXPECT_TRUE(emission.anchors[0].in_extra);
  for (const Emitted& each : emission.entries) EXPECT_EQ(each.anchor, 0U);
}

TEST_F(Anchors, TheUnionOfScopesStandsForAllUntilTheFirstEnds) {
  add(ca(1), Trust::root, {"**.a.test", "b.test"}).expires_at = kNow + 500;
  add(ca(2, "Corp", 90), Trust::root, {"b.test"}, Layer::machine).expires_at = kNow + 100;
  add(ca(3), Trust::root, {}, Layer::base);
  const Emission emission = emitted();
  ASSERT_EQ(emission.anchors.size(), 1U);
  EXPECT_TRUE(emission.anchors[0].shadow);
  EXPECT_THAT(scope_, ::testing::ElementsAre("**.a.test", "b.test"));
  EXPECT_EQ(of_, 2); // which lasts longest
  EXPECT_EQ(end_, kNow + 100);
  EXPECT_EQ(emission.entries[0].anchor, 0U);
  EXPECT_EQ(emission.entries[1].anchor, 0U);
  EXPECT_FALSE(emission.entries[2].anchor); // the original is nowhere
}

TEST_F(Anchors, OneWithoutAScopeLiftsTheOthers) {
  add(ca(1), Trust::root, {"a.test"});
  add(ca(2), Trust::root);
  const Emission emission = emitted();
  ASSERT_EQ(emission.anchors.size(), 2U);
  for (const EmittedAnchor& anchor : emission.anchors) EXPECT_FALSE(anchor.shadow);
}

TEST_F(Anchors, WhatCannotBeExpressedIsNotEmittedAndNorIsTheBasesCopy) {
  expressible_ = false;
  add(ca(1), Trust::root, {"a.test"});
  add(ca(2), Trust::root, {}, Layer::base);
  const Emission emission = emitted();
  EXPECT_THAT(emission.anchors, IsEmpty());
  ASSERT_EQ(emission.warnings.size(), 1U);
  EXPECT_THAT(emission.warnings[0], HasSubstr("it admits nothing"));
  EXPECT_EQ(emission.entries[0].why, "it admits nothing");
}

TEST_F(Anchors, DistrustHoldsForTheKeyWhateverItsEnd) {
  add(ca(1), Trust::root);
  add(ca(2), Trust::root, {}, Layer::base);
  Entry& banned = add(ca(3), Trust::distrusted, {}, Layer::machine);
  banned.expires_at = kNow - 1;
  EXPECT_THAT(emitted().anchors, IsEmpty());
  banned.only_this_certificate = true;
  EXPECT_EQ(emitted().anchors.size(), 2U);
  rules_.key_is_distrusted = true; // under another name
  EXPECT_THAT(emitted().anchors, IsEmpty());
}

TEST_F(Anchors, AnIntermediateIsAShadowUnlessItsRootIsThere) {
  const Minted other = mint({.common_name = "Root", .ca = true});
  const Minted middle =
      mint({.common_name = "Corp", .ca = true, .key_usage = "critical,keyCertSign", .key = key_},
           &other);
  add(middle, Trust::root);
  Emission emission = emitted();
  ASSERT_EQ(emission.anchors.size(), 1U);
  EXPECT_TRUE(emission.anchors[0].shadow);
  EXPECT_THAT(scope_, IsEmpty());
  add(ca(1), Trust::root);
  emission = emitted();
  ASSERT_EQ(emission.anchors.size(), 1U);
  EXPECT_FALSE(emission.anchors[0].shadow);
  EXPECT_EQ(emission.entries[0].anchor, 0U);
}

TEST_F(Anchors, ALeafThatCouldSignDoesNotUndoAScope) {
  add(ca(1), Trust::leaf);
  EXPECT_EQ(emitted().anchors.size(), 1U);
  add(ca(2), Trust::root, {"a.test"});
  const Emission emission = emitted();
  ASSERT_EQ(emission.anchors.size(), 1U);
  EXPECT_TRUE(emission.anchors[0].shadow);
  EXPECT_FALSE(emission.entries[0].anchor);
  EXPECT_EQ(emission.warnings.size(), 1U);
}

TEST_F(Anchors, AMachinesStoreWantsToBeToldToEmitALeafThatCouldSign) {
  rules_.system = true;
  Entry& leaf = add(ca(1), Trust::leaf);
  EXPECT_THAT(emitted().anchors, IsEmpty());
  leaf.emit_signing = true;
  EXPECT_EQ(emitted().anchors.size(), 1U);
  entries_.clear();
  add(mint({.common_name = "dev.test", .ca = false, .key = key_}), Trust::leaf);
  EXPECT_EQ(emitted().anchors.size(), 1U);
}

TEST(BundleBlock, SaysWhoseItIsInPlainText) {
  Entry entry;
  entry.certificate.subject = "CN=Größe ----- \n-----BEGIN CERTIFICATE-----";
  entry.label = "dev";
  const std::string block = bundle_block(entry, Bytes{1, 2, 3}, true);
  EXPECT_EQ(block.front(), '#');
  const std::string comment = block.substr(0, block.find('\n'));
  EXPECT_THAT(comment, HasSubstr("[dev]"));
  EXPECT_EQ(comment.find("--"), std::string::npos);
  for (const char c : comment) EXPECT_TRUE(c >= 0x20 && c < 0x7f);
  EXPECT_EQ(block.find("-----BEGIN"), comment.size() + 1);
}

TEST(HashedName, IsWhatOpensslLooksFor) {
  EXPECT_EQ(hashed_name(0x0000abcd, 0), "0000abcd.0");
  EXPECT_EQ(hashed_name(0xfedcba98, 12), "fedcba98.12");
}

TEST(Manifest, ItsHeadReadsBackAndAnythingElseDoesNot) {
  const SnapshotHeader header{"00112233445566778899aabbccddeeff", 42, kNow, "7:ab"};
  std::string text;
  ManifestWriter writer([&](std::string_view piece) { text += piece; }, header);
  writer.file("bundle.pem", Digest{});
  writer.end();
  const auto read = read_manifest_head(text.substr(0, kManifestHeadBytes));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->store_id, header.store_id);
  EXPECT_EQ(read->generation, 42U);
  EXPECT_EQ(read->created_at, kNow);
  EXPECT_EQ(read->audit_head, "7:ab");
  for (const std::string& other :
       {std::string(), std::string("{"), text.substr(0, 20), std::string("{\"files\": {}}"),
        std::string("[],\n\"files\": {")})
    EXPECT_FALSE(read_manifest_head(other)) << other;
}

} // namespace
} // namespace trust
