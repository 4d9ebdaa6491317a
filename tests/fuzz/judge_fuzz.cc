// Whatever chain a peer presents, the judge answers; and it trusts nothing that was not put into
// the store. The input is certificates in DER, one after the other; the first time it is judged by
// a store of another's root, then by one in which its last certificate is the root.

#include <fcntl.h>
#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "libtrust/der.h"
#include "libtrust/error.h"
#include "libtrust/judge.h"
#include "libtrust/snapshot.h"
#include "libtrust/view.h"
#include "tests/libtrust/mint.h"

namespace {

using namespace trust;
namespace fs = std::filesystem;

std::unique_ptr<View> store_of(const Certificate& root, Trust trust) {
  static const std::string directory = [] {
    std::string name = (fs::is_directory("/dev/shm") ? "/dev/shm" : "/tmp");
    name += "/trust-fuzz-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    return name;
  }();
  fs::remove(directory + "/trust.db");
  SnapshotWriter writer(directory + "/trust.db", {std::string(32, '0'), 1, 1, "0:"});
  Entry entry;
  entry.id = 1;
  entry.trust = trust;
  entry.certificate = CertificateFacts::of(root);
  writer.entry(entry, root.der());
  writer.index();
  writer.finish();
  const Fd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return std::make_unique<View>(Snapshot::open_at(fd.get(), directory));
}

const View& store_of_another() {
  static const auto view = store_of(
      testing::mint({.common_name = "Root", .ca = true, .key_usage = "critical,keyCertSign"})
          .certificate,
      Trust::root);
  return *view;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<Certificate> chain;
  DerReader reader({data, size});
  try {
    while (const auto next = reader.next()) chain.push_back(Certificate::from_der(next->whole));
  } catch (const Error& error) {
    if (error.code() == Code::internal) std::abort();
  }
  constexpr UnixTime kNow = 1700000000;
  const Host host = Host::parse("dev.test");
  if (judge(chain, host, 443, store_of_another(), {}, kNow).trusted()) std::abort();
  if (chain.empty()) return 0;
  for (const Trust trust : {Trust::root, Trust::leaf}) {
    const auto view = store_of(chain.back(), trust);
    const Judgement judged = judge(chain, host, 443, *view, {}, kNow);
    if (!judged.trusted()) {
      if (judged.detail.empty()) std::abort();
      continue;
    }
    if (judged.path.empty() || !judged.entry) std::abort();
    if (judged.path.front().fingerprint() != chain.front().fingerprint()) std::abort();
    if (!judged.path.front().covers(host)) std::abort();
    if (judged.path.back().spki_hash() != chain.back().spki_hash()) std::abort();
  }
  return 0;
}
