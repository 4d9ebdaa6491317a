// What a verdict costs on chains that are made to cost as much as they can: the median of ROUNDS,
// in milliseconds of this thread's own time, certificates parsed afresh each time. One line each,
// the slowest last; the goal is 25 ms for any.
//
//   bench_hostile ROUNDS

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "tests/libtrust/hostile.h"

namespace {

using namespace trust;

double own_milliseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

double median_of(const trust::testing::HostileChain& chain, int rounds) {
  trust::testing::Judged store;
  for (const Certificate& root : chain.trusted) store.add(root, Trust::root);
  const Host host = Host::parse(trust::testing::kHostileHost);
  std::vector<double> times;
  for (int round = 0; round < rounds; ++round) {
    const View& view = store.view();
    const double start = own_milliseconds();
    std::vector<Certificate> presented;
    for (const Certificate& each : chain.presented)
      presented.push_back(Certificate::from_der(each.der()));
    const Judgement judged = judge(presented, host, 443, view, {}, system_clock_now());
    times.push_back(own_milliseconds() - start);
    if (judged.trusted()) std::abort();
  }
  std::nth_element(times.begin(), times.begin() + rounds / 2, times.end());
  return times[static_cast<std::size_t>(rounds / 2)];
}

} // namespace

int main(int count, char** words) {
  const int rounds = count == 2 ? std::atoi(words[1]) : 0;
  if (rounds < 1) return 2;
  double slowest = 0;
  for (const trust::testing::HostileChain& chain : trust::testing::hostile_chains()) {
    const double time = median_of(chain, rounds);
    slowest = std::max(slowest, time);
    std::printf("%7.2f ms  %s\n", time, chain.name.c_str());
  }
  std::printf("%7.2f ms  the slowest of them\n", slowest);
  return 0;
}
