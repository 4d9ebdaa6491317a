#include "libtrust/issue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include <openssl/pem.h>
#include "libtrust/error.h"
#include "libtrust/record.h"
#include "tests/libtrust/mint.h"

namespace trust {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kDay;
using testing::kNow;

constexpr KeyKind kKinds[] = {KeyKind::ecdsa_p256, KeyKind::rsa_2048, KeyKind::rsa_4096,
                              KeyKind::ed25519};

std::vector<Pattern> patterns(const std::vector<std::string>& texts) {
  std::vector<Pattern> list;
  for (const std::string& text : texts) list.push_back(Pattern::parse(text));
  return list;
}

ServerCertificate wish_for(const std::vector<std::string>& names) {
  ServerCertificate wish;
  wish.names = parse_names(names);
  wish.not_before = kNow;
  wish.not_after = kNow + 90 * kDay;
  return wish;
}

const PrivateKey& shared_key() {
  static const PrivateKey key = PrivateKey::generate(KeyKind::ecdsa_p256);
  return key;
}

Certificate self_signed(const std::vector<std::string>& names) {
  return issue_self_signed(wish_for(names), shared_key());
}

struct LocalCa {
  std::vector<Pattern> permit;
  PrivateKey key = PrivateKey::generate(KeyKind::ecdsa_p256);
  IssuedCa ca;

  explicit LocalCa(const std::vector<std::string>& permitted, std::int64_t days = 3650)
      : permit(patterns(permitted)),
        ca(issue_ca({"Test CA", permit, SigningDigest::sha256, kNow, kNow + days * kDay}, key)) {}

  Certificate sign(const std::vector<std::string>& names) const {
    return issue_for(wish_for(names), shared_key().spki(), {ca.certificate, key, permit});
  }
  // As somebody would who stole the key.
  Certificate sign_anything(const std::vector<std::string>& names) const {
    std::vector<Pattern> everything = wish_for(names).names;
    return issue_for(wish_for(names), shared_key().spki(), {ca.certificate, key, everything});
  }
};

std::string extension(const Certificate& certificate, int nid) {
  const int at = X509_get_ext_by_NID(certificate.x509(), nid, -1);
  if (at < 0) return "";
  X509_EXTENSION* found = X509_get_ext(certificate.x509(), at);
  const BioPtr out(BIO_new(BIO_s_mem()));
  X509V3_EXT_print(out.get(), found, 0, 0);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return (X509_EXTENSION_get_critical(found) != 0 ? "critical: " : "") +
         std::string(data, static_cast<std::size_t>(size));
}

std::string openssl_verdict(const Certificate& anchor, const Certificate& leaf) {
  const X509StorePtr store(X509_STORE_new());
  X509_STORE_add_cert(store.get(), anchor.x509());
  const X509StoreCtxPtr context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), leaf.x509(), nullptr);
  X509_STORE_CTX_set_time(context.get(), 0, kNow + kDay);
  X509_STORE_CTX_set_purpose(context.get(), X509_PURPOSE_SSL_SERVER);
  if (X509_verify_cert(context.get()) == 1) return "ok";
  return X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
}

template <typename Call>
std::string message_of(const Call& call) {
  try {
    call();
    return "";
  } catch (const Error& error) {
    return error.message();
  }
}

TEST(Issue, NamesStandInTheSanWithTheirType) {
  const Certificate made = self_signed({"dev.test", "*.dev.test", "127.0.0.1", "::1", "dev.test"});
  EXPECT_THAT(made.dns_names(), ElementsAre("dev.test", "*.dev.test"));
  ASSERT_EQ(made.addresses().size(), 2U);
  EXPECT_EQ(made.addresses()[0].text(), "127.0.0.1");
  EXPECT_EQ(made.addresses()[1].text(), "::1");
  EXPECT_EQ(made.common_name(), "dev.test");
}

TEST(Issue, WhatIsNoNameOfAServerIsRefused) {
  for (const char* name : {"**.dev.test", "10.0.0.0/8", "*", "a b", "127.1", ""}) {
    EXPECT_THROW(parse_names({name}), Error) << name;
  }
  EXPECT_THROW(parse_names({}), Error);
  std::vector<std::string> many;
  for (std::size_t i = 0; i <= kMostCertificateNames; ++i)
    many.push_back("h" + std::to_string(i) + ".test");
  EXPECT_THROW(parse_names(many), Error);
}

