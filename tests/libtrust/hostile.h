#pragma once
// Chains made to cost as much as a chain can, with the stores that make them do so. Each stays
// within the bounds of what is looked at: 32 certificates, 100 KiB.

#include <openssl/x509.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/libtrust/judged.h"
#include "tests/libtrust/mint.h"

namespace trust::testing {

struct HostileChain {
  std::string name;
  std::vector<Certificate> trusted; // roots of the store
  std::vector<Certificate> presented;
  Verdict verdict;
};

inline constexpr const char* kHostileHost = "api.dev.test";

namespace hostile {

using Extensions = std::vector<std::pair<std::string, std::string>>;

inline Mint authority(const std::string& name, const Extensions& extensions = {}) {
  return {.common_name = name,
          .ca = true,
          .key_usage = "critical,keyCertSign,cRLSign",
          .extensions = extensions};
}

inline Mint server(std::vector<std::string> sans = {std::string("DNS:") + kHostileHost}) {
  return {.common_name = "a server", .sans = std::move(sans), .ca = false};
}

inline std::vector<std::string> many_names(std::size_t count, const std::string& domain) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i)
    names.push_back("DNS:" + std::to_string(i) + "." + domain);
  return names;
}

// The same certificate with a signature by an RSA key of so many bits, as far as can be seen.
inline Certificate as_if_signed_by_rsa(const Minted& minted, std::size_t bits) {
  const auto der = minted.certificate.der();
  const unsigned char* cursor = der.data();
  X509Ptr x509(d2i_X509(nullptr, &cursor, static_cast<long>(der.size())));
  const ASN1_BIT_STRING* signature = nullptr;
  const X509_ALGOR* algorithm = nullptr;
  X509_get0_signature(&signature, &algorithm, x509.get());
  std::vector<unsigned char> bytes(bits / 8, 0x5A);
  ASN1_BIT_STRING_set(const_cast<ASN1_BIT_STRING*>(signature), bytes.data(),
                      static_cast<int>(bytes.size()));
  for (const X509_ALGOR* each : {algorithm, X509_get0_tbs_sigalg(x509.get())})
    X509_ALGOR_set0(const_cast<X509_ALGOR*>(each), OBJ_nid2obj(NID_sha256WithRSAEncryption),
                    V_ASN1_NULL, nullptr);
  unsigned char* out = nullptr;
  X509_set_serialNumber(x509.get(), X509_get_serialNumber(x509.get())); // forgets its encoding
  const int length = i2d_X509(x509.get(), &out);
  const OpensslBytes owned(out);
  return Certificate::from_der({out, static_cast<std::size_t>(length)});
}

// A leaf that any of thirty CAs of one name may have signed; none did.
inline HostileChain many_candidates(const std::string& name, const std::vector<Key>& keys,
                                    std::size_t rsa_bits) {
  const Minted root = mint(authority("Root"));
  HostileChain chain{name, {root.certificate}, {}, Verdict::bad_chain};
  Mint same = authority("Same");
  same.key_identifiers = false;
  std::vector<Minted> cas;
  for (std::size_t i = 0; i < 31; ++i) {
    same.key = keys[i % keys.size()];
    Mint upper = authority("Root");
    cas.push_back(mint(same, &root));
  }
  Mint leaf = server();
  leaf.key_identifiers = false;
  const Minted elsewhere = mint(same);
  const Minted minted = mint(leaf, &elsewhere);
  chain.presented.push_back(rsa_bits == 0 ? minted.certificate
                                          : as_if_signed_by_rsa(minted, rsa_bits));
  for (const Minted& ca : cas) chain.presented.push_back(ca.certificate);
  return chain;
}

// Thirty-one CAs of one name and one key, each of which signed the leaf and leads to a root: as
// many paths, and each of them fails in the end.
inline HostileChain many_paths(const std::string& name, const Mint& leaf, const Extensions& of_cas,
                               Verdict verdict) {
  Mint same = authority("Same", of_cas);
  same.key = Key::shared();
  const Minted root = mint(authority("Root"));
  HostileChain chain{name, {root.certificate}, {}, verdict};
  std::vector<Minted> cas;
  for (int i = 0; i < 31; ++i) cas.push_back(mint(same, &root));
  chain.presented.push_back(mint(leaf, &cas.front()).certificate);
  for (const Minted& ca : cas) chain.presented.push_back(ca.certificate);
  return chain;
}

