// What fuzzers found hard, as a program hands it to trust_verify: each is refused, with an error
// and a peer that can be shown. Under the sanitizers a fault would show here.

#include <gtest/gtest.h>
#include <trust.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/capi/world.h"
#include "tests/libtrust/scratch.h"

namespace trust {
namespace {

#ifdef TRUST_DATA_DIR
void every_seed_is_refused() {
  const Scratch scratch;
  const std::string command =
      "tar -xzf '" TRUST_DATA_DIR "/fuzz-seeds.tar.gz' -C '" + scratch.path() + "'";
  ASSERT_EQ(std::system(command.c_str()), 0);
  trust_store* store = nullptr;
  ASSERT_EQ(trust_store_open(world_store(), &store, nullptr), TRUST_OK);
  std::size_t seeds = 0;
  std::size_t shown = 0;
  for (const auto& each : std::filesystem::recursive_directory_iterator(scratch.path())) {
    if (!each.is_regular_file()) continue;
    SCOPED_TRACE(each.path().string());
    std::ifstream file(each.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    trust_peer* peer = nullptr;
    trust_error* error = nullptr;
    const trust_status status =
        trust_verify(store, "dev.test", 443, bytes.data(), bytes.size(), nullptr, &peer, &error);
    EXPECT_NE(trust_status_is_untrusted(status), 0) << trust_status_name(status);
    EXPECT_EQ(peer, nullptr);
    EXPECT_STRNE(trust_error_message(error), "");
    if (const trust_peer* const presented = trust_error_peer(error)) {
      EXPECT_NE(trust_peer_json(presented), nullptr);
      shown += trust_peer_cert_count(presented) > 0 ? 1 : 0;
    }
    trust_error_free(error);
    ++seeds;
  }
  trust_store_free(store);
  EXPECT_GT(seeds, 2000U);
  EXPECT_GT(shown, 100U);
}
#endif

} // namespace
} // namespace trust

extern "C" {
extern const api_case seed_cases[];
const api_case seed_cases[] = {
#ifdef TRUST_DATA_DIR
    {"EverySeedIsRefused", trust::every_seed_is_refused},
#endif
    {nullptr, nullptr}};
}