TEST(Issue, CommonNameIsTheFirstNameThatFits) {
  const std::string sixty(60, 'a');
  const std::string long_name = sixty + ".dev.test";
  EXPECT_EQ(self_signed({long_name, "short.test"}).common_name(), "short.test");
  const Certificate without = self_signed({long_name});
  EXPECT_EQ(without.common_name(), "");
  EXPECT_EQ(without.subject(), "O=trustd");
}

TEST(Issue, SerialNumbersArePositiveRandomAndShortEnough) {
  std::set<std::string> seen;
  for (int i = 0; i < 50; ++i) {
    const Certificate made = self_signed({"dev.test"});
    EXPECT_EQ(made.serial().size(), 32U);
    EXPECT_GE(made.serial()[0], '4');
    EXPECT_LE(made.serial()[0], '7');
    EXPECT_TRUE(seen.insert(made.serial()).second);
  }
}

auto all_of(const CertificateFacts& facts) {
  return std::tuple(facts.fingerprint.bytes, facts.spki_hash, facts.subject_hash, facts.subject,
                    facts.issuer, facts.serial, facts.not_before, facts.not_after, facts.names,
                    facts.key_kind, facts.signature_kind, facts.is_ca, facts.could_sign,
                    facts.is_self_signed);
}

TEST(Issue, WhatIsMadeIsWhatIsReadOfItsBytes) {
  for (const KeyKind kind : kKinds) {
    SCOPED_TRACE(name_of(kind));
    const PrivateKey key = PrivateKey::generate(kind);
    const Certificate made = issue_self_signed(wish_for({"dev.test", "*.dev.test", "::1"}), key);
    const Certificate read = Certificate::from_der(made.der());
    EXPECT_EQ(all_of(CertificateFacts::of(made)), all_of(CertificateFacts::of(read)));
    EXPECT_EQ(made.weakness(), read.weakness());
    EXPECT_EQ(made.common_name(), read.common_name());
    EXPECT_EQ(made.spki_hash(), sha256(key.spki()));
  }
}

TEST(Issue, EveryKindOfKeySignsItself) {
  for (const KeyKind kind : kKinds) {
    SCOPED_TRACE(name_of(kind));
    const PrivateKey key = PrivateKey::generate(kind);
    ServerCertificate wish = wish_for({"dev.test"});
    wish.digest = SigningDigest::sha384;
    const Certificate made = issue_self_signed(wish, key);
    EXPECT_TRUE(made.verifies_itself());
    EXPECT_FALSE(made.weakness());
    EXPECT_FALSE(made.is_ca());
    EXPECT_FALSE(made.could_sign());
    EXPECT_EQ(openssl_verdict(made, made), "ok");
    const bool is_rsa = kind == KeyKind::rsa_2048 || kind == KeyKind::rsa_4096;
    EXPECT_EQ(extension(made, NID_key_usage), is_rsa
                                                  ? "critical: Digital Signature, Key Encipherment"
                                                  : "critical: Digital Signature");
    EXPECT_EQ(extension(made, NID_ext_key_usage), "TLS Web Server Authentication");
    EXPECT_EQ(extension(made, NID_subject_key_identifier),
              extension(made, NID_authority_key_identifier));
    EXPECT_EQ(made.signature_kind().find("SHA384") != std::string::npos ||
                  made.signature_kind().find("sha384") != std::string::npos,
              kind != KeyKind::ed25519);
  }
}

TEST(Issue, ClassicRecipeIsACertificateThatCouldSign) {
  ServerCertificate wish = wish_for({"localhost", "127.0.0.1"});
  wish.ca = true;
  wish.digest = SigningDigest::sha512;
  wish.not_after = kNow + 365 * kDay;
  const Certificate made = issue_self_signed(wish, PrivateKey::generate(KeyKind::rsa_4096));
  EXPECT_TRUE(made.is_ca());
  EXPECT_TRUE(made.could_sign());
  EXPECT_EQ(made.signature_kind(), "sha512WithRSAEncryption");
  EXPECT_EQ(made.key_kind(), "RSA 4096");
  EXPECT_EQ(made.not_after() - made.not_before(), 365 * kDay);
}

