// What fuzzers found for others, as what a server says: refused, never trusted, never a crash.
#ifdef TRUST_DATA_DIR

#include "tests/libtrust/flight.h"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/libtrust/live_store.h"

namespace trust {
namespace {

TEST(Flights, EverySeedIsRefused) {
  ERR_clear_error(); // what other tests left
  testing::LiveStore live;
  live.add(testing::mint({.common_name = "Root", .ca = true}), Trust::root).publish();
  const Connector connector(live.open());
  const Scratch scratch;
  const std::string command = "tar -xzf '" TRUST_DATA_DIR "/fuzz-seeds.tar.gz' -C '" +
                              scratch.path() + "' fuzz-seeds/tls-server";
  ASSERT_EQ(std::system(command.c_str()), 0);
  std::size_t seen = 0;
  std::size_t refused = 0;
  for (const auto& item : std::filesystem::recursive_directory_iterator(scratch.path())) {
    if (!item.is_regular_file()) continue;
    std::ifstream file(item.path(), std::ios::binary);
    const std::vector<char> text{std::istreambuf_iterator<char>(file), {}};
    const std::span<const std::uint8_t> flight{reinterpret_cast<const std::uint8_t*>(text.data()),
                                               text.size()};
    ++seen;
    SCOPED_TRACE(item.path().string());
    for (const std::size_t skipped : {0U, 2U}) { // BoringSSL's begin with two bytes of its own
      if (flight.size() < skipped) continue;
      for (const std::size_t piece : {std::size_t{100'000}, std::size_t{7}})
        refused += testing::feed_flight(connector, flight.subspan(skipped), piece);
    }
    EXPECT_EQ(ERR_peek_error(), 0U);
  }
  EXPECT_EQ(seen, 423U);
  RecordProperty("refused_for_certificates", static_cast<int>(refused));
}

} // namespace
} // namespace trust

#endif
