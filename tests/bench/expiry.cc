// What expires within 30 days, and what the scheduler does when it is due, in a store of few
// certificates and in one of many, for the same number found; in turn, medians in microseconds.
//
//   bench_expiry DIR MANY

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "libtrust/store.h"
#include "tests/libtrust/mint.h"

namespace {

using trust::UnixTime;

constexpr UnixTime kNow = 1'800'000'000;
constexpr UnixTime kDay = 86400;
constexpr std::size_t kFew = 1'000;
constexpr std::size_t kFound = 100; // in both

trust::Store filled(const std::string& path, std::size_t count, UnixTime& now) {
  trust::Store store = trust::Store::open(path, [&now] { return now; });
  const trust::Store::Asked asked{{::geteuid(), ::getpid(), "bench"}, "a benchmark", {}};
  constexpr std::size_t kTogether = 20'000;
  for (std::size_t at = 0; at < count; at += kTogether) {
    trust::Addition addition;
    for (std::size_t i = at; i < std::min(count, at + kTogether); ++i) {
      const std::string name = "host" + std::to_string(i) + ".bench.test";
      // Those that are found are spread over the whole.
      const bool ends_soon = i % (count / kFound) == 0;
      const UnixTime end = kNow + (ends_soon ? 31 : 4000) * kDay + static_cast<UnixTime>(i % 1000);
      const auto certificate = trust::testing::mint({.common_name = name,
                                                     .sans = {"DNS:" + name},
                                                     .ca = false,
                                                     .not_before = kNow - kDay,
                                                     .not_after = end,
                                                     .key = trust::testing::Key::shared(),
                                                     .serial = static_cast<std::int64_t>(i) + 1})
                                   .certificate;
      addition.items.push_back(
          {certificate, trust::Trust::leaf, {}, "l" + std::to_string(i), true});
    }
    store.add(asked, addition);
    while (!store.follow_entries(1'000)) {
    }
  }
  const trust::Thresholds thresholds = trust::default_thresholds();
  while (store.tell_endings(thresholds, now, 1'000, "") != 0) {
  }
  return store;
}

template <typename Work>
double us_of(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
      .count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string directory = argv[1];
  std::filesystem::create_directories(directory);
  UnixTime now = kNow;
  trust::Store few = filled(directory + "/few.db", kFew, now);
  trust::Store many = filled(directory + "/many.db", std::stoul(argv[2]), now);
  trust::Store* const both[] = {&few, &many};

  std::vector<double> listed[2], told[2];
  trust::EntryFilter filter;
  filter.expires_before = kNow + 32 * kDay;
  for (int round = 0; round < 21; ++round) {
    for (int i = 0; i < 2; ++i) {
      listed[i].push_back(us_of([&] {
        if (both[i]->entries(filter, 1000, 0).size() != kFound) std::abort();
      }));
    }
  }
  const trust::Thresholds thresholds = trust::default_thresholds();
  for (const UnixTime days : {30, 14, 7, 1, 0}) {
    now = kNow + (31 - days) * kDay + 1000;
    for (int i = 0; i < 2; ++i) {
      told[i].push_back(us_of([&] {
        if (*both[i]->next_ending(now) > now) std::abort();
        if (both[i]->tell_endings(thresholds, now, 1'000, "") != kFound) std::abort();
      }));
    }
  }
  std::printf(
      "{\"listed_few_us\": %.1f, \"listed_many_us\": %.1f, "
      "\"told_few_us\": %.1f, \"told_many_us\": %.1f}\n",
      median(listed[0]), median(listed[1]), median(told[0]), median(told[1]));
  return 0;
}