TEST(Issue, LocalCaSignsForWhatItIsPermitted) {
  const LocalCa ca({"**.test", "127.0.0.0/8"});
  for (const std::vector<std::string>& names : std::vector<std::vector<std::string>>{
           {"dev.test"}, {"*.dev.test", "dev.test"}, {"127.0.0.1"}, {"a.b.test", "127.1.2.3"}}) {
    const Certificate made = ca.sign(names);
    EXPECT_EQ(openssl_verdict(ca.ca.certificate, made), "ok") << names[0];
    EXPECT_FALSE(made.is_ca());
    EXPECT_EQ(made.issuer(), ca.ca.certificate.subject());
  }
}

TEST(Issue, LocalCaRefusesOtherNamesAndNamesThem) {
  const LocalCa ca({"**.test", "127.0.0.0/8"});
  for (const char* name : {"example.com", "*.com", "10.0.0.1", "::1", "eviltest", "atest"}) {
    EXPECT_THAT(message_of([&] {
                  ca.sign({"dev.test", name});
                }),
                HasSubstr(std::string("may not sign for ") + name));
  }
}

TEST(Issue, KeyOfTheLocalCaSignsForNobodyElseEvenWhenStolen) {
  const LocalCa names({"**.test"});
  EXPECT_EQ(openssl_verdict(names.ca.certificate, names.sign_anything({"dev.test"})), "ok");
  for (const char* name : {"example.com", "127.0.0.1", "::1", "*.example.com"}) {
    EXPECT_NE(openssl_verdict(names.ca.certificate, names.sign_anything({name})), "ok") << name;
  }
  const LocalCa addresses({"127.0.0.0/8"});
  EXPECT_EQ(openssl_verdict(addresses.ca.certificate, addresses.sign_anything({"127.0.0.1"})),
            "ok");
  for (const char* name : {"example.com", "10.0.0.1", "::1"}) {
    EXPECT_NE(openssl_verdict(addresses.ca.certificate, addresses.sign_anything({name})), "ok")
        << name;
  }
}

TEST(Issue, LocalCaSignsNoFurtherCa) {
  const LocalCa ca({"**.test"});
  ServerCertificate wish = wish_for({"dev.test"});
  wish.ca = true;
  EXPECT_THROW(issue_for(wish, shared_key().spki(), {ca.ca.certificate, ca.key, ca.permit}), Error);
  EXPECT_THAT(extension(ca.ca.certificate, NID_basic_constraints),
              HasSubstr("critical: CA:TRUE, pathlen:0"));
  EXPECT_EQ(extension(ca.ca.certificate, NID_key_usage), "critical: Certificate Sign, CRL Sign");
  EXPECT_THAT(extension(ca.ca.certificate, NID_name_constraints), HasSubstr("critical: "));
}

TEST(Issue, ConstraintsThatAreWiderThanThePatternsAreSaid) {
  EXPECT_THAT(LocalCa({"**.test"}).ca.wider_by, IsEmpty());
  EXPECT_THAT(LocalCa({"*.dev.test"}).ca.wider_by, ElementsAre(HasSubstr("dev.test itself")));
}

TEST(Issue, NothingOutlivesTheLocalCa) {
  const LocalCa ca({"**.test"}, 30);
  EXPECT_EQ(ca.sign({"dev.test"}).not_after(), ca.ca.certificate.not_after());
  ServerCertificate late = wish_for({"dev.test"});
  late.not_before = kNow + 31 * kDay;
  EXPECT_THAT(message_of([&] {
                issue_for(late, shared_key().spki(), {ca.ca.certificate, ca.key, ca.permit});
              }),
              HasSubstr("the local CA ended"));
}

