#include "cli/command/advice.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace trust {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Advice, ASelfSignedLeafIsVerifiedByAll) {
  const auto lines = consequences({{"trust", "leaf"}, {"self_signed", true}}, {});
  EXPECT_THAT(lines, ElementsAre(HasSubstr("requests, curl, Node and Java verify")));
}

TEST(Advice, ALeafWithoutItsIssuerNamesWhoRefusesItAndTheWayOut) {
  const auto lines =
      consequences({{"trust", "leaf"}, {"self_signed", false}, {"hosts", {"api.test"}}}, {});
  EXPECT_THAT(lines,
              Contains(HasSubstr(
                  "curl and Java verify this server now; requests and Node refuse it still")));
  EXPECT_THAT(lines, Contains(HasSubstr("trustctl add ca.pem --host api.test")));
}

TEST(Advice, AShadowSaysThatJavaDoesNotObeyItAndByWhatItIsWider) {
  const auto lines = consequences({{"trust", "root"},
                                   {"hosts", {"*.corp.test"}},
                                   {"emitted", {{"as", "shadow"}, {"wider_by", {"corp.test"}}}}},
                                  {});
  EXPECT_THAT(lines, Contains(HasSubstr("Java does not obey")));
  EXPECT_THAT(lines, Contains(HasSubstr("wider: corp.test")));
}

TEST(Advice, WhatIsInNoFileIsRefusedStill) {
  const auto lines = consequences(
      {{"trust", "root"}, {"emitted", {{"as", "nothing"}, {"why", "it\033cannot"}}}}, {});
  EXPECT_THAT(lines, ElementsAre(HasSubstr("no published file holds it: it\\x1bcannot")));
}

TEST(Advice, WhatAWarningSaidIsNotSaidAgain) {
  const Json leaf = {{"trust", "leaf"}, {"self_signed", true}, {"could_sign", true}};
  EXPECT_THAT(consequences(leaf, {}), Contains(HasSubstr("could sign")));
  EXPECT_THAT(consequences(leaf, {"\"x\" could sign other certificates"}),
              ::testing::Not(Contains(HasSubstr("could sign"))));
}

TEST(Advice, DistrustNeedsNone) {
  EXPECT_THAT(consequences({{"trust", "distrusted"}}, {}), IsEmpty());
}

}  // namespace
}  // namespace trust
