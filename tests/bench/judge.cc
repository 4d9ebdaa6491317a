// Verdicts, and pins for a host, against OpenSSL and against fewer pins: in turn, in one process.
//
//   bench_judge verdicts ROUNDS   {"first": {"ours": [us…], "theirs": [us…]}, "again": {…}}
//   bench_judge pins ROUNDS MANY FEW   {"many": [us…], "few": [us…]}, a host each time another

#include <fcntl.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "libtrust/judge.h"
#include "libtrust/snapshot.h"
#include "libtrust/view.h"
#include "tests/libtrust/mint.h"

namespace {

using namespace trust;
using testing::mint;
using testing::Minted;
using Json = nlohmann::json;
namespace fs = std::filesystem;

class Directory {
 public:
  Directory() : name_((fs::temp_directory_path() / "trust-bench-XXXXXX").string()) {
    if (::mkdtemp(name_.data()) == nullptr) std::abort();
  }
  ~Directory() {
    std::error_code ignored;
    fs::remove_all(name_, ignored);
  }
  std::string make(const std::string& name) const {
    fs::create_directory(name_ + "/" + name);
    return name_ + "/" + name;
  }

 private:
  std::string name_;
};

std::unique_ptr<View> open(const std::string& directory) {
  const Fd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return std::make_unique<View>(Snapshot::open_at(fd.get(), directory));
}

template <typename Work>
double microseconds(int times, const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < times; ++i) work();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
             .count() /
         times;
}

// ---- verdicts ----------------------------------------------------------------

testing::Mint authority(const std::string& name) {
  return {.common_name = name, .ca = true, .key_usage = "critical,keyCertSign,cRLSign"};
}

Bytes bytes_of(const Certificate& certificate) {
  return {certificate.der().begin(), certificate.der().end()};
}

X509Ptr decode(const Bytes& der) {
  const unsigned char* cursor = der.data();
  return X509Ptr(d2i_X509(nullptr, &cursor, static_cast<long>(der.size())));
}

void must(bool good) {
  if (!good) std::abort();
}

void verify(X509_STORE* store, X509* leaf, STACK_OF(X509) * between) {
  const X509StoreCtxPtr context(X509_STORE_CTX_new());
  must(X509_STORE_CTX_init(context.get(), store, leaf, between) == 1);
  must(X509_STORE_CTX_set_default(context.get(), "ssl_server") == 1);
  must(X509_verify_cert(context.get()) == 1);
}

// With everything parsed.
class Verifier {
 public:
  Verifier(const Bytes& leaf, const Bytes& ca, const Bytes& root)
      : leaf_(decode(leaf)), ca_(decode(ca)), root_(decode(root)), store_(X509_STORE_new()) {
    X509_STORE_add_cert(store_.get(), root_.get());
    between_.reset(sk_X509_new_null());
    sk_X509_push(between_.get(), ca_.get());
  }
  void run() const { verify(store_.get(), leaf_.get(), between_.get()); }

 private:
  X509Ptr leaf_, ca_, root_;
  X509StorePtr store_;
  BorrowedX509StackPtr between_;
};

struct Chain {
  Bytes leaf, ca, root;
};

Chain mint_chain() {
  const Minted root = mint(authority("Root"));
  const Minted ca = mint(authority("CA"), &root);
  const Minted leaf = mint({.common_name = "dev.test", .sans = {"DNS:dev.test"}, .ca = false}, &ca);
  return {bytes_of(leaf.certificate), bytes_of(ca.certificate), bytes_of(root.certificate)};
}

std::unique_ptr<View> trusting(const std::string& generation, const std::vector<Chain>& chains) {
  SnapshotWriter writer(generation + "/trust.db", {std::string(32, '0'), 1, 1, "0:"});
  std::int64_t id = 0;
  for (const Chain& chain : chains) {
    Entry entry;
    entry.id = ++id;
    entry.layer = Layer::base;
    entry.certificate = CertificateFacts::of(Certificate::from_der(chain.root));
    writer.entry(entry, chain.root);
  }
  writer.index();
  writer.finish();
  return open(generation);
}

