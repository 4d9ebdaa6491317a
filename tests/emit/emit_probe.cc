// What the emitters make, on standard output, for tests that hand it to real programs.
//
//   emit_probe shadow CA.pem [PATTERN...]     the shadow as PEM; on standard error what it is
//                                             wider by, or status 3 and why there is none
//   emit_probe truststore FILE.pem...         aliases are the files' stems
//   emit_probe many N FILE.pem                N times the same certificate, each with an alias
//   emit_probe env FORM STORE [java] FORM: sh, fish, dotenv, json, sh-profile,
//                                             fish-profile, wgetrc

#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "libtrust/decode.h"
#include "libtrust/emit/env.h"
#include "libtrust/emit/shadow.h"
#include "libtrust/emit/truststore.h"
#include "libtrust/error.h"

namespace trust {
namespace {

std::string contents_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(Code::not_found, path);
  return {std::istreambuf_iterator<char>(file), {}};
}

Certificate certificate_in(const std::string& path) {
  return decode(contents_of(path), path).certificates.at(0).certificate;
}

void put(ByteView bytes) {
  std::cout.write(reinterpret_cast<const char*>(bytes.data()),
                  static_cast<std::streamsize>(bytes.size()));
}

int shadow(const std::vector<std::string>& arguments) {
  std::vector<Pattern> scope;
  for (std::size_t i = 1; i < arguments.size(); ++i) scope.push_back(Pattern::parse(arguments[i]));
  const Shadow made = shadow_of(certificate_in(arguments.at(0)), scope, {});
  if (!made.der) {
    std::cerr << made.why_not << "\n";
    return 3;
  }
  for (const std::string& words : made.wider_by) std::cerr << words << "\n";
  std::cout << pem_of(*made.der);
  return 0;
}

int write_bags(const std::vector<Bytes>& bags) {
  std::size_t size = 0;
  for (const Bytes& bag : bags) size += bag.size();
  write_truststore(
      size,
      [&](const ByteSink& sink) {
        for (const Bytes& bag : bags) sink(bag);
      },
      put);
  return 0;
}

int truststore(const std::vector<std::string>& arguments) {
  std::vector<Bytes> bags;
  for (const std::string& path : arguments)
    bags.push_back(
        truststore_bag(std::filesystem::path(path).stem().string(), certificate_in(path).der()));
  return write_bags(bags);
}

int many(const std::vector<std::string>& arguments) {
  const int count = std::stoi(arguments.at(0));
  const Certificate certificate = certificate_in(arguments.at(1));
  std::vector<Bytes> bags;
  for (int i = 0; i < count; ++i)
    bags.push_back(truststore_bag("number " + std::to_string(i), certificate.der()));
  return write_bags(bags);
}

int env(const std::vector<std::string>& arguments) {
  const std::string& form = arguments.at(0);
  const std::string& store = arguments.at(1);
  EnvOptions options;
  for (const std::string& argument : arguments) {
    if (argument == "java") options.java = true;
  }
  const auto values = environment_for(store, {}, options);
  if (form == "sh")
    std::cout << sh_text(values);
  else if (form == "fish")
    std::cout << fish_text(values);
  else if (form == "dotenv")
    std::cout << dotenv_text(values);
  else if (form == "json")
    std::cout << json_text(values);
  else if (form == "sh-profile")
    std::cout << sh_profile(values);
  else if (form == "fish-profile")
    std::cout << fish_profile(values);
  else if (form == "wgetrc")
    std::cout << wgetrc_text(store, contents_of("/etc/wgetrc"));
  else
    return 2;
  return 0;
}

int run(const std::vector<std::string>& arguments) {
  if (arguments.empty()) return 2;
  const std::vector<std::string> rest(arguments.begin() + 1, arguments.end());
  if (arguments[0] == "shadow") return shadow(rest);
  if (arguments[0] == "truststore") return truststore(rest);
  if (arguments[0] == "many") return many(rest);
  if (arguments[0] == "env") return env(rest);
  return 2;
}

} // namespace
} // namespace trust

int main(int count, char** arguments) {
  try {
    return trust::run({arguments + 1, arguments + count});
  } catch (const trust::Error& error) {
    std::cerr << error.message() << "\n";
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
  }
  return 1;
}
