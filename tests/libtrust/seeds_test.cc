// Certificates that fuzzers found to be hard, through parsing and judging: whatever they are, they
// are refused or parsed, and judged. With the sanitizers this is where a fault would show.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "libtrust/decode.h"
#include "libtrust/error.h"
#include "tests/libtrust/judged.h"

#ifdef TRUST_DATA_DIR

namespace trust {
namespace {

namespace fs = std::filesystem;

std::string contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(SeedsTest, EverySeedIsRefusedOrJudged) {
  const Scratch scratch;
  const std::string archive = std::string(TRUST_DATA_DIR) + "/fuzz-seeds.tar.gz";
  ASSERT_EQ(std::system(("tar -xzf '" + archive + "' -C '" + scratch.path() + "'").c_str()), 0);
  testing::Judged store;
  std::vector<Certificate> readable;
  std::size_t seeds = 0;
  for (const auto& each : fs::recursive_directory_iterator(scratch.path())) {
    if (!each.is_regular_file() || each.path().parent_path().filename() != "certificate") continue;
    ++seeds;
    const std::string bytes = contents(each.path());
    try {
      const Certificate certificate = Certificate::from_der(
          {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
      readable.push_back(certificate);
      (void)certificate.x509();
      (void)certificate.verifies_itself();
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == Code::invalid || error.code() == Code::too_large)
          << each.path() << ": " << error.message();
    }
  }
  ASSERT_GT(seeds, 1500U);
  ASSERT_GT(readable.size(), 100U);
  for (const Certificate& certificate : readable) {
    store.add(certificate, Trust::root);
    store.add(certificate, Trust::leaf, {.hosts = {"dev.test"}});
  }
  const View& trusting = store.view();
  testing::Judged none;
  const View& empty = none.view();
  const Host host = Host::parse("dev.test");
  for (std::size_t i = 0; i < readable.size(); ++i) {
    const std::vector<Certificate> chain{readable[i], readable[(i + 1) % readable.size()],
                                         readable[(i + 7) % readable.size()]};
    for (const UnixTime now : {UnixTime{0}, readable[i].not_before(), readable[i].not_after()}) {
      const Judgement judged = judge(chain, host, 443, empty, {}, now);
      EXPECT_FALSE(judged.trusted());
      EXPECT_NE(judged.detail, "");
      EXPECT_NO_THROW(judge(chain, host, 443, trusting, {}, now));
    }
  }
}

} // namespace
} // namespace trust

#endif
