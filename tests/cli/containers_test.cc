#include "libtrust/containers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/provider.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "libtrust/error.h"
#include "tests/libtrust/mint.h"

namespace trust {
namespace {

using ::testing::HasSubstr;
using testing::mint;
using testing::Minted;

const Minted& ca() {
  static const Minted minted = mint({.common_name = "CA", .ca = true});
  return minted;
}
const Minted& leaf() {
  static const Minted minted = mint({.sans = {"DNS:dev.test"}}, &ca());
  return minted;
}

std::string taken(unsigned char* bytes, int length) {
  const OpensslBytes owned(bytes);
  return length > 0 ? std::string(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(length))
                    : std::string();
}

struct P12 {
  const char* password = "secret";
  bool with_key = true;
  int cipher = 0; // 0: OpenSSL's default; -1: not encrypted
  int rounds = 0;
  int mac_rounds = 0; // -1: no MAC
};

std::string pkcs12(const P12& what) {
  const X509StackPtr others(sk_X509_new_null());
  X509_up_ref(ca().certificate.x509());
  sk_X509_push(others.get(), ca().certificate.x509());
  const Pkcs12Ptr file(PKCS12_create(
      what.password, "name", what.with_key ? leaf().key.get() : nullptr, leaf().certificate.x509(),
      others.get(), 0, what.cipher, what.rounds, what.mac_rounds, 0));
  EXPECT_TRUE(file);
  unsigned char* bytes = nullptr;
  const int length = i2d_PKCS12(file.get(), &bytes);
  return taken(bytes, length);
}

std::string pkcs7(bool pem) {
  const Pkcs7Ptr file(PKCS7_new());
  PKCS7_set_type(file.get(), NID_pkcs7_signed);
  PKCS7_content_new(file.get(), NID_pkcs7_data);
  PKCS7_add_certificate(file.get(), leaf().certificate.x509());
  PKCS7_add_certificate(file.get(), ca().certificate.x509());
  if (pem) {
    const BioPtr out(BIO_new(BIO_s_mem()));
    PEM_write_bio_PKCS7(out.get(), file.get());
    char* data = nullptr;
    const long length = BIO_get_mem_data(out.get(), &data);
    return std::string(data, static_cast<std::size_t>(length));
  }
  unsigned char* bytes = nullptr;
  const int length = i2d_PKCS7(file.get(), &bytes);
  return taken(bytes, length);
}

std::string never() {
  ADD_FAILURE() << "asked for a password";
  return {};
}
std::string right() { return "secret"; }
std::string wrong() { return "guess"; }

std::vector<std::string> names_in(const std::optional<Contained>& contained) {
  std::vector<std::string> names;
  if (!contained) return {"not a container"};
  for (const Certificate& one : contained->certificates) names.push_back(one.common_name());
  std::sort(names.begin(), names.end());
  return names;
}

Error failure_of(const std::string& bytes, const AskPassword& ask) {
  try {
    read_container(bytes, "file.p12", ask);
  } catch (const Error& error) {
    EXPECT_EQ(ERR_peek_error(), 0U);
    return error;
  }
  return {Code::internal, "accepted"};
}

const std::vector<std::string> kBoth{"CA", "dev.test"};

TEST(Containers, LeaveTheRestToTheDecoder) {
  for (const std::string& bytes :
       {std::string(), std::string("text"), leaf().pem(), leaf().key.pem(),
        std::string(leaf().certificate.der().begin(), leaf().certificate.der().end()),
        leaf().pem() + pkcs7(true)}) {
    EXPECT_FALSE(read_container(bytes, "x", never));
  }
}

TEST(Containers, ReadPkcs7) {
  EXPECT_EQ(names_in(read_container(pkcs7(false), "x", never)), kBoth);
  EXPECT_EQ(names_in(read_container(pkcs7(true), "x", never)), kBoth);
  EXPECT_EQ(names_in(read_container("junk\r\n" + pkcs7(true) + "junk", "x", never)), kBoth);
  std::string renamed = pkcs7(true);
  for (std::size_t at; (at = renamed.find("PKCS7")) != std::string::npos;) {
    renamed.replace(at, 5, "CMS");
  }
  EXPECT_EQ(names_in(read_container(renamed, "x", never)), kBoth);
}

TEST(Containers, ReadPkcs12WithItsPassword) {
  const auto contained = read_container(pkcs12({}), "x", right);
  EXPECT_EQ(names_in(contained), kBoth);
  EXPECT_TRUE(contained->has_private_key);
  EXPECT_TRUE(contained->bad.empty());
  EXPECT_FALSE(read_container(pkcs12({.with_key = false}), "x", right)->has_private_key);
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(Containers, AskForNoPasswordThatIsNotNeeded) {
  EXPECT_EQ(names_in(read_container(pkcs12({.password = ""}), "x", never)), kBoth);
  EXPECT_EQ(names_in(read_container(pkcs12({.password = nullptr}), "x", never)), kBoth);
  EXPECT_EQ(names_in(read_container(pkcs12({.with_key = false, .cipher = -1, .mac_rounds = -1}),
                                    "x", never)),
            kBoth);
}

TEST(Containers, ReadPkcs12WithoutAMac) {
  EXPECT_EQ(names_in(read_container(pkcs12({.mac_rounds = -1}), "x", right)), kBoth);
}

TEST(Containers, RefuseAWrongPassword) {
  const Error error = failure_of(pkcs12({}), wrong);
  EXPECT_EQ(error.code(), Code::invalid);
  EXPECT_EQ(error.message(), "file.p12 does not open with this password");
  EXPECT_EQ(failure_of(pkcs12({}), nullptr).message(), "file.p12 wants a password");
}

TEST(Containers, ReadWhatOlderProgramsWrote) {
  if (OSSL_PROVIDER_try_load(nullptr, "legacy", 1) == nullptr) {
    GTEST_SKIP() << "this OpenSSL has no legacy provider";
  }
  EXPECT_EQ(
      names_in(read_container(pkcs12({.cipher = NID_pbe_WithSHA1And40BitRC2_CBC}), "x", right)),
      kBoth);
}

TEST(Containers, BoundTheRoundsOfKeyDerivation) {
  // 65,537 rounds, which the file then claims to be 8,388,607.
  for (const bool in_mac : {true, false}) {
    std::string bytes = pkcs12({.rounds = in_mac ? 1 : 65537, .mac_rounds = in_mac ? 65537 : 1});
    const std::string small("\x02\x03\x01\x00\x01", 5);
    const std::size_t at = bytes.find(small);
    ASSERT_NE(at, std::string::npos);
    bytes.replace(at, 5, "\x02\x03\x7F\xFF\xFF");
    const Error error = failure_of(bytes, right);
    EXPECT_EQ(error.code(), Code::too_large) << error.message();
    EXPECT_THAT(error.message(), HasSubstr("rounds of key derivation"));
  }
}

TEST(Containers, SayThatTheyAreDamaged) {
  for (const std::string& whole : {pkcs12({}), pkcs7(false)}) {
    const Error error = failure_of(whole.substr(0, whole.size() - 20), right);
    EXPECT_EQ(error.code(), Code::invalid);
    EXPECT_THAT(error.message(), HasSubstr("is damaged"));
  }
}

#ifdef TRUST_DATA_DIR
TEST(Containers, SurviveEverySeed) {
  const std::filesystem::path archive = std::filesystem::path(TRUST_DATA_DIR) / "fuzz-seeds.tar.gz";
  const std::filesystem::path folder =
      std::filesystem::path(::testing::TempDir()) / ("containers-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const std::string command = "tar -xzf '" + archive.string() + "' -C '" + folder.string() + "'";
  ASSERT_EQ(std::system(command.c_str()), 0);
  int seen = 0;
  for (const auto& item : std::filesystem::recursive_directory_iterator(folder)) {
    if (!item.is_regular_file()) continue;
    std::ifstream file(item.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    ++seen;
    try {
      read_container(bytes, "seed", wrong);
    } catch (const Error& error) {
      EXPECT_NE(error.code(), Code::internal) << item.path();
    }
    EXPECT_EQ(ERR_peek_error(), 0U) << item.path();
  }
  std::filesystem::remove_all(folder);
  EXPECT_GT(seen, 1000);
}
#endif

} // namespace
} // namespace trust
