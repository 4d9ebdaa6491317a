#include "cli/command/completion.h"

#include <gmock/gmock.h>

namespace trust {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class CompletionTest : public ::testing::Test {
 protected:
  CompletionTest() {
    root_.options = {{{"--json"}, "", "", {}, false}, {{"--store"}, "DIR", "", {}, false}};
    Command show{"show", "", {}, {{"ID|FILE|HOST", "", {}, true, false}}, {}};
    Command rm{"rm", "", {}, {{"ID", "", {}, true, false}}, {}};
    Command env{"env", "", {{{"--shell"}, "SHELL", "", {"sh", "fish"}, false}}, {}, {}};
    Command run{"run", "", {}, {{"CMD", "", {}, true, true}}, {}};
    Command pin{
        "pin",
        "",
        {},
        {},
        {{"add", "", {}, {{"HOST[:PORT]", "", {}, true, false}}, {}}, {"list", "", {}, {}, {}}}};
    Command alerts{"alerts", "", {}, {}, {{"test", "", {}, {{"SINK", "", {}, true, false}}, {}}}};
    root_.commands = {alerts, show, rm, env, run, pin};
    offers_.labels = [](std::string_view prefix) {
      return std::string_view("corp-ca").starts_with(prefix) ? std::vector<std::string>{"corp-ca"}
                                                             : std::vector<std::string>{};
    };
    offers_.hosts = [](std::string_view prefix) {
      return std::string_view("api.test").starts_with(prefix) ? std::vector<std::string>{"api.test"}
                                                              : std::vector<std::string>{};
    };

    offers_.sinks = [](std::string_view) { return std::vector<std::string>{"mail", "chat"}; };
  }

  std::vector<std::string> complete(const std::vector<std::string>& words) {
    return candidates(root_, words, offers_);
  }

  Command root_;
  Offers offers_;
};

TEST_F(CompletionTest, OffersCommands) {
  EXPECT_THAT(complete({""}), ElementsAre("alerts", "env", "pin", "rm", "run", "show"));
  EXPECT_THAT(complete({"r"}), ElementsAre("rm", "run"));
  EXPECT_THAT(complete({"pin", ""}), ElementsAre("add", "list"));
}

TEST_F(CompletionTest, OffersLabelsHostsAndFilesWhereTheyCanStand) {
  EXPECT_THAT(complete({"rm", ""}), ElementsAre("corp-ca"));
  EXPECT_THAT(complete({"rm", "x"}), IsEmpty());
  EXPECT_THAT(complete({"rm", "corp-ca", ""}), IsEmpty());
  EXPECT_THAT(complete({"show", ""}), ElementsAre(":files", "api.test", "corp-ca"));
  EXPECT_THAT(complete({"pin", "add", "a"}), ElementsAre("api.test"));
  EXPECT_THAT(complete({"alerts", "test", ""}), ElementsAre("chat", "mail"));
  EXPECT_THAT(complete({"alerts", "test", "c"}), ElementsAre("chat"));
}

TEST_F(CompletionTest, OffersOptionsAndTheirValues) {
  EXPECT_THAT(complete({"env", "--"}), ElementsAre("--json", "--shell", "--store"));
  EXPECT_THAT(complete({"env", "--shell", ""}), ElementsAre("fish", "sh"));
  EXPECT_THAT(complete({"--store", ""}), ElementsAre(":files"));
  EXPECT_THAT(complete({"--store", "x", "r"}), ElementsAre("rm", "run"));
}

TEST_F(CompletionTest, ACommandToRunIsTheShellsBusiness) {
  EXPECT_THAT(complete({"run", ""}), ElementsAre(":commands"));
  EXPECT_THAT(complete({"run", "curl", "--"}), ElementsAre(":commands"));
}

}  // namespace
}  // namespace trust
