#include "daemon/changes.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <set>

#include "tests/daemon/serving.h"
#include "tests/libtrust/mint.h"
#include "tests/libtrust/scratch.h"

namespace trust::testing {
namespace {

PinRow pin_for(const std::string& pattern) {
  PinRow row;
  row.pattern = PortPattern::parse(pattern);
  return row;
}

struct Made {
  Changes::Outcome outcome;
  Change change;
};

class ChangesTest : public ::testing::Test {
 protected:
  std::unique_ptr<Changes> start(Changes::Settings settings = none()) {
    PublishSettings publishing;
    publishing.directory = scratch_.path("public");
    return std::make_unique<Changes>(settings, system_clock_now,
                                     Store::open(scratch_.path("trustd.db"), system_clock_now),
                                     std::make_unique<Publisher>(publishing), [this] { ++told_; });
  }
  static Changes::Settings none() {
    Changes::Settings settings;
    settings.base = "none";
    return settings;
  }
  Changes::Settings based_on(const std::string& name) const {
    Changes::Settings settings;
    settings.base = scratch_.path(name);
    return settings;
  }
  // Replaces a file as package scripts do.
  void replace(const std::string& name, const std::string& text) const {
    scratch_.write(name + ".new", text);
    std::filesystem::permissions(scratch_.path(name + ".new"), std::filesystem::perms(0644));
    std::filesystem::rename(scratch_.path(name + ".new"), scratch_.path(name));
  }

  static std::future<Made> pin(Changes& changes, const std::string& pattern) {
    const auto promise = std::make_shared<std::promise<Made>>();
    const auto change = std::make_shared<Change>();
    changes.submit([change, pattern](
                       Store& store) { *change = store.add_pins({}, {pin_for(pattern)}).change; },
                   [promise, change](Changes::Outcome outcome) {
                     promise->set_value({std::move(outcome), *change});
                   });
    return promise->get_future();
  }
  static Made wait(std::future<Made>& future) {
    if (future.wait_for(kPatience) != std::future_status::ready)
      throw std::runtime_error("no answer");
    return future.get();
  }
  static Made pinned(Changes& changes, const std::string& pattern) {
    auto future = pin(changes, pattern);
    return wait(future);
  }

