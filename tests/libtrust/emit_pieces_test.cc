#include "libtrust/emit/pieces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "libtrust/emit/bundle.h"
#include "libtrust/emit/truststore.h"
#include "tests/libtrust/mint.h"

namespace trust {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::mint;

CertificateFacts facts(std::uint8_t key, std::uint32_t subject) {
  CertificateFacts facts;
  facts.spki_hash.fill(key);
  facts.subject_hash = subject;
  return facts;
}

Pieces pieces(const std::string& text) { return {text, 0, Bytes(text.begin(), text.end())}; }

std::vector<std::string> all(const KeptPieces& kept) {
  std::vector<std::string> bundles;
  kept.each([&](const Pieces& each) { bundles.push_back(each.bundle); });
  return bundles;
}

const SnapshotHeader kFirst{"store", 1, 100, "1:aa"};
const SnapshotHeader kSecond{"store", 2, 100, "2:bb"};

TEST(KeptPieces, AreInOrderOfKeyAndSubjectHoweverTheyCame) {
  KeptPieces kept;
  kept.put(facts(2, 1), pieces("c"));
  kept.put(facts(1, 0xffffffff), pieces("b"));
  kept.put(facts(1, 7), pieces("a"));
  kept.put(facts(0xff, 0), pieces("d"));
  EXPECT_THAT(all(kept), ElementsAre("a", "b", "c", "d"));
  EXPECT_EQ(kept.bags_size(), 4U);
}

TEST(KeptPieces, AreOfOneGenerationAndOfNoneWhileTheyChange) {
  KeptPieces kept;
  EXPECT_FALSE(kept.are_of(kFirst));
  kept.put(facts(1, 1), pieces("a"));
  kept.complete(kFirst);
  EXPECT_TRUE(kept.are_of(kFirst));
  EXPECT_FALSE(kept.are_of(kSecond));
  SnapshotHeader other_store = kFirst;
  other_store.store_id = "other";
  EXPECT_FALSE(kept.are_of(other_store));
  kept.open();
  EXPECT_FALSE(kept.are_of(kFirst));
  kept.complete(kSecond);
  EXPECT_TRUE(kept.are_of(kSecond));
  kept.clear();
  EXPECT_FALSE(kept.are_of(kSecond));
}

TEST(KeptPieces, LoseAllOfOneSubjectUnderWhateverKey) {
  KeptPieces kept;
  kept.put(facts(1, 7), pieces("one"));
  kept.put(facts(1, 8), pieces("two"));
  kept.put(facts(2, 7), pieces("three"));
  kept.remove(7);
  EXPECT_THAT(all(kept), ElementsAre("two"));
  EXPECT_EQ(kept.bags_size(), 3U);
}

TEST(KeptPieces, AreNotKeptWhenTheyAreTooMany) {
  KeptPieces kept;
  const std::string large(std::size_t{1200} << 10, 'x'); // in bundle and bags: 2.4 MiB
  EXPECT_TRUE(kept.put(facts(1, 1), pieces(large)));
  EXPECT_FALSE(kept.put(facts(1, 2), pieces(large)));
  EXPECT_EQ(all(kept).size(), 2U); // what is being written needs them
  kept.complete(kFirst);
  EXPECT_FALSE(kept.are_of(kFirst));
  EXPECT_TRUE(all(kept).empty());
  EXPECT_EQ(kept.bags_size(), 0U);
  EXPECT_TRUE(kept.put(facts(1, 1), pieces(large)));
}

TEST(PiecesOf, ExtraHoldsWhatIsOfAnEntryWhereverItStands) {
  const auto base = mint({.common_name = "base"});
  const auto own = mint({.common_name = "own"});
  std::vector<StoredEntry> same_pair(2);
  const ByteView ders[] = {base.certificate.der(), own.certificate.der()};
  for (std::size_t i = 0; i < 2; ++i) {
    same_pair[i].entry.certificate = CertificateFacts::of((i == 0 ? base : own).certificate);
    same_pair[i].der.assign(ders[i].begin(), ders[i].end());
  }
  Emission emission;
  emission.anchors = {{0, std::nullopt, false, {}}, {1, std::nullopt, true, {}}};
  const Pieces made = pieces_of(same_pair, emission);
  const std::string of_base = bundle_block(same_pair[0].entry, ders[0], false);
  const std::string of_own = bundle_block(same_pair[1].entry, ders[1], false);
  EXPECT_EQ(made.extra(), of_own);
  EXPECT_EQ(made.bundle, of_own + of_base);
}

TEST(PiecesOf, TwoAnchorsOfOneCertificateHaveTwoAliases) {
  // A CA's shadow, and the same certificate as a leaf of the machine's store.
  const auto minted = mint({.common_name = "Corp", .ca = true});
  std::vector<StoredEntry> same_pair(2);
  for (StoredEntry& stored : same_pair) {
    stored.entry.certificate = CertificateFacts::of(minted.certificate);
    const ByteView der = minted.certificate.der();
    stored.der.assign(der.begin(), der.end());
  }
  Emission emission;
  emission.anchors = {{0, Bytes(same_pair[0].der), true, {}}, {1, std::nullopt, false, {}}};
  const Pieces made = pieces_of(same_pair, emission);
  EXPECT_THAT(made.bundle, HasSubstr("shadow"));
  EXPECT_LT(made.extra().size(), made.bundle.size());
  const std::string alias = minted.certificate.fingerprint().text();
  const Bytes first = truststore_bag(alias, minted.certificate.der());
  const Bytes second = truststore_bag(alias + "-2", minted.certificate.der());
  Bytes wanted = first;
  wanted.insert(wanted.end(), second.begin(), second.end());
  EXPECT_EQ(made.bags, wanted);
}

} // namespace
} // namespace trust
