#include "libtrust/certificate.h"

#include <gtest/gtest.h>

#include <thread>

#include "libtrust/der.h"
#include "libtrust/error.h"
#include "libtrust/pin.h"
#include "tests/libtrust/mint.h"

namespace trust {
namespace {

using testing::kDay;
using testing::Key;
using testing::mint;
using testing::Mint;
using testing::Minted;

ByteView view(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string refusal_of(ByteView der) {
  try {
    Certificate::from_der(der);
  } catch (const Error& error) {
    return error.message();
  }
  return "accepted";
}

TEST(Base64, WritesAndReadsTheVectorsOfRfc4648) {
  for (const auto& [plain, coded] :
       std::vector<std::pair<std::string, std::string>>{{"", ""},
                                                        {"f", "Zg=="},
                                                        {"fo", "Zm8="},
                                                        {"foo", "Zm9v"},
                                                        {"foob", "Zm9vYg=="},
                                                        {"fooba", "Zm9vYmE="},
                                                        {"foobar", "Zm9vYmFy"}}) {
    EXPECT_EQ(base64(view(plain)), coded);
    const auto read = parse_base64(coded);
    ASSERT_TRUE(read) << coded;
    EXPECT_EQ(std::string(read->begin(), read->end()), plain);
  }
}

TEST(Base64, RefusesWhatIsNotCanonical) {
  for (const char* text : {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Zg==Zg==", "====", "=", "Zm9v\n",
                           " Zm9v", "Zm-_", "Z===", "Zm9v=", "Zm=v"}) {
    EXPECT_FALSE(parse_base64(text)) << text;
  }
}

TEST(DerReader, TakesOnlyTheShortestDefiniteLengths) {
  const auto reads = [](std::vector<std::uint8_t> bytes) {
    DerReader reader(bytes);
    return reader.next().has_value();
  };
  EXPECT_TRUE(reads({0x30, 0x00}));
  EXPECT_TRUE(reads({0x04, 0x01, 0xFF}));
  EXPECT_FALSE(reads({}));
  EXPECT_FALSE(reads({0x30}));
  EXPECT_FALSE(reads({0x30, 0x01}));
  EXPECT_FALSE(reads({0x30, 0x80, 0x00, 0x00}));       // indefinite
  EXPECT_FALSE(reads({0x04, 0x81, 0x01, 0xFF}));       // not the shortest
  EXPECT_FALSE(reads({0x04, 0x82, 0x00, 0x80}));       // leading zero
  EXPECT_FALSE(reads({0x1F, 0x81, 0x01, 0x00}));       // a long tag
  EXPECT_FALSE(reads({0x04, 0x85, 1, 1, 1, 1, 1, 0})); // over 4 GiB
}

TEST(Fingerprint, IsReadAsPeoplePasteIt) {
  const std::string digits = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
  std::string colons;
  for (std::size_t i = 0; i < 64; i += 2) {
    colons += (i ? ":" : "") + std::string(1, static_cast<char>(std::toupper(digits[i]))) +
              static_cast<char>(std::toupper(digits[i + 1]));
  }
  for (const std::string& text :
       {digits, colons, "sha256:" + digits, "SHA256:" + colons, "sha256 Fingerprint=" + colons,
        "SHA256 Fingerprint=" + colons + "\n", "  " + digits + " "}) {
    EXPECT_EQ(Fingerprint::parse(text).text(), digits) << text;
  }
  for (const std::string& text :
       {std::string(), digits.substr(1), digits + "0", "sha1:" + digits, "g" + digits.substr(1),
        colons.substr(0, 94), digits.substr(0, 62) + ":f", "sha256:sha256:" + digits}) {
    EXPECT_THROW(Fingerprint::parse(text), Error) << text;
  }
  std::string odd = colons;
  odd[2] = '-';
  EXPECT_THROW(Fingerprint::parse(odd), Error);
}

TEST(Certificate, HasItsFacts) {
  const Minted minted = mint({.common_name = "Gerät, \x1b[2J",
                              .organization = "Größe+",
                              .sans = {"DNS:dev.test", "DNS:*.Dev.test", "IP:127.0.0.1",
                                       "IP:2001:db8::1", "email:a@b.test"},
                              .ca = true,
                              .not_before = 1795434240,
                              .not_after = 1795434240 + 30 * kDay,
                              .serial = 0xABCDEF});
  const Certificate& certificate = minted.certificate;
  EXPECT_EQ(certificate.subject(), "CN=Gerät\\, \\1B[2J,O=Größe\\+");
  EXPECT_EQ(certificate.issuer(), certificate.subject());
  EXPECT_EQ(certificate.common_name(), "Gerät, \x1b[2J");
  EXPECT_EQ(certificate.serial(), "ABCDEF");
  EXPECT_EQ(certificate.not_before(), 1795434240);
  EXPECT_EQ(certificate.not_after(), 1795434240 + 30 * kDay);
  EXPECT_EQ(certificate.dns_names(), (std::vector<std::string>{"dev.test", "*.Dev.test"}));
  ASSERT_EQ(certificate.addresses().size(), 2U);
  EXPECT_EQ(certificate.addresses()[1].text(), "2001:db8::1");
  EXPECT_EQ(certificate.key_kind(), "EC P-256");
  EXPECT_EQ(certificate.signature_kind(), "ecdsa-with-SHA256");
  EXPECT_TRUE(certificate.is_ca());
  EXPECT_TRUE(certificate.has_names());
  EXPECT_EQ(certificate.fingerprint().bytes, sha256(certificate.der()));
}

TEST(Certificate, AgreesWithOpensslAboutHashes) {
  const Minted minted = mint({});
  X509* const x509 = minted.certificate.x509();
  EXPECT_EQ(minted.certificate.subject_hash(), X509_subject_name_hash(x509));
  unsigned char* spki = nullptr;
  const int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &spki);
  const OpensslBytes owned(spki);
  EXPECT_EQ(minted.certificate.spki_hash(), sha256({spki, static_cast<std::size_t>(length)}));
  const unsigned char* name = nullptr;
  std::size_t name_length = 0;
  ASSERT_EQ(X509_NAME_get0_der(X509_get_subject_name(x509), &name, &name_length), 1);
  const ByteView subject = minted.certificate.subject_der();
  EXPECT_TRUE(std::equal(subject.begin(), subject.end(), name, name + name_length));
}

TEST(Certificate, ReadsPemAsOpensslWritesIt) {
  const Minted minted = mint({});
  const BioPtr out(BIO_new(BIO_s_mem()));
  ASSERT_EQ(PEM_write_bio_X509(out.get(), minted.certificate.x509()), 1);
  char* data = nullptr;
  const long length = BIO_get_mem_data(out.get(), &data);
  EXPECT_EQ(minted.pem(), std::string(data, static_cast<std::size_t>(length)));
}

TEST(Certificate, KnowsTheKindOfItsKey) {
  struct Row {
    Key key;
    const char* kind;
    const char* weakness; // "": none
  };
  for (const Row& row : {
           Row{Key::p256(), "EC P-256", ""},
           Row{Key::curve("P-384"), "EC P-384", ""},
           Row{Key::curve("P-521"), "EC P-521", ""},
           Row{Key::curve("secp256k1"), "EC secp256k1", ""},
           Row{Key::curve("P-224"), "EC P-224", "an EC key of 224 bits; 256 is the least"},
           Row{Key::rsa(2048), "RSA 2048", ""},
           Row{Key::rsa(1024), "RSA 1024", "an RSA key of 1024 bits; 2048 is the least"},
           Row{Key::ed25519(), "Ed25519", ""},
       }) {
    const Certificate certificate = mint({.key = row.key}).certificate;
    EXPECT_EQ(certificate.key_kind(), row.kind);
    EXPECT_EQ(certificate.weakness().value_or(""), row.weakness) << row.kind;
  }
}

TEST(Certificate, IsWeakWithAnOldDigestUnlessSelfSigned) {
  const Minted ca = mint({.common_name = "CA", .ca = true, .key = Key::rsa(), .digest = "SHA1"});
  EXPECT_FALSE(ca.certificate.weakness());
  EXPECT_EQ(mint({.digest = "SHA1"}, &ca).certificate.weakness(), "a signature with SHA1");
  EXPECT_EQ(mint({.digest = "MD5"}, &ca).certificate.weakness(), "a signature with MD5");
  EXPECT_FALSE(mint({.digest = "SHA384"}, &ca).certificate.weakness());
}

TEST(Certificate, CouldSignUnlessItSaysOtherwise) {
  const auto could = [](const Mint& what) { return mint(what).certificate.could_sign(); };
  EXPECT_TRUE(could({}));
  EXPECT_TRUE(could({.ca = true}));
  EXPECT_FALSE(could({.ca = false}));
  EXPECT_FALSE(could({.key_usage = "digitalSignature"}));
  EXPECT_FALSE(could({.ca = true, .key_usage = "digitalSignature"}));
  EXPECT_TRUE(could({.ca = true, .key_usage = "keyCertSign"}));
  EXPECT_FALSE(mint({}).certificate.is_ca());
}

TEST(Certificate, KnowsWhetherItIsSelfSigned) {
  const Minted ca = mint({.common_name = "CA", .ca = true});
  EXPECT_TRUE(ca.certificate.is_self_issued());
  EXPECT_TRUE(ca.certificate.is_self_signed());
  EXPECT_TRUE(ca.certificate.verifies_itself());

  const Certificate leaf = mint({}, &ca).certificate;
  EXPECT_FALSE(leaf.is_self_issued());
  EXPECT_FALSE(leaf.is_self_signed());
  EXPECT_FALSE(leaf.verifies_itself());

  // A key roll-over: the same name, signed by the key before.
  const Certificate rolled = mint({.common_name = "CA", .ca = true}, &ca).certificate;
  EXPECT_TRUE(rolled.is_self_issued());
  EXPECT_FALSE(rolled.is_self_signed());
  EXPECT_FALSE(rolled.verifies_itself());

  const Certificate bare = mint({.common_name = "CA", .key_identifiers = false}, &ca).certificate;
  EXPECT_TRUE(bare.is_self_signed()) << "nothing says otherwise";
  EXPECT_FALSE(bare.verifies_itself()) << "but its key does";
}

TEST(Certificate, CoversTheHostsOfItsSanAlone) {
  const Certificate certificate =
      mint({.common_name = "cn.test",
            .sans = {"DNS:Dev.Test", "DNS:*.wild.test", "DNS:*.test", "DNS:.dot.test",
                     "DNS:trailing.test.", "DNS:10.0.0.9", "IP:10.0.0.1", "IP:::1"}})
          .certificate;
  for (const char* host : {"dev.test", "a.wild.test", "10.0.0.1", "::ffff:10.0.0.1", "::1"}) {
    EXPECT_TRUE(certificate.covers(Host::parse(host))) << host;
  }
  for (const char* host : {"cn.test", "wild.test", "a.b.wild.test", "other.test", "a.dot.test",
                           "trailing.test", "10.0.0.9", "10.0.0.2", "test"}) {
    EXPECT_FALSE(certificate.covers(Host::parse(host))) << host;
  }
}

TEST(Certificate, ANameWithANulCoversNothing) {
  const Certificate certificate =
      mint({.extensions = {{"subjectAltName", "DER:300e820c6465762e74657374002e6576"}}})
          .certificate;
  ASSERT_EQ(certificate.dns_names().size(), 1U);
  EXPECT_EQ(certificate.dns_names()[0], std::string("dev.test\0.ev", 12));
  EXPECT_FALSE(certificate.covers(Host::parse("dev.test")));
}

TEST(Certificate, RefusesWhatIsNotExactlyOneInDer) {
  const Minted minted = mint({});
  const ByteView der = minted.certificate.der();
  const Bytes whole(der.begin(), der.end());
  EXPECT_NE(refusal_of({}), "accepted");
  EXPECT_NE(refusal_of(view("rubbish")), "accepted");
  EXPECT_NE(refusal_of(ByteView(whole).subspan(0, whole.size() - 1)), "accepted");
  Bytes longer = whole;
  longer.push_back(0);
  EXPECT_EQ(refusal_of(longer), "bytes stand behind it");
  Bytes indefinite(whole.begin() + 4, whole.end()); // the outer sequence in BER
  indefinite.insert(indefinite.begin(), {0x30, 0x80});
  indefinite.insert(indefinite.end(), {0, 0});
  EXPECT_EQ(refusal_of(indefinite), "it is not encoded in DER");
  EXPECT_NE(refusal_of(Bytes(kMaxCertificateBytes + 1, 0x30)).find("100 KiB"), std::string::npos);
}

TEST(Certificate, RefusesExtensionsThatCannotBeRead) {
  for (const auto& [name, fault] : std::vector<std::pair<const char*, const char*>>{
           {"subjectAltName", "its subjectAltName cannot be read"},
           {"basicConstraints", "its basicConstraints cannot be read"},
           {"keyUsage", "its keyUsage cannot be read"}}) {
    try {
      mint({.extensions = {{name, "DER:04030102"}}});
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.message(), fault);
    }
  }
}

TEST(Certificate, IsParsedOnceByManyThreads) {
  const Minted minted = mint({});
  const Certificate certificate = Certificate::from_der(minted.certificate.der());
  std::array<X509*, 4> seen{};
  {
    std::vector<std::thread> threads;
    for (X509*& slot : seen) {
      threads.emplace_back([&] { slot = certificate.x509(); });
    }
    for (std::thread& thread : threads) thread.join();
  }
  for (X509* x509 : seen) EXPECT_EQ(x509, certificate.x509());
  EXPECT_NE(X509_get0_pubkey(certificate.x509()), nullptr);
}

TEST(Certificate, LeavesTheErrorQueueAsItWas) {
  const Minted minted = mint({});
  ERR_clear_error();
  refusal_of(view("0\x82rubbish"));
  refusal_of(minted.certificate.der().subspan(1));
  EXPECT_EQ(ERR_peek_error(), 0U);
  ERR_raise(ERR_LIB_USER, 7);
  refusal_of(view("0\x82rubbish"));
  Certificate::from_der(minted.certificate.der()).x509();
  EXPECT_EQ(ERR_GET_REASON(ERR_peek_error()), 7);
  EXPECT_EQ(ERR_GET_REASON(ERR_peek_last_error()), 7);
  ERR_clear_error();
}

TEST(Pin, IsWrittenOneWayAndReadTwoWays) {
  const Minted minted = mint({});
  const Pin pin = Pin::of(minted.certificate);
  const std::string text = pin.text();
  EXPECT_EQ(text.size(), 7U + 44U);
  EXPECT_EQ(Pin::parse(text), pin);
  EXPECT_EQ(Pin::parse("sha256//" + text.substr(7)), pin);
  for (const std::string& bad :
       {std::string(), std::string("sha256/"), text.substr(7), text + "=", text.substr(0, 50),
        "sha1/" + text.substr(7), "sha256///" + text.substr(7), "SHA256/" + text.substr(7),
        text + ";" + text, std::string("sha256/Zm9v")}) {
    EXPECT_THROW(Pin::parse(bad), Error) << bad;
  }
}

TEST(Certificate, ToVerifyAndOfReadWhatFromDerReads) {
  for (const Key& key : {Key::p256(), Key::rsa(), Key::curve("secp256k1"), Key::ed25519()}) {
    const Minted minted = mint({.common_name = "dev.test", .sans = {"DNS:dev.test"}, .key = key});
    const Certificate plain = Certificate::from_der(minted.certificate.der());
    const Certificate whole = Certificate::to_verify(plain.der());
    const Certificate shared = Certificate::of(whole.x509(), whole.der());
    EXPECT_EQ(shared.x509(), whole.x509()) << "read once";
    for (const Certificate& other : {whole, shared}) {
      EXPECT_EQ(other.fingerprint(), plain.fingerprint());
      EXPECT_EQ(other.spki_hash(), plain.spki_hash());
      EXPECT_EQ(other.subject(), plain.subject());
      EXPECT_EQ(other.dns_names(), plain.dns_names());
      EXPECT_EQ(other.key_kind(), plain.key_kind());
      EXPECT_EQ(other.signature_kind(), plain.signature_kind());
      EXPECT_TRUE(other.verifies_itself());
    }
  }
  const Minted one = mint({});
  Bytes longer(one.certificate.der().begin(), one.certificate.der().end());
  longer.push_back(0);
  EXPECT_THROW(Certificate::to_verify(longer), Error);
  try {
    Certificate::to_verify(view("rubbish"));
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), refusal_of(view("rubbish")));
  }
}

TEST(Certificate, IsSignedByOneKeyAndByNoOtherBeforeAndAfter) {
  const Minted root = mint({.common_name = "Root", .ca = true});
  const Minted same_name = mint({.common_name = "Root", .ca = true});
  const Minted leaf = mint({}, &root);
  for (int i = 0; i < 2; ++i) {
    EXPECT_FALSE(leaf.certificate.is_signed_by(same_name.certificate));
    EXPECT_TRUE(leaf.certificate.is_signed_by(root.certificate));
  }
  // One that differs in its signature alone is another certificate.
  Bytes altered(leaf.certificate.der().begin(), leaf.certificate.der().end());
  altered.back() ^= 1;
  EXPECT_FALSE(Certificate::to_verify(altered).is_signed_by(root.certificate));
}

} // namespace
} // namespace trust