TEST(Issue, OnlyStrongKeysOfKnownKindsAreSigned) {
  const LocalCa ca({"**.test"});
  const Issuer issuer{ca.ca.certificate, ca.key, ca.permit};
  const auto sign = [&](ByteView spki) { issue_for(wish_for({"dev.test"}), spki, issuer); };
  const auto spki_of = [](const testing::Key& key) {
    const testing::Minted minted = testing::mint({.key = key});
    unsigned char* der = nullptr;
    const int length = i2d_PUBKEY(minted.key.get(), &der);
    const OpensslBytes owned(der);
    return Bytes(der, der + length);
  };
  EXPECT_NO_THROW(sign(spki_of(testing::Key::p256())));
  EXPECT_NO_THROW(sign(spki_of(testing::Key::ed25519())));
  EXPECT_THROW(sign(spki_of(testing::Key::rsa(1024))), Error);
  EXPECT_THROW(sign(spki_of(testing::Key::curve("prime192v1"))), Error);
  EXPECT_THROW(sign(Bytes{}), Error);
  Bytes longer = shared_key().spki();
  longer.push_back(0);
  EXPECT_THROW(sign(longer), Error);
  EXPECT_THROW(sign(Bytes(100'000, 0x30)), Error);
}

TEST(Issue, ContainsIsWhatThePatternsMatch) {
  struct Row {
    const char *outer, *inner;
    bool expected;
  };
  for (const Row& row : std::vector<Row>{{"**.test", "test", true},
                                         {"**.test", "a.b.test", true},
                                         {"**.test", "*.test", true},
                                         {"**.test", "*.a.test", true},
                                         {"**.test", "**.a.test", true},
                                         {"**.test", "*.atest", false},
                                         {"*.test", "a.test", true},
                                         {"*.test", "*.test", true},
                                         {"*.test", "**.test", false},
                                         {"*.test", "*.a.test", false},
                                         {"a.test", "a.test", true},
                                         {"a.test", "*.test", false},
                                         {"10.0.0.0/8", "10.1.2.3", true},
                                         {"10.0.0.0/8", "10.1.0.0/16", true},
                                         {"10.1.0.0/16", "10.0.0.0/8", false},
                                         {"10.0.0.0/8", "*.test", false},
                                         {"**.test", "10.0.0.0/8", false}}) {
    EXPECT_EQ(contains(Pattern::parse(row.outer), Pattern::parse(row.inner)), row.expected)
        << row.outer << " " << row.inner;
  }
}

TEST(Issue, RenewalIsAtTwoThirdsOfTheLifetime) {
  EXPECT_EQ(renewal_time(kNow, kNow + 90 * kDay), kNow + 60 * kDay);
}

TEST(PrivateKey, IsReadBackFromEachFormAndCleansed) {
  for (const KeyKind kind : kKinds) {
    SCOPED_TRACE(name_of(kind));
    const PrivateKey key = PrivateKey::generate(kind);
    const Secret pkcs8 = key.pem(KeyFormat::pkcs8);
    EXPECT_THAT(std::string(pkcs8.view()), ::testing::StartsWith("-----BEGIN PRIVATE KEY-----\n"));
    EXPECT_EQ(PrivateKey::from_pem(pkcs8, "it").spki(), key.spki());
    if (kind == KeyKind::ed25519) continue;
    const Secret traditional = key.pem(KeyFormat::traditional);
    EXPECT_THAT(
        std::string(traditional.view()),
        ::testing::StartsWith(kind == KeyKind::ecdsa_p256 ? "-----BEGIN EC PRIVATE KEY-----\n"
                                                          : "-----BEGIN RSA PRIVATE KEY-----\n"));
    EXPECT_EQ(PrivateKey::from_pem(traditional, "it").spki(), key.spki());
  }
}

TEST(PrivateKey, IsEncryptedWithThePassphraseAndReadWithNoOther) {
  const PrivateKey key = PrivateKey::generate(KeyKind::ecdsa_p256);
  const Secret pem = key.pem(KeyFormat::pkcs8, Secret("correct horse"));
  EXPECT_THAT(std::string(pem.view()), HasSubstr("BEGIN ENCRYPTED PRIVATE KEY"));
  EXPECT_THROW(PrivateKey::from_pem(pem, "it"), Error);
  const auto read = [&](const char* passphrase) {
    const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    return PkeyPtr(
        PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, const_cast<char*>(passphrase)));
  };
  EXPECT_TRUE(read("correct horse"));
  EXPECT_FALSE(read("battery staple"));
  ERR_clear_error();
}

TEST(PrivateKey, FormsThatDoNotExistAreRefused) {
  EXPECT_THROW(check_key_form(KeyKind::ed25519, KeyFormat::traditional, false), Error);
  EXPECT_THROW(check_key_form(KeyKind::rsa_2048, KeyFormat::traditional, true), Error);
  EXPECT_NO_THROW(check_key_form(KeyKind::rsa_2048, KeyFormat::traditional, false));
  EXPECT_NO_THROW(check_key_form(KeyKind::ed25519, KeyFormat::pkcs8, true));
  EXPECT_THROW(parse_key_kind("rsa-1024"), Error);
  EXPECT_THROW(parse_key_format("pkcs1"), Error);
  EXPECT_THROW(parse_signing_digest("sha1"), Error);
}

} // namespace
} // namespace trust
