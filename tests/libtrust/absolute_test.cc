#include "libtrust/absolute.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <climits>

namespace trust {
namespace {

TEST(AbsolutePath, HasNoPartThatSaysNothing) {
  EXPECT_EQ(absolute_path("/"), "/");
  EXPECT_EQ(absolute_path("//"), "/");
  EXPECT_EQ(absolute_path("/a//b/./c/"), "/a/b/c");
  EXPECT_EQ(absolute_path("/a/../b"), "/b");
  EXPECT_EQ(absolute_path("/../a"), "/a");
  EXPECT_EQ(absolute_path("/a/.."), "/");
  EXPECT_EQ(absolute_path("/.hidden/..x"), "/.hidden/..x");
}

TEST(AbsolutePath, StartsAtTheWorkingDirectory) {
  char here[PATH_MAX];
  ASSERT_NE(::getcwd(here, sizeof here), nullptr);
  EXPECT_EQ(absolute_path("a/b"), std::string(here) + "/a/b");
  EXPECT_EQ(absolute_path("."), here);
  EXPECT_EQ(absolute_path(""), here);
}

} // namespace
} // namespace trust