// Every CA signed every other: of one name and key each, in `levels` levels of `width`.
inline HostileChain lattice(std::size_t levels, std::size_t width) {
  const Minted root = mint(authority("Root"));
  HostileChain chain{
      std::to_string(levels) + " levels of " + std::to_string(width) + " cross-signed CAs",
      {mint(authority("Another")).certificate},
      {},
      Verdict::bad_chain};
  std::vector<Key> keys;
  for (std::size_t i = 0; i < levels; ++i) keys.push_back(Key::p256());
  Minted above = root;
  std::vector<Certificate> cas;
  for (std::size_t level = 0; level < levels; ++level) {
    Mint what = authority("Level " + std::to_string(level));
    what.key = keys[level];
    Minted last = above;
    for (std::size_t i = 0; i < width; ++i) {
      last = mint(what, &above);
      cas.push_back(last.certificate);
    }
    above = last;
  }
  chain.presented.push_back(mint(server(), &above).certificate);
  chain.presented.insert(chain.presented.end(), cas.begin(), cas.end());
  return chain;
}

inline HostileChain long_path(std::size_t length) {
  std::vector<Minted> cas{mint(authority("Root"))};
  for (std::size_t i = 1; i < length; ++i)
    cas.push_back(mint(authority("CA " + std::to_string(i)), &cas.back()));
  HostileChain chain{"a path of " + std::to_string(length + 1), {}, {}, Verdict::name_mismatch};
  chain.trusted.push_back(cas.front().certificate);
  chain.presented.push_back(mint(server({"DNS:other.test"}), &cas.back()).certificate);
  for (std::size_t i = cas.size() - 1; i > 0; --i) chain.presented.push_back(cas[i].certificate);
  return chain;
}

inline std::string subtrees(const std::string& kind, const std::string& type, std::size_t count) {
  std::string text = "critical";
  for (std::size_t i = 0; i < count; ++i)
    text += "," + kind + ";" + type + ":" + std::to_string(i) + ".other.test";
  return text;
}

} // namespace hostile

inline std::vector<HostileChain> hostile_chains() {
  using namespace hostile;
  std::vector<HostileChain> chains;
  {
    const Key huge = Key::rsa_in_appearance(16384);
    Mint weak = server();
    weak.key = huge;
    const Minted root = mint(authority("Root"));
    chains.push_back({"a leaf of RSA-16384",
                      {root.certificate},
                      {mint(weak, &root).certificate},
                      Verdict::weak});
    chains.push_back(many_candidates("31 candidates of RSA-16384", {huge}, 16384));
    chains.back().verdict = Verdict::weak;
  }
  std::vector<Key> large;
  for (int i = 0; i < 31; ++i) large.push_back(Key::rsa_in_appearance(8192, 0xFFFFFFFF));
  chains.push_back(many_candidates("31 candidates of RSA-8192, exponent of 32 bits", large, 8192));
  std::vector<Key> p521;
  for (int i = 0; i < 31; ++i) p521.push_back(Key::curve("P-521"));
  chains.push_back(many_candidates("31 candidates of P-521", p521, 0));
  std::vector<Key> p256;
  for (int i = 0; i < 31; ++i) p256.push_back(Key::p256());
  chains.push_back(many_candidates("31 candidates of P-256", p256, 0));
  chains.push_back(lattice(3, 10));
  chains.push_back(lattice(10, 3));
  chains.push_back(long_path(31));
  const auto few = many_names(8, "other.test");
  const auto many = many_names(4200, "other.test");
  chains.push_back(many_paths("31 paths, 4,200 names", server(many), {}, Verdict::name_mismatch));
  chains.push_back(many_paths("31 paths, 4,200 names, constraints of another type", server(many),
                              {{"nameConstraints", subtrees("excluded", "URI", 8)}},
                              Verdict::name_mismatch));
  chains.push_back(many_paths("31 paths, 8 names, 60 constraints each", server(few),
                              {{"nameConstraints", subtrees("excluded", "DNS", 60)}},
                              Verdict::bad_chain));
  std::string policies = "DER:30820118"; // forty of them: 1.2.3.N
  for (std::uint8_t i = 0; i < 40; ++i) policies += "300506032a03" + hex(Bytes{i});
  Mint with_policies = server(few);
  with_policies.extensions = {{"2.5.29.32", policies}};
  chains.push_back(many_paths(
      "31 paths with policies", with_policies,
      {{"2.5.29.32", policies}, {"policyConstraints", "critical,requireExplicitPolicy:0"}},
      Verdict::name_mismatch));
  return chains;
}

} // namespace trust::testing
