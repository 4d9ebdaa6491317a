// pkits DIRECTORY|FILE.tar.gz [--list FILE]: runs NIST's PKITS through the judge and prints "agree
// N of M, wrong accepts A, wrong rejects R" and the numbers of the tests that differ. With a list,
// the exit status says whether exactly those differ. Source:
// https://csrc.nist.gov/projects/pki-testing

#include <unistd.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/conformance/suite.h"

namespace trust::conformance {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr UnixTime kWhenAllWasValid = 1302825600; // 2011-04-15

// Where vectors.json lies: the directory that is named, or one below it.
fs::path suite_in(const fs::path& directory) {
  if (fs::exists(directory / "vectors.json")) return directory;
  for (const auto& each : fs::directory_iterator(directory))
    if (fs::exists(each.path() / "vectors.json")) return each.path();
  throw std::runtime_error("there is no vectors.json in " + directory.string());
}

Bytes contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

bool is_set(const json& value) { return value == "true" || value == true; }

Case read_case(const json& from, const fs::path& suite) {
  Case one;
  one.id = from.at("number");
  one.expected = from.at("valid");
  one.now = kWhenAllWasValid;
  const auto& names = from.at("certs");
  for (std::size_t i = names.size() - 1; i > 0; --i)
    one.presented.push_back(contents(suite / "certs" / (names[i].get<std::string>() + ".crt")));
  one.trusted = {contents(suite / "certs" / (names[0].get<std::string>() + ".crt"))};
  for (const std::string name : from.at("crls")) {
    const Bytes der = contents(suite / "crls" / (name + ".crl"));
    const unsigned char* cursor = der.data();
    X509CrlPtr crl(d2i_X509_CRL(nullptr, &cursor, static_cast<long>(der.size())));
    if (crl) one.crls.push_back(std::move(crl));
  }
  // Certificates of 2010 for people and their mail, of keys that were strong then.
  one.extras.profile = false;
  one.extras.any_purpose = true;
  one.extras.security_level = 0;
  one.extras.policies = true;
  std::istringstream policies(from.at("ips").get<std::string>());
  constexpr std::string_view kNamed = "NIST-test-policy-";
  for (std::string policy; std::getline(policies, policy, ',');)
    if (policy.starts_with(kNamed))
      one.extras.initial_policies.push_back("2.16.840.1.101.3.2.1.48." +
                                            policy.substr(kNamed.size()));
  one.extras.explicit_policy = is_set(from.at("explicit"));
  one.extras.inhibit_mapping = is_set(from.at("inhmap"));
  one.extras.inhibit_any = is_set(from.at("inhany"));
  return one;
}

int run_directory(const fs::path& directory, const std::string& list) {
  const fs::path suite = suite_in(directory);
  const Bytes text = contents(suite / "vectors.json");
  Stores stores;
  Account account(list);
  for (const json& one : json::parse(text)) account.run(stores, read_case(one, suite));
  return account.finish();
}

int run(const std::string& path, const std::string& list) {
  if (fs::is_directory(path)) return run_directory(path, list);
  std::string name = (fs::temp_directory_path() / "trust-pkits-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
  struct Removal {
    std::string name;
    ~Removal() {
      std::error_code ignored;
      fs::remove_all(name, ignored);
    }
  } const removal{name};
  output_of("tar -xzf " + shell_word(path) + " -C " + shell_word(name));
  return run_directory(name, list);
}

} // namespace
} // namespace trust::conformance

int main(int count, char** words) {
  const bool listed = count == 4 && std::string(words[2]) == "--list";
  if (count != 2 && !listed) {
    std::fprintf(stderr, "usage: pkits DIRECTORY|FILE.tar.gz [--list FILE]\n");
    return 2;
  }
  try {
    return trust::conformance::run(words[1], listed ? words[3] : "");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "pkits: %s\n", error.what());
    return 2;
  }
}
