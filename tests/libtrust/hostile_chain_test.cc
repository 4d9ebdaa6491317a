// However a chain is made, a verdict on it costs a bounded amount of work: by counts, for a test
// must not depend on how fast a machine is. `bench_hostile` takes the time.

#include <gtest/gtest.h>

#include "libtrust/judge_extras.h"
#include "libtrust/path.h"
#include "libtrust/profile.h"
#include "tests/libtrust/hostile.h"

namespace trust {
namespace {

TEST(HostileChainTest, WhateverIsPresentedTheWorkIsBounded) {
  JudgeWork most;
  for (const testing::HostileChain& chain : testing::hostile_chains()) {
    SCOPED_TRACE(chain.name);
    testing::Judged store;
    for (const Certificate& root : chain.trusted) store.add(root, Trust::root);
    std::size_t bytes = 0;
    for (const Certificate& each : chain.presented) bytes += each.der().size();
    ASSERT_LE(bytes, kMaxChainBytes);
    ASSERT_LE(chain.presented.size(), kMaxChainCertificates);
    JudgeWork work;
    JudgeExtras extras;
    extras.work = &work;
    const Judgement judged = judge(chain.presented, Host::parse(testing::kHostileHost), 443,
                                   store.view(), {}, system_clock_now(), extras);
    EXPECT_EQ(facts(judged.verdict).name, facts(chain.verdict).name) << judged.detail;
    // What there is no room for is counted, and not done; a step of each level that is left.
    constexpr std::size_t kDearestCheck = 48;
    EXPECT_LE(work.signature_checks, kMostSignatureChecks + 1);
    EXPECT_LE(work.effort, kMostEffort + kDearestCheck);
    EXPECT_LE(work.paths, kMostCandidatePaths + 1);
    EXPECT_LE(work.steps, kMostPathSteps + kMaxChainCertificates);
    EXPECT_LE(work.name_comparisons, kMostNameComparisons);
    most.signature_checks = std::max(most.signature_checks, work.signature_checks);
    most.effort = std::max(most.effort, work.effort);
    most.paths = std::max(most.paths, work.paths);
    most.steps = std::max(most.steps, work.steps);
    most.name_comparisons = std::max(most.name_comparisons, work.name_comparisons);
  }
  // Each limit was come near by one of them, or it would not have been tried.
  EXPECT_GE(most.signature_checks, kMostSignatureChecks);
  EXPECT_GE(most.effort, kMostEffort);
  EXPECT_GE(most.paths, kMostCandidatePaths - 1);
  EXPECT_GE(most.steps, kMostPathSteps);
  EXPECT_GE(most.name_comparisons, kMostNameComparisons * 9 / 10);
}

} // namespace
} // namespace trust
