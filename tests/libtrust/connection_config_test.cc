#include "libtrust/connection_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "libtrust/error.h"
#include "libtrust/handles.h"
#include "tests/libtrust/mint.h"

namespace trust {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using testing::Key;
using testing::mint;
using testing::Minted;

TEST(ClientCertificateTest, TakesWhatBelongsTogether) {
  const Minted root = mint({.common_name = "Root", .ca = true});
  const Minted own = mint({.common_name = "client"}, &root), other = mint({});
  const std::string both = own.pem() + own.key.pem() + root.pem();
  EXPECT_EQ(ClientCertificate::parse(both, both, {}).chain().size(), 2U);
  const auto message_of = [](const std::string& chain, const std::string& key,
                             const std::optional<std::string>& password) {
    try {
      ClientCertificate::parse(chain, key, password);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::invalid);
      EXPECT_EQ(ERR_peek_error(), 0U);
      return error.message();
    }
    return std::string("taken");
  };
  EXPECT_THAT(message_of(own.pem(), other.key.pem(), {}), HasSubstr("not the one of"));
  EXPECT_THAT(message_of("", own.key.pem(), {}), HasSubstr("no client certificate"));
  EXPECT_THAT(message_of("-----BEGIN CERTIFICATE-----\n!\n", own.key.pem(), {}),
              HasSubstr("client certificate"));
  EXPECT_THAT(message_of(own.pem(), "", {}), HasSubstr("no private key"));
  const Minted weak = mint({.key = Key::rsa(1024)});
  EXPECT_THAT(message_of(weak.pem(), weak.key.pem(), {}), HasSubstr("cannot be used"));
  const BioPtr out(BIO_new(BIO_s_mem()));
  PEM_write_bio_PKCS8PrivateKey(out.get(), own.key.get(), EVP_aes_128_cbc(), "secret", 6, nullptr,
                                nullptr);
  char* data = nullptr;
  const long length = BIO_get_mem_data(out.get(), &data);
  const std::string encrypted(data, static_cast<std::size_t>(length));
  EXPECT_EQ(message_of(own.pem(), encrypted, "secret"), "taken");
  EXPECT_THAT(message_of(own.pem(), encrypted, {}), HasSubstr("is encrypted"));
  EXPECT_THAT(message_of(own.pem(), encrypted, "wrong"), HasSubstr("password"));
}

TEST(ConnectionConfigTest, RefusesWhatMeansNothing) {
  EXPECT_THROW(parse_timeout(0), Error);
  EXPECT_EQ(parse_timeout(1), 1ms);
  EXPECT_THROW(parse_min_tls(11), Error);
  EXPECT_THROW(parse_min_tls(0), Error);
  EXPECT_EQ(parse_min_tls(13), 13);
  EXPECT_TRUE(parse_alpn("").empty());
  EXPECT_EQ(parse_alpn("h2,http/1.1"), (std::vector<std::string>{"h2", "http/1.1"}));
  for (const std::string& wrong :
       {std::string(","), std::string("h2,"), std::string(",h2"), std::string("h2,,x"),
        std::string("h2 "), std::string("h2,h2"), std::string(256, 'x'), std::string("h\n")}) {
    EXPECT_THROW(parse_alpn(wrong), Error) << wrong;
  }
}

} // namespace
} // namespace trust
