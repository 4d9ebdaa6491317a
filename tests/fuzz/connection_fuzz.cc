// Whatever a server says to a connection in memory, it is refused, nothing is read from it, and
// what it makes us say is bounded.

#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "libtrust/publish.h"
#include "libtrust/store.h"
#include "tests/libtrust/flight.h"

namespace {

const trust::Connector& connector() {
  static const trust::Connector made = [] {
    char directory[] = "/tmp/connection-fuzz-XXXXXX";
    if (::mkdtemp(directory) == nullptr) std::abort();
    const std::string path = directory;
    auto store = trust::Store::open(path + "/trustd.db", trust::system_clock_now);
    trust::PinRow pin; // a store with something in it
    pin.pattern = trust::PortPattern::parse("dev.test");
    store.add_pins({}, {pin});
    trust::Publisher({.directory = path + "/public", .reserve_bytes = 4096})
        .publish(store, trust::system_clock_now());
    return trust::Connector(trust::PublishedStore::open(path + "/public"));
  }();
  return made;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t piece = data[0] == 0 ? 100'000 : data[0];
  trust::testing::feed_flight(connector(), {data + 1, size - 1}, piece);
  return 0;
}
