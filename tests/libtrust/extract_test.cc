#include "libtrust/extract.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "libtrust/keystore.h"
#include "tests/libtrust/mint.h"

namespace trust {
namespace {

using testing::mint;
using testing::Minted;

const Minted& one() {
  static const Minted minted = mint({.common_name = "one"});
  return minted;
}

std::string number(std::uint64_t value, int bytes) {
  std::string text;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    text += static_cast<char>(value >> shift & 0xff);
  }
  return text;
}
std::string text(const std::string& value) { return number(value.size(), 2) + value; }
std::string stored(const Certificate& certificate) {
  const ByteView der = certificate.der();
  return text("X.509") + number(der.size(), 4) +
         std::string(reinterpret_cast<const char*>(der.data()), der.size());
}
std::string keystore(std::uint32_t entries, const std::string& body) {
  return number(0xFEEDFEED, 4) + number(2, 4) + number(entries, 4) + body + std::string(20, 'd');
}
std::string trusted(const std::string& alias, const Certificate& certificate) {
  return number(2, 4) + text(alias) + number(0, 8) + stored(certificate);
}

std::string faults(const Extracted& extracted) {
  std::string found;
  for (const ExtractProblem& problem : extracted.problems) {
    found += std::to_string(problem.line) + ":" + std::string(words_of(problem.fault)) + ";";
  }
  return found;
}

TEST(Extract, CertificatesAreFoundBesideTheKeyThatTheyBelongTo) {
  const std::string pem = one().key.pem() + one().pem();
  const Extracted extracted = extract(pem);
  ASSERT_EQ(1U, extracted.certificates.size());
  EXPECT_EQ("", faults(extracted));
}

TEST(Extract, LinesStayThoseOfTheFileWhenAKeyStandsBefore) {
  std::string broken = one().pem();
  broken[40] = '!';
  const std::string key = one().key.pem();
  const auto lines = static_cast<std::size_t>(std::count(key.begin(), key.end(), '\n'));
  const Extracted extracted = extract(key + broken + one().pem());
  EXPECT_EQ(1U, extracted.certificates.size());
  EXPECT_EQ(std::to_string(lines + 1) + ":it is not base64;", faults(extracted));
}

TEST(Extract, KeyAloneIsSaidAndNothingOfIt) {
  EXPECT_EQ("0:there is a private key in it, but no certificate;",
            faults(extract(one().key.pem())));
}

TEST(Extract, KeystoreOfJavaGivesItsCertificatesWithoutItsPassword) {
  const Minted two = mint({.common_name = "two"});
  const std::string chain = number(1, 4) + text("own") + number(0, 8) + number(5, 4) + "ciphr" +
                            number(2, 4) + stored(one().certificate) + stored(two.certificate);
  const Extracted extracted = extract(keystore(2, trusted("a", two.certificate) + chain));
  EXPECT_EQ(3U, extracted.certificates.size());
  EXPECT_EQ("", faults(extracted));
}

TEST(Extract, KeystoreThatBreaksOffGivesWhatCameBefore) {
  const std::string whole =
      keystore(2, trusted("a", one().certificate) + trusted("b", one().certificate));
  for (std::size_t length = 4; length < whole.size() - 20; ++length) {
    const Extracted extracted = extract(whole.substr(0, length));
    EXPECT_FALSE(extracted.problems.empty()) << length;
    EXPECT_LE(extracted.certificates.size(), 1U);
  }
}

TEST(Extract, LengthsThatLieAreNoHarm) {
  for (const std::string& bytes :
       {keystore(0xffffffff, ""),
        keystore(1,
                 number(2, 4) + text("a") + number(0, 8) + text("X.509") + number(0xffffffff, 4)),
        keystore(1, number(1, 4) + text("a") + number(0, 8) + number(0xfffffff0, 4)),
        keystore(1, number(7, 4)), number(0xCECECECE, 4) + number(9, 4) + number(1, 4)}) {
    EXPECT_TRUE(extract(bytes).certificates.empty());
    EXPECT_EQ("0:it is damaged, or of a kind that cannot be read;", faults(extract(bytes)));
  }
}

TEST(Extract, WhatIsNoCertificateIsSaidByAReasonOutOfAList) {
  EXPECT_EQ("0:it is empty;", faults(extract("")));
  EXPECT_EQ("0:there is no certificate in it;", faults(extract("password: secret")));
  EXPECT_EQ("0:it is larger, or holds more, than is read;",
            faults(extract(std::string(9 << 20, 'A'))));
  EXPECT_EQ("0:it is truncated;", faults(extract(one().pem().substr(0, 200))));
}

TEST(Extract, EveryFaultHasWordsOfItsOwn) {
  std::set<std::string_view> words;
  for (std::uint8_t i = 0; i < kExtractFaults; ++i) {
    words.insert(words_of(static_cast<ExtractFault>(i)));
  }
  EXPECT_EQ(kExtractFaults, words.size());
  EXPECT_FALSE(words.contains(""));
}

} // namespace
} // namespace trust
