// Fills a store for a benchmark, in one change, before the daemon starts on it.
//
//   seed STATE pins N           host0.bench.test …, a pin each
//   seed STATE certificates N   leaves with a label each
//   seed STATE pem N            prints N certificates, and touches no store

#include <cstdio>
#include <filesystem>
#include <string>

#include "libtrust/store.h"
#include "tests/libtrust/mint.h"

namespace {

// For a year: one that is about to end would be an alert besides.
trust::Certificate leaf(std::size_t number) {
  static const trust::UnixTime end = trust::system_clock_now() + 365 * trust::testing::kDay;
  const std::string name = "host" + std::to_string(number) + ".bench.test";
  return trust::testing::mint({.common_name = name,
                               .sans = {"DNS:" + name},
                               .ca = false,
                               .not_after = end,
                               .key = trust::testing::Key::shared(),
                               .serial = static_cast<std::int64_t>(number) + 1})
      .certificate;
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const std::string state = argv[1], what = argv[2];
  const std::size_t count = std::stoul(argv[3]);
  if (what == "pem") {
    for (std::size_t i = 0; i < count; ++i) std::fputs(leaf(i).pem().c_str(), stdout);
    return 0;
  }
  std::filesystem::create_directories(state);
  std::filesystem::permissions(state, std::filesystem::perms::owner_all);
  trust::Store store = trust::Store::open(state + "/trustd.db", trust::system_clock_now);
  const trust::Store::Asked asked{{::geteuid(), ::getpid(), "seed"}, "a benchmark", {}};
  if (what == "pins") {
    std::vector<trust::PinRow> rows(count);
    for (std::size_t i = 0; i < count; ++i) {
      rows[i].pattern = trust::PortPattern::parse("host" + std::to_string(i) + ".bench.test");
      for (std::size_t byte = 0; byte < sizeof i; ++byte)
        rows[i].pin.spki_hash[byte] = static_cast<std::uint8_t>(i >> (8 * byte));
    }
    store.add_pins(asked, rows);
  } else if (what == "certificates") {
    trust::Addition addition;
    for (std::size_t i = 0; i < count; ++i)
      addition.items.push_back(
          {leaf(i), trust::Trust::leaf, {}, "bench-" + std::to_string(i), true});
    store.add(asked, addition);
  } else {
    return 2;
  }
  return 0;
}
