#include "libtrust/published_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "libtrust/error.h"
#include "libtrust/file.h"
#include "tests/libtrust/live_store.h"

namespace trust {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using testing::LiveStore;
using testing::mint;
using testing::Minted;

Minted server(const std::string& name) {
  return mint({.common_name = name, .sans = {"DNS:" + name}, .ca = false});
}

Code code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_NE(error.message(), "");
    return error.code();
  }
  return Code::internal;
}

// Time that goes on when it is told to.
struct Steady {
  std::chrono::steady_clock::time_point now{1h};
  StoreSurroundings surroundings() {
    StoreSurroundings made;
    made.steady = [this] { return now; };
    return made;
  }
};

TEST(PublishedStore, ShowsWhatIsPublished) {
  LiveStore live;
  live.add(server("dev.test"), Trust::leaf).publish();
  const auto store = live.open();
  EXPECT_EQ(store->generation(), 1U);
  EXPECT_EQ(store->view()->header().generation, 1U);
  EXPECT_EQ(store->directory(), live.directory());
  EXPECT_EQ(store->bundle_path(), live.directory() + "/current/bundle.pem");
}

TEST(PublishedStore, LooksAtMostOnceASecondAndSeesAnewGenerationThen) {
  LiveStore live;
  live.add(server("a.test"), Trust::leaf).publish();
  Steady steady;
  const auto store = live.open(steady.surroundings());
  const auto before = store->view();
  live.add(server("b.test"), Trust::leaf).publish();
  steady.now += 999ms;
  EXPECT_EQ(store->view(), before);
  steady.now += 1ms;
  EXPECT_EQ(store->view()->header().generation, 2U);
  EXPECT_EQ(store->generation(), 2U);
  EXPECT_EQ(before->header().generation, 1U) << "whoever holds it goes on with it";
}

TEST(PublishedStore, RefreshLooksNow) {
  LiveStore live;
  live.add(server("a.test"), Trust::leaf).publish();
  Steady steady;
  const auto store = live.open(steady.surroundings());
  live.add(server("b.test"), Trust::leaf).publish();
  EXPECT_EQ(store->refresh()->header().generation, 2U);
  EXPECT_EQ(store->view()->header().generation, 2U);
}

TEST(PublishedStore, ALinkOfTheSameTextIsAnotherIfItWasMadeAnew) {
  LiveStore live;
  live.add(server("a.test"), Trust::leaf).publish();
  const auto store = live.open();
  const auto before = store->view();
  const fs::path link = fs::path(live.directory()) / "current";
  const fs::path target = fs::read_symlink(link);
  fs::remove(link);
  fs::create_symlink(target, link);
  EXPECT_NE(store->refresh(), before);
  const auto after = store->refresh();
  EXPECT_EQ(store->refresh(), after);
}

TEST(PublishedStore, AGenerationThatCannotBeReadRefusesUntilOneCan) {
  LiveStore live;
  live.add(server("a.test"), Trust::leaf).publish();
  Steady steady;
  const auto store = live.open(steady.surroundings());
  live.add(server("b.test"), Trust::leaf).publish();
  const fs::path database = fs::path(live.directory()) / "current" / "trust.db";
  const std::string whole = read_file(database, 10'000'000);
  fs::remove(database);
  std::ofstream(database) << "damaged";
  EXPECT_NO_THROW(store->view()) << "not looked at yet";
  steady.now += 1s;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(code_of([&] { store->view(); }), Code::store_invalid) << i;
    EXPECT_EQ(code_of([&] { store->refresh(); }), Code::store_invalid) << i;
  }
  EXPECT_EQ(store->generation(), 1U);
  live.add(server("c.test"), Trust::leaf).publish();
  EXPECT_EQ(store->view()->header().generation, 3U) << "at once: it was refusing";
}

TEST(PublishedStore, OneThatIsGoneRefuses) {
  LiveStore live;
  live.add(server("a.test"), Trust::leaf).publish();
  const auto store = live.open();
  fs::remove(fs::path(live.directory()) / "current");
  EXPECT_EQ(code_of([&] { store->refresh(); }), Code::store_missing);
  EXPECT_EQ(code_of([&] { store->view(); }), Code::store_missing);
  EXPECT_EQ(code_of([&] { PublishedStore::open(live.directory() + "/nowhere"); }),
            Code::store_missing);
  EXPECT_EQ(code_of([&] { PublishedStore::open(""); }), Code::invalid);
}

TEST(PublishedStore, OneThatOthersMayWriteToRefuses) {
  LiveStore live;
  live.add(server("a.test"), Trust::leaf).publish();
  fs::permissions(live.directory(), fs::perms::others_write, fs::perm_options::add);
  EXPECT_EQ(code_of([&] { live.open(); }), Code::store_access);
}

TEST(PublishedStore, IsChosenAsTheVariablesSay) {
  LiveStore live;
  live.add(server("a.test"), Trust::leaf).publish();
  StoreSurroundings surroundings;
  surroundings.environment = [&](std::string_view name) -> std::optional<std::string> {
    if (name == "TRUSTD_STORE") return live.directory() + "/";
    return std::nullopt;
  };
  EXPECT_EQ(PublishedStore::open({}, surroundings)->directory(), live.directory());
}

TEST(PublishedStore, NamesTheVariablesOfTheToolsWithPathsThatStay) {
  LiveStore live;
  live.add(server("a.test"), Trust::leaf).publish();
  const auto store = live.open();
  std::vector<std::string> names;
  for (const EnvValue& value : store->environment()) {
    names.push_back(value.name);
    EXPECT_THAT(value.value, HasSubstr(live.directory() + "/current/")) << value.name;
  }
  EXPECT_THAT(names, Contains("SSL_CERT_FILE"));
  EXPECT_THAT(names, Contains("NODE_EXTRA_CA_CERTS"));
}

TEST(PublishedStore, SetsNoVariableWhoseFileIsEmpty) {
  LiveStore live;
  live.distrust(server("a.test")).publish();
  EXPECT_TRUE(live.open()->environment().empty());
}

TEST(PublishedStore, AChildLooksForItself) {
  LiveStore live;
  live.add(server("a.test"), Trust::leaf).publish();
  const auto store = live.open();
  store->view();
  live.add(server("b.test"), Trust::leaf).publish();
  const pid_t child = ::fork();
  if (child == 0) ::_exit(store->view()->header().generation == 2 ? 0 : 1);
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(PublishedStore, ThreadsSeeGenerationsInOrder) {
  LiveStore live;
  live.add(server("a.test"), Trust::leaf).publish();
  const auto store = live.open();
  std::atomic<bool> done = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      GenerationNumber last = 0;
      while (!done) {
        const GenerationNumber now = store->refresh()->header().generation;
        EXPECT_GE(now, last);
        last = now;
      }
    });
  }
  for (int i = 0; i < 10; ++i) live.add(server("h" + std::to_string(i)), Trust::leaf).publish();
  while (store->refresh()->header().generation < 11) {
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
}

} // namespace
} // namespace trust