  Scratch scratch_;
  std::atomic<int> told_{0};
};

TEST_F(ChangesTest, EachOfManyAtOnceHasItsOwnGenerationAndIsPublished) {
  constexpr int kThreads = 8;
  constexpr int kEach = 25;
  const auto changes = start();
  std::vector<std::vector<std::future<Made>>> futures(kThreads);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kEach; ++i) {
        futures[static_cast<std::size_t>(thread)].push_back(
            pin(*changes, "h" + std::to_string(thread) + "-" + std::to_string(i) + ".test"));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<GenerationNumber> generations;
  std::set<std::string> heads;
  for (auto& of_one : futures) {
    for (auto& future : of_one) {
      const Made made = wait(future);
      EXPECT_EQ(made.outcome.failure, nullptr);
      EXPECT_FALSE(made.outcome.unpublished);
      EXPECT_TRUE(generations.insert(made.change.generation).second);
      EXPECT_TRUE(heads.insert(made.change.audit_head).second);
      EXPECT_LE(made.change.generation, changes->published());
    }
  }
  EXPECT_EQ(generations.size(), static_cast<std::size_t>(kThreads * kEach));
  EXPECT_EQ(*generations.rbegin(), static_cast<GenerationNumber>(kThreads * kEach));
  EXPECT_LT(changes->status().publications, static_cast<std::uint64_t>(kThreads * kEach) / 2);
  EXPECT_GT(told_.load(), 0);
  Store store = Store::open_reader(scratch_.path("trustd.db"), system_clock_now);
  EXPECT_EQ(store.verify_audit(), std::nullopt);
}

TEST_F(ChangesTest, WhatComesWhileOthersAreStoredIsPublishedWithThem) {
  const auto changes = start();
  const std::uint64_t before = changes->status().publications;
  std::promise<Changes::Outcome> first;
  std::future<Made> second;
  changes->submit(
      [&](Store& store) {
        store.add_pins({}, {pin_for("a.test")});
        second = pin(*changes, "b.test");
      },
      [&](Changes::Outcome outcome) { first.set_value(std::move(outcome)); });
  EXPECT_EQ(first.get_future().get().failure, nullptr);
  const Made made = wait(second);
  EXPECT_EQ(made.outcome.failure, nullptr);
  EXPECT_EQ(made.change.generation, 2U);
  EXPECT_EQ(changes->status().publications, before + 1);
  EXPECT_EQ(changes->published(), 2U);
}

TEST_F(ChangesTest, OfManyAtOnceThoseThatSucceedHearThatTheyAreStoredBeforeTheyAreAnswered) {
  constexpr std::size_t kCount = 20;
  constexpr std::size_t kBad = 7;
  const auto changes = start();
  struct Heard {
    std::thread::id stored;
    int answers = 0;
    bool failed = false;
  };
  std::vector<Heard> heard(kCount); // each is written by one thread after another
  std::promise<void> all;
  std::size_t left = kCount;
  const auto submit = [&](std::size_t i) {
    changes->submit(
        [i](Store& store) {
          if (i == kBad) throw Error(Code::conflict, "not this one");
          store.add_pins({}, {pin_for("h" + std::to_string(i) + ".test")});
        },
        [&, i](const Changes::Outcome& outcome) {
          ++heard[i].answers;
          heard[i].failed = outcome.failure != nullptr;
          if (--left == 0) all.set_value();
        },
        [&, i] {
          EXPECT_EQ(heard[i].answers, 0);
          heard[i].stored = std::this_thread::get_id();
        });
  };
  // One that is being made has the rest wait, so that all are published together.
  std::promise<std::thread::id> maker;
  changes->submit(
      [&](Store& store) {
        store.add_pins({}, {pin_for("first.test")});
        maker.set_value(std::this_thread::get_id());
        for (std::size_t i = 0; i < kCount; ++i) submit(i);
      },
      [](const Changes::Outcome&) {});
  auto answered = all.get_future();
  ASSERT_EQ(answered.wait_for(kPatience), std::future_status::ready);
  const std::thread::id own = maker.get_future().get();
  for (std::size_t i = 0; i < kCount; ++i) {
    EXPECT_EQ(heard[i].answers, 1) << i;
    EXPECT_EQ(heard[i].failed, i == kBad) << i;
    EXPECT_EQ(heard[i].stored == std::thread::id(), i == kBad) << i;
    EXPECT_NE(heard[i].stored, own) << i;
  }
  EXPECT_EQ(changes->published(), kCount);
}

TEST_F(ChangesTest, WhatThrowsUndoesItselfAlone) {
  const auto changes = start();
  std::promise<Changes::Outcome> refused;
  changes->submit(
      [](Store& store) {
        store.add_pins({}, {pin_for("lost.test")});
        throw Error(Code::conflict, "no");
      },
      [&](Changes::Outcome outcome) { refused.set_value(std::move(outcome)); });
  const Made kept = pinned(*changes, "kept.test");
  EXPECT_EQ(kept.change.generation, 1U);
  EXPECT_THROW(std::rethrow_exception(refused.get_future().get().failure), Error);
  Store store = Store::open_reader(scratch_.path("trustd.db"), system_clock_now);
  EXPECT_EQ(store.counts().pins, 1U);
}

TEST_F(ChangesTest, APublicationThatFailsIsSaidAndTriedAgain) {
  const auto changes = start();
  pinned(*changes, "a.test");
  // Nothing can be renamed over a directory that is not empty.
  const std::string current = scratch_.path("public/current");
  std::filesystem::remove(current);
  std::filesystem::create_directories(current + "/in-the-way");
  const Made made = pinned(*changes, "b.test");
  EXPECT_EQ(made.outcome.failure, nullptr);
  EXPECT_TRUE(made.outcome.unpublished);
  EXPECT_EQ(changes->generation(), 2U);
  EXPECT_EQ(changes->published(), 1U);
  EXPECT_TRUE(changes->status().problem);
  std::filesystem::remove_all(current);
  EXPECT_TRUE(comes_true([&] { return changes->published() == 2; }));
  EXPECT_FALSE(changes->status().problem);
}

TEST_F(ChangesTest, OneTooManyIsRefusedAndTheRestAnsweredAtStop) {
  Changes::Settings settings = none();
  settings.most_waiting = 2;
  const auto changes = start(settings);
  std::promise<void> entered;
  std::promise<void> go_on;
  changes->submit(
      [&](Store&) {
        entered.set_value();
        go_on.get_future().wait();
      },
      [](const Changes::Outcome&) {});
  entered.get_future().wait();
  auto first = pin(*changes, "a.test");
  auto second = pin(*changes, "b.test");
  EXPECT_THROW(pin(*changes, "c.test"), Error);
  go_on.set_value();
  changes->stop();
  EXPECT_EQ(wait(first).change.generation, 1U);
  EXPECT_EQ(wait(second).change.generation, 2U);
  EXPECT_THROW(pin(*changes, "d.test"), Error);
}

TEST_F(ChangesTest, WithoutAnyBaseThereIsNoStart) {
  EXPECT_THROW(start(based_on("missing.pem")), Error);
}

TEST_F(ChangesTest, TheBaseIsFollowedAndAnImplausibleOneIsNotTaken) {
  const std::string a = mint({.common_name = "A", .ca = true}).pem();
  const std::string b = mint({.common_name = "B", .ca = true}).pem();
  const std::string c = mint({.common_name = "C", .ca = true}).pem();
  replace("base.pem", a + b + c);
  auto changes = start(based_on("base.pem"));
  EXPECT_EQ(changes->generation(), 1U);
  EXPECT_EQ(changes->published(), 1U);

  replace("base.pem", a + b);
  EXPECT_TRUE(comes_true([&] { return changes->published() == 2; }));
  EXPECT_FALSE(changes->status().base_problem);

  replace("base.pem", "nothing of use");
  EXPECT_TRUE(comes_true([&] { return changes->status().base_problem.has_value(); }));
  EXPECT_EQ(changes->generation(), 2U);

  // A start finds it no better, and keeps what it had.
  changes.reset();
  changes = start(based_on("base.pem"));
  EXPECT_TRUE(changes->status().base_problem);
  EXPECT_EQ(changes->generation(), 2U);
  replace("base.pem", a + b + c);
  EXPECT_TRUE(comes_true([&] { return changes->published() == 3; }));
  EXPECT_FALSE(changes->status().base_problem);
}

TEST_F(ChangesTest, ABaseThatLostMoreThanHalfIsNotTakenUnlessItIsAnother) {
  std::string all;
  for (const char* name : {"A", "B", "C", "D", "E"}) {
    all += mint({.common_name = name, .ca = true}).pem();
  }
  const std::string one = mint({.common_name = "F", .ca = true}).pem();
  replace("base.pem", all);
  auto changes = start(based_on("base.pem"));
  replace("base.pem", one);
  EXPECT_TRUE(comes_true([&] { return changes->status().base_problem.has_value(); }));
  EXPECT_EQ(changes->generation(), 1U);
  changes.reset();
  replace("other.pem", one);
  changes = start(based_on("other.pem"));
  EXPECT_FALSE(changes->status().base_problem);
  EXPECT_EQ(changes->published(), 2U);
}

TEST_F(ChangesTest, PublicationsAreSpreadOutBeforeDirectoriesRunOut) {
  Changes::Settings settings = none();
  settings.unpaced = 2;
  settings.most_paced = 4;
  settings.paced_within_s = 2;
  const auto changes = start(settings);
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 6; ++i) pinned(*changes, "h" + std::to_string(i) + ".test");
  // Seven publications at no more than about four in two seconds.
  EXPECT_GT(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(700));
  EXPECT_EQ(changes->published(), 6U);
}

} // namespace
} // namespace trust::testing
