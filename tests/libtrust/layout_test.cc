#include "libtrust/layout.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "libtrust/error.h"

namespace trust {
namespace {

namespace fs = std::filesystem;

Environment environment_of(std::map<std::string, std::string, std::less<>> variables) {
  return [variables = std::move(variables)](std::string_view name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end() || found->second.empty()) return std::nullopt;
    return found->second;
  };
}

class LayoutTest : public ::testing::Test {
 protected:
  LayoutTest() {
    std::string pattern = (fs::temp_directory_path() / "layout.XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
  }
  ~LayoutTest() override { fs::remove_all(directory_); }

  std::string make_directory(const std::string& name) const {
    const std::string path = directory_ + "/" + name;
    fs::create_directories(path);
    return path;
  }

  std::string directory_;
};

TEST_F(LayoutTest, UserPlacesFollowHome) {
  const Layout layout = Layout::user(environment_of({{"HOME", "/home/ann"}}));
  EXPECT_FALSE(layout.system);
  EXPECT_EQ(layout.state, "/home/ann/.local/state/trustd");
  EXPECT_EQ(layout.database, "/home/ann/.local/state/trustd/trustd.db");
  EXPECT_EQ(layout.keys, "/home/ann/.local/state/trustd/keys");
  EXPECT_EQ(layout.token, "/home/ann/.local/state/trustd/token");
  EXPECT_EQ(layout.store, "/home/ann/.local/state/trustd/public");
  EXPECT_EQ(layout.socket, "/home/ann/.local/state/trustd/trustd.sock");
  EXPECT_EQ(layout.config, "/home/ann/.config/trustd/trustd.toml");
}

TEST_F(LayoutTest, XdgVariablesMoveThem) {
  const Layout layout = Layout::user(environment_of({{"HOME", "/home/ann"},
                                                     {"XDG_STATE_HOME", "/state/"},
                                                     {"XDG_CONFIG_HOME", "/configuration"},
                                                     {"XDG_RUNTIME_DIR", directory_}}));
  EXPECT_EQ(layout.state, "/state/trustd");
  EXPECT_EQ(layout.config, "/configuration/trustd/trustd.toml");
  EXPECT_EQ(layout.socket, directory_ + "/trustd/trustd.sock");
}

TEST_F(LayoutTest, RuntimeDirectoryThatIsNotThereIsNotUsed) {
  const Layout layout = Layout::user(
      environment_of({{"HOME", "/home/ann"}, {"XDG_RUNTIME_DIR", directory_ + "/missing"}}));
  EXPECT_EQ(layout.socket, "/home/ann/.local/state/trustd/trustd.sock");
}

TEST_F(LayoutTest, RuntimeDirectoryOfAnotherUserIsNotUsed) {
  const std::string foreign = ::geteuid() == 0 ? make_directory("foreign") : "/proc/1";
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(foreign.c_str(), 1, 1), 0);
  }
  const Layout layout =
      Layout::user(environment_of({{"HOME", "/home/ann"}, {"XDG_RUNTIME_DIR", foreign}}));
  EXPECT_EQ(layout.socket, "/home/ann/.local/state/trustd/trustd.sock");
}

TEST_F(LayoutTest, WithoutHomeThePasswordDatabaseIsAsked) {
  const Layout layout = Layout::user(environment_of({}));
  EXPECT_TRUE(layout.state.starts_with("/"));
  EXPECT_TRUE(layout.state.ends_with("/.local/state/trustd"));
}

TEST_F(LayoutTest, RelativeVariablesAreRefused) {
  for (const char* variable : {"HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"}) {
    std::map<std::string, std::string, std::less<>> variables{{"HOME", "/home/ann"}};
    variables[variable] = "somewhere";
    try {
      Layout::user(environment_of(variables));
      ADD_FAILURE() << variable;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::invalid);
      EXPECT_THAT(error.message(), ::testing::HasSubstr(variable));
    }
  }
}

TEST_F(LayoutTest, MachinePlaces) {
  const Layout layout = Layout::machine();
  EXPECT_TRUE(layout.system);
  EXPECT_EQ(layout.state, "/var/lib/trustd");
  EXPECT_EQ(layout.store, "/var/lib/trustd/public");
  EXPECT_EQ(layout.socket, "/run/trustd/trustd.sock");
  EXPECT_EQ(layout.config, "/etc/trustd/trustd.toml");
}

