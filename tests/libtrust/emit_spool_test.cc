#include "libtrust/emit/spool.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "libtrust/error.h"
#include "tests/libtrust/scratch.h"

namespace trust {
namespace {

Bytes given(Spool& spool) {
  Bytes all;
  spool.give([&](ByteView piece) { all.insert(all.end(), piece.begin(), piece.end()); });
  return all;
}

class SpoolTest : public ::testing::Test {
 protected:
  std::size_t files() const {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& each :
         std::filesystem::directory_iterator(scratch_.path("d"))) {
      ++count;
    }
    return count;
  }

  Scratch scratch_;
  bool made_ = std::filesystem::create_directory(scratch_.path("d"));
  Fd directory_{::open(scratch_.path("d").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
};

TEST_F(SpoolTest, GivesWhatWasAddedFewOrMany) {
  for (const std::size_t count : {0U, 1U, 100U, 5000U}) {
    Bytes wanted;
    {
      Spool spool(directory_.get());
      for (std::size_t i = 0; i < count; ++i) {
        const Bytes piece(300 + i % 7, static_cast<std::uint8_t>(i));
        spool.add(piece);
        wanted.insert(wanted.end(), piece.begin(), piece.end());
      }
      EXPECT_EQ(spool.size(), wanted.size());
      EXPECT_EQ(files(), count == 5000 ? 1U : 0U); // in memory while they are few
      EXPECT_EQ(given(spool), wanted);
    }
    EXPECT_EQ(files(), 0U);
  }
}

TEST_F(SpoolTest, SaysThatThereIsNoRoomForItsFile) {
  const Fd nowhere(::open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  Spool spool(nowhere.get());
  const Bytes large(std::size_t{600} << 10);
  EXPECT_THROW(spool.add(large), Error);
}

} // namespace
} // namespace trust