// The first time: each chain is one that this store, which is in use, has not seen. Each has a
// store of its own, so that one with other roots of the name is not what is measured.
Json verdicts(int rounds) {
  constexpr int kTimes = 100;
  const Directory directory;
  const Host host = Host::parse("dev.test"), other = Host::parse("other.test");
  const UnixTime now = system_clock_now();
  const Chain warm = mint_chain();
  const auto ours = [&](const View& view, const Chain& chain) {
    const std::vector<Certificate> presented{view.certificate(chain.leaf),
                                             view.certificate(chain.ca)};
    return judge(presented, host, 443, view, {}, now).trusted();
  };
  Json result = {{"first", {{"ours", Json::array()}, {"theirs", Json::array()}}},
                 {"again", {{"ours", Json::array()}, {"theirs", Json::array()}}}};
  const auto kept = trusting(directory.make("kept"), {warm});
  const Verifier parsed(warm.leaf, warm.ca, warm.root);
  must(ours(*kept, warm));
  parsed.run();
  for (int round = 0; round < rounds; ++round) {
    std::vector<Chain> chains;
    std::vector<std::unique_ptr<View>> views;
    for (int i = 0; i < kTimes; ++i) {
      chains.push_back(mint_chain());
      views.push_back(trusting(directory.make(std::to_string(round) + "-" + std::to_string(i)),
                               {chains.back()}));
      // Another chain, of a root that is not there and with another subject: the store is in use.
      static const Minted stranger =
          mint({.common_name = "other.test", .sans = {"DNS:other.test"}});
      const std::vector<Certificate> presented{stranger.certificate};
      must(!judge(presented, other, 443, *views.back(), {}, now).trusted());
    }
    std::size_t next = 0, next_theirs = 0;
    result["first"]["ours"].push_back(microseconds(kTimes, [&] {
      must(ours(*views[next], chains[next]));
      ++next;
    }));
    result["first"]["theirs"].push_back(microseconds(kTimes, [&] {
      const Chain& chain = chains[next_theirs++];
      Verifier(chain.leaf, chain.ca, chain.root).run();
    }));
    result["again"]["ours"].push_back(microseconds(4 * kTimes, [&] { must(ours(*kept, warm)); }));
    result["again"]["theirs"].push_back(microseconds(4 * kTimes, [&] { parsed.run(); }));
  }
  return result;
}

// ---- pins --------------------------------------------------------------------

std::string name_of(std::size_t number) { return "host" + std::to_string(number) + ".bench.test"; }

std::unique_ptr<View> with_pins(const std::string& generation, std::size_t count) {
  SnapshotWriter writer(generation + "/trust.db", {std::string(32, '0'), 1, 1, "0:"});
  for (std::size_t i = 0; i < count; ++i) {
    PinRow row;
    row.id = static_cast<std::int64_t>(i) + 1;
    row.pattern = PortPattern::parse(name_of(i));
    writer.pin(row);
  }
  writer.index();
  writer.finish();
  return open(generation);
}

Json pins(int rounds, std::size_t many, std::size_t few) {
  constexpr int kTimes = 2000;
  const Directory directory;
  const auto large = with_pins(directory.make("many"), many);
  const auto small = with_pins(directory.make("few"), few);
  std::mt19937_64 random(1);
  const auto measured = [&](const View& view, std::size_t count) {
    std::vector<Host> hosts;
    for (int i = 0; i < kTimes; ++i) hosts.push_back(Host::parse(name_of(random() % count)));
    std::size_t next = 0;
    return microseconds(kTimes, [&] { must(view.pins_for(hosts[next++], 443)->size() == 1); });
  };
  measured(*large, many);
  measured(*small, few);
  Json result = {{"many", Json::array()}, {"few", Json::array()}};
  for (int round = 0; round < rounds; ++round) {
    result["many"].push_back(measured(*large, many));
    result["few"].push_back(measured(*small, few));
  }
  return result;
}

} // namespace

int main(int count, char** words) {
  const std::string what = count > 2 ? words[1] : "";
  if (what == "verdicts" && count == 3) {
    std::printf("%s\n", verdicts(std::stoi(words[2])).dump().c_str());
  } else if (what == "pins" && count == 5) {
    std::printf(
        "%s\n",
        pins(std::stoi(words[2]), std::stoul(words[3]), std::stoul(words[4])).dump().c_str());
  } else {
    return 2;
  }
  return 0;
}