TEST_F(LayoutTest, AnotherStateTakesItsSocketAlongAndKeepsTheConfiguration) {
  const Layout layout = Layout::at_state(Layout::machine(), "/srv/trust");
  EXPECT_TRUE(layout.system);
  EXPECT_EQ(layout.state, "/srv/trust");
  EXPECT_EQ(layout.store, "/srv/trust/public");
  EXPECT_EQ(layout.socket, "/srv/trust/trustd.sock");
  EXPECT_EQ(layout.config, "/etc/trustd/trustd.toml");
}

TEST_F(LayoutTest, StoreOfTheOptionComesBeforeAll) {
  const auto environment = environment_of({{"TRUSTD_STORE", "/named"}, {"HOME", directory_}});
  const StoreChoice choice = choose_store("/given", environment, true);
  EXPECT_EQ(choice.directory, "/given");
  EXPECT_EQ(choice.why, "--store");
  EXPECT_EQ(choose_store({}, environment, false).directory, "/named");
  EXPECT_EQ(choose_store({}, environment, false).why, "TRUSTD_STORE");
  EXPECT_EQ(choose_store({}, environment, true).directory, "/var/lib/trustd/public");
}

TEST_F(LayoutTest, TheUsersStoreIsTakenIfItHasCurrent) {
  const auto environment = environment_of({{"HOME", directory_}});
  EXPECT_EQ(choose_store({}, environment, false).why, "the machine's store");
  const std::string store = make_directory(".local/state/trustd/public");
  EXPECT_EQ(choose_store({}, environment, false).why, "the machine's store");
  fs::create_directory_symlink("gen-that-is-gone", store + "/current");
  EXPECT_EQ(choose_store({}, environment, false).directory, store);
  EXPECT_EQ(choose_store({}, environment, false).why, "the user's store");
}

TEST_F(LayoutTest, AStoreThatCannotBeLookedAtIsNotPassedOver) {
  const std::string store = make_directory(".local/state/trustd/public");
  ASSERT_EQ(::chmod(store.c_str(), 0), 0);
  const bool was_root = ::geteuid() == 0;  // who may look at everything
  if (was_root) {
    ASSERT_EQ(::chmod(directory_.c_str(), 0755), 0);
    ASSERT_EQ(::seteuid(65534), 0);
  }
  const StoreChoice choice = choose_store({}, environment_of({{"HOME", directory_}}), false);
  if (was_root) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  EXPECT_EQ(choice.directory, store);
  ASSERT_EQ(::chmod(store.c_str(), 0700), 0);
}

TEST_F(LayoutTest, SocketsAreTriedInOrder) {
  const auto environment =
      environment_of({{"HOME", "/home/ann"}, {"XDG_RUNTIME_DIR", "/run/user/1000"}});
  std::vector<std::string> addresses;
  for (const auto& candidate : socket_candidates({}, environment, false)) {
    addresses.push_back(candidate.address);
  }
  EXPECT_THAT(addresses, ::testing::ElementsAre("/run/user/1000/trustd/trustd.sock",
                                                "/home/ann/.local/state/trustd/trustd.sock",
                                                "/run/trustd/trustd.sock"));
}

TEST_F(LayoutTest, ANamedSocketIsTheOnlyOne) {
  const auto environment =
      environment_of({{"HOME", "/home/ann"}, {"TRUSTD_SOCKET", "http://127.0.0.1:8000"}});
  auto candidates = socket_candidates({}, environment, false);
  ASSERT_EQ(candidates.size(), 1U);
  EXPECT_EQ(candidates[0].address, "http://127.0.0.1:8000");
  EXPECT_EQ(candidates[0].why, "TRUSTD_SOCKET");
  candidates = socket_candidates("/tmp/s", environment, false);
  ASSERT_EQ(candidates.size(), 1U);
  EXPECT_EQ(candidates[0].why, "--socket");
  candidates = socket_candidates({}, environment, true);
  ASSERT_EQ(candidates.size(), 1U);
  EXPECT_EQ(candidates[0].address, "/run/trustd/trustd.sock");
}

}  // namespace
}  // namespace trust
