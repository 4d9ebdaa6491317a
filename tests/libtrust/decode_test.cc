#include "libtrust/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "libtrust/error.h"
#include "tests/libtrust/mint.h"

namespace trust {
namespace {

using ::testing::HasSubstr;
using testing::Key;
using testing::mint;
using testing::Minted;

std::string text_of(ByteView bytes) { return {bytes.begin(), bytes.end()}; }

Error failure_of(std::string_view bytes) {
  try {
    decode(bytes, "ca.pem");
  } catch (const Error& error) {
    return error;
  }
  return {Code::internal, "accepted"};
}

std::string message_of(std::string_view bytes) {
  const Error error = failure_of(bytes);
  EXPECT_EQ(error.code(), Code::invalid) << error.message();
  return error.message();
}

std::string with_crlf(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '\n' ? std::string("\r\n") : std::string(1, c);
  return out;
}

std::vector<std::size_t> lines_of(const Decoded& decoded) {
  std::vector<std::size_t> lines;
  for (const DecodedCertificate& found : decoded.certificates) lines.push_back(found.line);
  return lines;
}

const Minted& sample() {
  static const Minted minted = mint({.sans = {"DNS:dev.test"}});
  return minted;
}

TEST(Decode, ReadsDerAndPem) {
  for (const std::string& input : {text_of(sample().certificate.der()), sample().pem()}) {
    const Decoded decoded = decode(input, "x");
    ASSERT_EQ(decoded.certificates.size(), 1U);
    EXPECT_EQ(decoded.certificates[0].certificate.fingerprint(),
              sample().certificate.fingerprint());
    EXPECT_TRUE(decoded.bad.empty());
  }
  EXPECT_EQ(decode(text_of(sample().certificate.der()), "x").certificates[0].line, 0U);
}

TEST(Decode, ReadsSeveralDerCertificatesInARow) {
  const std::string der = text_of(sample().certificate.der());
  EXPECT_EQ(decode(der + der, "x").certificates.size(), 2U);
  EXPECT_THAT(message_of(der + "rubbish"), HasSubstr("behind certificate 1"));
}

TEST(Decode, FindsBlocksInAnyTextAndSaysTheirLines) {
  const std::string pem = sample().pem();
  const auto count = static_cast<std::size_t>(std::count(pem.begin(), pem.end(), '\n'));
  const std::string junk = "Bag Attributes\n  friendlyName: x\n";
  const std::string text = junk + pem + "\n# a comment\n" + pem + pem + "the end";
  const std::vector<std::size_t> expected{3, 3 + count + 2, 3 + 2 * count + 2};
  EXPECT_EQ(lines_of(decode(text, "x")), expected);
  EXPECT_EQ(lines_of(decode(with_crlf(text), "x")), expected);
  std::string old_mac = text;
  std::replace(old_mac.begin(), old_mac.end(), '\n', '\r');
  EXPECT_EQ(lines_of(decode(old_mac, "x")), expected);
  EXPECT_EQ(lines_of(decode("\xEF\xBB\xBF" + pem, "x")), std::vector<std::size_t>{1});
}

TEST(Decode, ReadsBlocksThatOtherProgramsWrote) {
  const std::string pem = sample().pem();
  const std::string body = base64(sample().certificate.der());
  const auto reads = [](const std::string& text) { return decode(text, "x").certificates.size(); };
  EXPECT_EQ(reads(pem.substr(0, pem.size() - 1) + pem), 2U) << "no line end between two blocks";
  EXPECT_EQ(reads("-----BEGIN CERTIFICATE-----\n" + body + "\n-----END CERTIFICATE-----"), 1U)
      << "one long line";
  EXPECT_EQ(reads("-----BEGIN CERTIFICATE-----" + body + "-----END CERTIFICATE-----"), 1U);
  EXPECT_EQ(reads("-----BEGIN X509 CERTIFICATE-----\n" + body + "\n-----END X509 CERTIFICATE-----"),
            1U);
  std::string indented;
  for (const char c : pem) indented += c == '\n' ? std::string("\n    ") : std::string(1, c);
  EXPECT_EQ(reads("  cert: |\n    " + indented), 1U) << "YAML";
  // Two bytes of OpenSSL's trust settings behind the certificate.
  Bytes trusted(sample().certificate.der().begin(), sample().certificate.der().end());
  trusted.insert(trusted.end(), {0x30, 0x00});
  EXPECT_EQ(reads(pem_of(trusted, "TRUSTED CERTIFICATE")), 1U);
  EXPECT_THAT(message_of(pem_of(trusted)), HasSubstr("bytes stand behind it"));
}

TEST(Decode, KeepsOrderAndDuplicates) {
  const Minted other = mint({.common_name = "other"});
  const Decoded decoded = decode(other.pem() + sample().pem() + other.pem(), "x");
  ASSERT_EQ(decoded.certificates.size(), 3U);
  EXPECT_EQ(decoded.certificates[0].certificate.common_name(), "other");
  EXPECT_EQ(decoded.certificates[1].certificate.common_name(), "dev.test");
  EXPECT_EQ(decoded.certificates[2].certificate.common_name(), "other");
}

TEST(Decode, NamesTheBadBlocksOfMany) {
  const std::string pem = sample().pem();
  std::string text;
  std::vector<std::size_t> bad_lines;
  for (int i = 0; i < 300; ++i) {
    if (i == 17 || i == 150 || i == 299) {
      bad_lines.push_back(1 + static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')));
      text += "-----BEGIN CERTIFICATE-----\nTWFu\n-----END CERTIFICATE-----\n";
    } else {
      text += pem;
    }
  }
  const Decoded decoded = decode(text, "x");
  EXPECT_EQ(decoded.certificates.size(), 297U);
  ASSERT_EQ(decoded.bad.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(decoded.bad[i].line, bad_lines[i]);
}

TEST(Decode, SaysWhatIsWrongWithABlock) {
  const std::string pem = sample().pem();
  const std::string good = pem;
  const auto reason = [&](const std::string& block) {
    const Decoded decoded = decode(block + "\n" + good, "x");
    return decoded.bad.size() == 1 ? decoded.bad[0].reason : "not one bad block";
  };
  EXPECT_EQ(reason(pem.substr(0, 200)), "it is truncated: its END line is missing");
  EXPECT_EQ(reason(pem.substr(0, pem.size() - 10)), "it is truncated: its END line is damaged");
  const Bytes half(sample().certificate.der().begin(), sample().certificate.der().begin() + 150);
  EXPECT_EQ(reason(pem_of(half)), "it is truncated: its end is missing");
  EXPECT_EQ(reason("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----"), "it is empty");
  EXPECT_EQ(reason("-----BEGIN CERTIFICATE-----\n*!?*\n-----END CERTIFICATE-----"),
            "it is not base64");
  EXPECT_EQ(reason("-----BEGIN CERTIFICATE-----\nAAAAA\n-----END CERTIFICATE-----"),
            "its base64 is incomplete");
  EXPECT_EQ(reason("-----BEGIN CERTIFICATE-----\nTWFu\n-----END X509 CRL-----"),
            "its END line is of another kind");
  EXPECT_EQ(reason(testing::mint_request(Key::shared())),
            "it is a certificate request, not a certificate");
  EXPECT_EQ(reason(testing::mint_crl(sample())),
            "it is a revocation list (CRL), not a certificate");
  EXPECT_EQ(reason("-----BEGIN PKCS7-----\nTWFu\n-----END PKCS7-----"),
            "it is PKCS#7, not a certificate");
  EXPECT_THAT(reason("-----BEGIN CERTIFICATE-----\n" + std::string(200'000, 'A') +
                     "\n-----END CERTIFICATE-----"),
              HasSubstr("100 KiB"));
}

TEST(Decode, RefusesPrivateKeysWhateverTheyAreIn) {
  const Key ec = Key::p256();
  const Key rsa = Key::rsa();
  const auto traditional = [](const Key& key) {
    const BioPtr out(BIO_new(BIO_s_mem()));
    EXPECT_EQ(PEM_write_bio_PrivateKey_traditional(out.get(), key.get(), nullptr, nullptr, 0,
                                                   nullptr, nullptr),
              1);
    char* data = nullptr;
    const long length = BIO_get_mem_data(out.get(), &data);
    return std::string(data, static_cast<std::size_t>(length));
  };
  const auto der_of_pem = [](const std::string& pem) {
    const std::size_t begin = pem.find('\n') + 1;
    std::string body = pem.substr(begin, pem.find("-----END") - begin);
    std::erase(body, '\n');
    return *parse_base64(body);
  };
  const auto encrypted = [](const Key& key) {
    const BioPtr out(BIO_new(BIO_s_mem()));
    char password[] = "secret";
    EXPECT_EQ(i2d_PKCS8PrivateKey_bio(out.get(), key.get(), EVP_aes_256_cbc(), password, 6, nullptr,
                                      nullptr),
              1);
    char* data = nullptr;
    const long length = BIO_get_mem_data(out.get(), &data);
    return Bytes(data, data + length);
  };
  const std::string pem = sample().pem();
  for (const std::string& input : {
           ec.pem(),
           rsa.pem(),
           traditional(ec),
           traditional(rsa),
           pem + ec.pem(),
           ec.pem() + pem,
           text_of(ec.der()),
           text_of(rsa.der()),
           text_of(Key::ed25519().der()),
           text_of(der_of_pem(traditional(ec))),
           text_of(der_of_pem(traditional(rsa))),
           text_of(encrypted(ec)),
           text_of(sample().certificate.der()) + text_of(ec.der()),
           pem_of(ec.der()),
           pem + pem_of(encrypted(ec)),
           base64(ec.der()),
           "{\"key\": \"-----BEGIN PRIVATE KEY-----\\nMIG" + std::string("…\"}"),
           std::string("-----BEGIN OPENSSH PRIVATE KEY-----\nx"),
           std::string("-----BEGIN ENCRYPTED PRIVATE KEY-----\nx"),
           std::string("PuTTY-User-Key-File-3: ssh-ed25519\n"),
       }) {
    const Error error = failure_of(input);
    EXPECT_EQ(error.code(), Code::private_key) << input.substr(0, 60) << error.message();
    EXPECT_THAT(error.message(), HasSubstr("ca.pem holds a"));
    EXPECT_THAT(error.message(), HasSubstr("private key"));
    EXPECT_THAT(error.message(), HasSubstr("not stored"));
  }
  EXPECT_THAT(failure_of("x\ny\n" + ec.pem()).message(), HasSubstr("on line 3"));
}

TEST(Decode, SaysWhatItLooksLikeInstead) {
  const std::string pem = sample().pem();
  EXPECT_EQ(message_of(""), "ca.pem is empty");
  EXPECT_EQ(message_of(" \r\n\t"), "ca.pem is empty");
  EXPECT_EQ(message_of("\xEF\xBB\xBF"), "ca.pem is empty");
  EXPECT_EQ(message_of("\xEF\xBB\xBF \n"), "ca.pem is empty");
  EXPECT_THAT(message_of("\f\v"), HasSubstr("ca.pem"));
  EXPECT_THAT(message_of("hello"), HasSubstr("text without a PEM block"));
  EXPECT_THAT(message_of("\n<!DOCTYPE html><html>"), HasSubstr("HTML page"));
  EXPECT_THAT(message_of("<?xml version='1.0'?><a/>"), HasSubstr("XML"));
  EXPECT_THAT(message_of(std::string("\x89PNG\r\n\x1a\n\0\0", 10)), HasSubstr("binary"));
  EXPECT_THAT(message_of(std::string("0\7\1\2garbage", 11)), HasSubstr("not a certificate"));
  EXPECT_THAT(message_of(std::string("\xFE\xED\xFE\xED\0\0\0\2", 8)), HasSubstr("Java keystore"));
  EXPECT_THAT(message_of(std::string("\xFF\xFE-\0-\0", 6)), HasSubstr("UTF-16"));
  EXPECT_THAT(message_of("ssh-ed25519 AAAA me@here"), HasSubstr("SSH public key"));
  EXPECT_THAT(message_of(base64(sample().certificate.der())), HasSubstr("without its BEGIN"));
  EXPECT_THAT(message_of("\"-----BEGIN CERTIFICATE-----\\nMIIB\""), HasSubstr("middle of a line"));
  EXPECT_THAT(message_of(pem.substr(30)), HasSubstr("no BEGIN line"));
  EXPECT_THAT(message_of(pem.substr(0, 200)), HasSubstr("truncated"));
  EXPECT_THAT(message_of(testing::mint_request(Key::shared())), HasSubstr("certificate request"));
  EXPECT_THAT(message_of(testing::mint_crl(sample())), HasSubstr("revocation list"));
  const std::string der = text_of(sample().certificate.der());
  EXPECT_THAT(message_of(der.substr(0, der.size() - 5)), HasSubstr("truncated"));
}

TEST(Decode, TellsOtherDerApart) {
  const auto der_of = [](const std::string& pem) {
    const std::size_t begin = pem.find('\n') + 1;
    std::string body = pem.substr(begin, pem.find("-----END") - begin);
    std::erase(body, '\n');
    return text_of(*parse_base64(body));
  };
  EXPECT_THAT(message_of(der_of(testing::mint_request(Key::shared()))),
              HasSubstr("certificate request"));
  EXPECT_THAT(message_of(der_of(testing::mint_crl(sample()))), HasSubstr("revocation list"));
  const Pkcs12Ptr p12(
      PKCS12_create("pw", "x", nullptr, sample().certificate.x509(), nullptr, 0, 0, 0, 0, 0));
  ASSERT_TRUE(p12);
  unsigned char* bytes = nullptr;
  int length = i2d_PKCS12(p12.get(), &bytes);
  OpensslBytes owned(bytes);
  EXPECT_THAT(message_of(text_of({bytes, static_cast<std::size_t>(length)})), HasSubstr("PKCS#12"));
  const Pkcs7Ptr p7(PKCS7_new());
  PKCS7_set_type(p7.get(), NID_pkcs7_signed);
  PKCS7_content_new(p7.get(), NID_pkcs7_data);
  PKCS7_add_certificate(p7.get(), sample().certificate.x509());
  bytes = nullptr;
  length = i2d_PKCS7(p7.get(), &bytes);
  owned.reset(bytes);
  EXPECT_THAT(message_of(text_of({bytes, static_cast<std::size_t>(length)})), HasSubstr("PKCS#7"));
  bytes = nullptr;
  length = i2d_PUBKEY(Key::shared().get(), &bytes);
  owned.reset(bytes);
  EXPECT_THAT(message_of(text_of({bytes, static_cast<std::size_t>(length)})),
              HasSubstr("public key"));
}

TEST(Decode, HoldsItsLimits) {
  const Error large = failure_of(std::string(10 * 1024 * 1024, 'x'));
  EXPECT_EQ(large.code(), Code::too_large);
  EXPECT_THAT(large.message(), HasSubstr("8 MiB"));
  std::string many;
  for (std::size_t i = 0; i <= kMaxImportCertificates; ++i) {
    many += "-----BEGIN CERTIFICATE-----\nTWFu\n-----END CERTIFICATE-----\n";
  }
  EXPECT_EQ(failure_of(many).code(), Code::too_large);
}

TEST(Decode, ShowsTheNameOfTheInputEscaped) {
  try {
    decode("", "a\x1b[2J.pem");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "a\\x1b[2J.pem is empty");
  }
}

// What fuzzers found for others: parsed or refused, nothing else.
#ifdef TRUST_DATA_DIR
TEST(Decode, SurvivesEverySeed) {
  const std::filesystem::path archive = std::filesystem::path(TRUST_DATA_DIR) / "fuzz-seeds.tar.gz";
  const std::filesystem::path folder =
      std::filesystem::path(::testing::TempDir()) / ("seeds-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const std::string command = "tar -xzf '" + archive.string() + "' -C '" + folder.string() + "'";
  ASSERT_EQ(std::system(command.c_str()), 0);
  int seen = 0;
  int parsed = 0;
  for (const auto& item : std::filesystem::recursive_directory_iterator(folder)) {
    if (!item.is_regular_file()) continue;
    std::ifstream file(item.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    ++seen;
    try {
      for (const DecodedCertificate& found : decode(bytes, "seed").certificates) {
        found.certificate.x509();
        found.certificate.verifies_itself();
        ++parsed;
      }
    } catch (const Error& error) {
      EXPECT_NE(error.code(), Code::internal) << item.path();
      EXPECT_FALSE(error.message().empty());
    }
    EXPECT_EQ(ERR_peek_error(), 0U) << item.path();
  }
  std::filesystem::remove_all(folder);
  EXPECT_GT(seen, 1000);
  EXPECT_GT(parsed, 0);
  RecordProperty("seeds", seen);
  RecordProperty("parsed", parsed);
}
#endif

} // namespace
} // namespace trust
