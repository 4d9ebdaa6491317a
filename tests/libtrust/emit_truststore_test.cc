#include "libtrust/emit/truststore.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "libtrust/error.h"
#include "libtrust/handles.h"
#include "tests/libtrust/mint.h"

namespace trust {
namespace {

using testing::Key;
using testing::mint;

using Named = std::vector<std::pair<std::string, Certificate>>;

std::vector<Certificate> minted(std::size_t count) {
  std::vector<Certificate> certificates;
  for (std::size_t i = 0; i < count; ++i) {
    certificates.push_back(
        mint({.common_name = "CA " + std::to_string(i), .ca = true, .key = Key::shared()})
            .certificate);
  }
  return certificates;
}

Bytes bags_in(const Named& named) {
  Bytes bags;
  for (const auto& [alias, certificate] : named) {
    const Bytes bag = truststore_bag(alias, certificate.der());
    bags.insert(bags.end(), bag.begin(), bag.end());
  }
  return bags;
}

Bytes written(const Named& named) {
  Bytes bytes;
  const Bytes bags = bags_in(named);
  write_truststore(
      bags.size(), [&](const ByteSink& sink) { sink(bags); },
      [&](ByteView piece) { bytes.insert(bytes.end(), piece.begin(), piece.end()); });
  return bytes;
}

Pkcs12Ptr parsed(const Bytes& bytes) {
  const unsigned char* at = bytes.data();
  Pkcs12Ptr p12(d2i_PKCS12(nullptr, &at, static_cast<long>(bytes.size())));
  EXPECT_EQ(at, bytes.data() + bytes.size());
  return p12;
}

// Alias and fingerprint of every bag, as OpenSSL reads them, the MAC verified.
std::map<std::string, Fingerprint> bags_of(const Bytes& bytes) {
  std::map<std::string, Fingerprint> found;
  const Pkcs12Ptr p12 = parsed(bytes);
  EVP_PKEY* key = nullptr;
  X509* own = nullptr;
  STACK_OF(X509)* stack = nullptr;
  EXPECT_EQ(PKCS12_parse(p12.get(), std::string(kTruststorePassword).c_str(), &key, &own, &stack),
            1);
  EXPECT_EQ(key, nullptr);
  EXPECT_EQ(own, nullptr);
  const X509StackPtr certificates(stack);
  for (int i = 0; i < sk_X509_num(stack); ++i) {
    X509* const certificate = sk_X509_value(stack, i);
    int length = 0;
    const unsigned char* alias = X509_alias_get0(certificate, &length);
    Fingerprint fingerprint;
    X509_digest(certificate, EVP_sha256(), fingerprint.bytes.data(), nullptr);
    found[std::string(alias, alias + length)] = fingerprint;
  }
  return found;
}

TEST(Truststore, IsReadBackByOpensslWithItsMacAndAliases) {
  const auto certificates = minted(4);
  const Named named{{"one", certificates[0]},
                    {"zwei \u00e4 \u20ac", certificates[1]},
                    {"THREE", certificates[2]},
                    {std::string(200, 'x'), certificates[3]}};
  const auto bags = bags_of(written(named));
  ASSERT_EQ(bags.size(), named.size());
  for (const auto& [alias, certificate] : named) {
    ASSERT_TRUE(bags.contains(alias)) << alias;
    EXPECT_EQ(bags.at(alias), certificate.fingerprint());
  }
}

TEST(Truststore, HoldsEveryNumberOfCertificates) {
  // Lengths of one, two and three bytes, and none at all.
  for (const std::size_t count : {0U, 1U, 2U, 60U, 200U}) {
    Named named;
    for (const Certificate& certificate : minted(count)) {
      named.emplace_back(certificate.fingerprint().text(), certificate);
    }
    EXPECT_EQ(bags_of(written(named)).size(), count);
  }
}

TEST(Truststore, IsTheSameForTheSameCertificates) {
  const auto certificates = minted(2);
  const Named named{{"one", certificates[0]}, {"two", certificates[1]}};
  EXPECT_EQ(written(named), written(named));
  EXPECT_NE(written(named), written({{"two", certificates[0]}, {"one", certificates[1]}}));
}

TEST(Truststore, WritesWhatIsNotUtf8AllTheSame) {
  const auto certificates = minted(1);
  for (const char* alias : {"a\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"}) {
    EXPECT_EQ(bags_of(written({{alias, certificates[0]}})).size(), 1U);
  }
}

TEST(Truststore, NoticesMoreOrLessThanWasSaid) {
  const Bytes bags = bags_in({{"one", minted(1).front()}});
  for (const std::size_t said : {bags.size() - 1, bags.size() + 1, std::size_t{0}}) {
    EXPECT_THROW(write_truststore(
                     said, [&](const ByteSink& sink) { sink(bags); }, [](ByteView) {}),
                 Error)
        << said;
  }
}

TEST(Truststore, TakesBagsInPiecesThatEndAnywhere) {
  const Named named{{"one", minted(1).front()}};
  const Bytes bags = bags_in(named);
  Bytes bytes;
  write_truststore(
      bags.size(),
      [&](const ByteSink& sink) {
        for (const std::uint8_t& byte : bags) sink({&byte, 1});
      },
      [&](ByteView piece) { bytes.insert(bytes.end(), piece.begin(), piece.end()); });
  EXPECT_EQ(bytes, written(named));
}

} // namespace
} // namespace trust
