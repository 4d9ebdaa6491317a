#include "tests/conformance/suite.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "libtrust/error.h"
#include "libtrust/snapshot.h"

namespace trust::conformance {
namespace {

namespace fs = std::filesystem;

std::string scratch_directory() {
  const fs::path base = fs::is_directory("/dev/shm") ? "/dev/shm" : fs::temp_directory_path();
  std::string name = (base / "trust-conformance-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
  return name;
}

std::vector<Certificate> read_all(const std::vector<Bytes>& certificates) {
  std::vector<Certificate> read;
  for (const Bytes& der : certificates) read.push_back(Certificate::from_der(der));
  return read;
}

Judgement verdict(Stores& stores, const Case& one) {
  Judgement refused;
  refused.verdict = Verdict::bad_chain;
  const View& view = stores.of(one.trusted);
  const auto host = Host::try_parse(one.host.empty() ? "nobody.invalid" : one.host);
  if (one.unreadable || !host) {
    refused.detail = one.unreadable ? "cannot be read" : "is no host";
    return refused;
  }
  JudgeExtras extras = one.extras;
  extras.ask_host = !one.host.empty();
  for (const X509CrlPtr& crl : one.crls) extras.crls.push_back(crl.get());
  try {
    const std::vector<Certificate> presented = read_all(one.presented);
    if (!one.crls.empty()) extras.crl_issuers = presented;
    return judge(presented, *host, 443, view, {}, one.now, extras);
  } catch (const Error& error) {
    if (error.code() != Code::invalid && error.code() != Code::too_large) throw;
    refused.detail = error.message();
    return refused;
  }
}

} // namespace

Stores::Stores() : directory_(scratch_directory()) {}
Stores::~Stores() {
  recent_.clear();
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

const View& Stores::of(const std::vector<Bytes>& certificates) {
  std::string key;
  for (const Bytes& der : certificates) key += hex(sha256(der));
  for (auto held = recent_.begin(); held != recent_.end(); ++held) {
    if (held->first != key) continue;
    recent_.splice(recent_.begin(), recent_, held);
    return *recent_.front().second;
  }
  const std::string name = directory_ + "/" + std::to_string(++made_);
  fs::create_directory(name);
  SnapshotWriter writer(name + "/trust.db", {std::string(32, '0'), made_, 0, "0:"});
  std::int64_t id = 0;
  for (const Bytes& der : certificates) {
    try {
      Entry entry;
      entry.id = ++id;
      entry.layer = Layer::own; // of the base's roots less is asked, see libtrust/validation.h
      entry.certificate = CertificateFacts::of(Certificate::from_der(der));
      writer.entry(entry, der);
    } catch (const Error& error) {
      if (error.code() != Code::invalid && error.code() != Code::too_large) throw;
      // It could not be added to a store.
    }
  }
  writer.index();
  writer.finish();
  const Fd generation(::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  recent_.emplace_front(key, std::make_unique<View>(Snapshot::open_at(generation.get(), name)));
  fs::remove_all(name); // it is open
  constexpr std::size_t kKept = 32;
  if (recent_.size() > kKept) recent_.pop_back();
  return *recent_.front().second;
}

Account::Account(const std::string& list) {
  if (list.empty()) return;
  std::ifstream file(list);
  if (!file) throw std::runtime_error("cannot read " + list);
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.front() == '#') continue;
    const std::size_t space = line.find(' ');
    const std::size_t reason = line.find_first_not_of(' ', space);
    if (reason == std::string::npos) throw std::runtime_error(list + ": no reason for " + line);
    listed_[line.substr(0, space)] = line.substr(reason);
  }
}

void Account::run(Stores& stores, const Case& one) {
  ++cases_;
  stores.of(one.trusted); // written before the time is taken
  const auto start = std::chrono::steady_clock::now();
  const Judgement judged = verdict(stores, one);
  const double ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  if (ms > slowest_ms_) {
    slowest_ms_ = ms;
    slowest_ = one.id;
  }
  const auto listed = listed_.find(one.id);
  if (judged.trusted() == one.expected) {
    if (listed != listed_.end()) surprises_.push_back(one.id + " is listed and agrees");
    return;
  }
  ++(judged.trusted() ? wrong_accepts_ : wrong_rejects_);
  const std::string what = std::string(judged.trusted() ? "wrong accept " : "wrong reject ");
  differences_.push_back(what + one.id + ": " +
                         (listed != listed_.end() ? "listed: " + listed->second : judged.detail));
  if (listed == listed_.end() && !listed_.empty())
    surprises_.push_back(one.id + " differs and is not listed");
}

int Account::finish() {
  const std::size_t wrong = wrong_accepts_ + wrong_rejects_;
  std::printf("agree %zu of %zu, wrong accepts %zu, wrong rejects %zu\n", cases_ - wrong, cases_,
              wrong_accepts_, wrong_rejects_);
  for (const std::string& difference : differences_) std::printf("%s\n", difference.c_str());
  std::printf("slowest verdict %.1f ms: %s\n", slowest_ms_, slowest_.c_str());
  for (const std::string& surprise : surprises_) std::printf("FAILED: %s\n", surprise.c_str());
  return surprises_.empty() ? 0 : 1;
}

std::string output_of(const std::string& command) {
  std::string output;
  std::FILE* const pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot run " + command);
  std::array<char, 65536> buffer;
  for (std::size_t count = 0; (count = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    output.append(buffer.data(), count);
  if (::pclose(pipe) != 0) throw std::runtime_error(command + " failed");
  return output;
}

std::string shell_word(const std::string& text) {
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

} // namespace trust::conformance
