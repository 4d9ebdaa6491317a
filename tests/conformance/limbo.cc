// limbo FILE.json[.gz] [--list FILE]: runs x509-limbo's cases through the judge and prints
// "agree N of M, wrong accepts A, wrong rejects R" and the ids that differ. With a list, the exit
// status says whether exactly those differ. Source: https://x509-limbo.com

#include <openssl/pem.h>

#include <cstdio>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/conformance/suite.h"

namespace trust::conformance {
namespace {

using nlohmann::json;

std::string contents(const std::string& path) {
  if (path.ends_with(".gz")) return output_of("gzip -dc -- " + shell_word(path));
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

// The bytes between the lines of a PEM text, whatever they are.
Bytes der_of(const std::string& pem) {
  std::string letters;
  std::istringstream lines(pem);
  for (std::string line; std::getline(lines, line);)
    if (!line.starts_with("-----")) letters += line;
  std::erase(letters, '\r');
  const auto der = parse_base64(letters);
  if (!der) throw std::runtime_error("a case has no PEM where it should");
  return *der;
}

std::vector<Bytes> ders_of(const json& pems) {
  std::vector<Bytes> ders;
  for (const json& pem : pems) ders.push_back(der_of(pem));
  return ders;
}

// Fractions of a second are cut.
UnixTime time_of(const json& text) {
  if (text.is_null()) return system_clock_now();
  std::string time = text;
  if (const std::size_t dot = time.find('.'); dot != std::string::npos) {
    const std::size_t end = time.find_first_not_of("0123456789", dot + 1);
    time.erase(dot, end - dot);
  }
  return parse_time(time);
}

void take_name(Case& one, const json& name) {
  const std::string kind = name.at("kind"), value = name.at("value");
  if (kind == "RFC822") {
    one.extras.emails.push_back(value);
  } else {
    one.host = value;
  }
}

Case read_case(const json& from) {
  Case one;
  one.id = from.at("id");
  one.expected = from.at("expected_result") == "SUCCESS";
  one.trusted = ders_of(from.at("trusted_certs"));
  one.presented = {der_of(from.at("peer_certificate"))};
  for (Bytes& der : ders_of(from.at("untrusted_intermediates")))
    one.presented.push_back(std::move(der));
  // A pool to search, not what a server sends: BetterTLS has up to 36 certificates there.
  one.extras.most_certificates = 64;
  one.extras.most_bytes = 1024 * 1024;
  one.now = time_of(from.at("validation_time"));
  one.extras.client = from.at("validation_kind") == "CLIENT";
  if (!from.at("expected_peer_name").is_null()) take_name(one, from.at("expected_peer_name"));
  for (const json& name : from.at("expected_peer_names")) take_name(one, name);
  if (!from.at("max_chain_depth").is_null())
    one.extras.most_intermediates = from.at("max_chain_depth");
  for (const json& pem : from.at("crls")) {
    const Bytes der = der_of(pem);
    const unsigned char* cursor = der.data();
    X509CrlPtr crl(d2i_X509_CRL(nullptr, &cursor, static_cast<long>(der.size())));
    if (!crl)
      one.unreadable = true;
    else
      one.crls.push_back(std::move(crl));
  }
  return one;
}

int run(const std::string& path, const std::string& list) {
  const json suite = json::parse(contents(path));
  Stores stores;
  Account account(list);
  for (const json& one : suite.at("testcases")) account.run(stores, read_case(one));
  return account.finish();
}

} // namespace
} // namespace trust::conformance

int main(int count, char** words) {
  const bool listed = count == 4 && std::string(words[2]) == "--list";
  if (count != 2 && !listed) {
    std::fprintf(stderr, "usage: limbo FILE.json[.gz] [--list FILE]\n");
    return 2;
  }
  try {
    return trust::conformance::run(words[1], listed ? words[3] : "");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "limbo: %s\n", error.what());
    return 2;
  }
}
