#pragma once
// A store that is changed and published as the daemon does it, for what reads the published one.

#include <memory>
#include <string>
#include <vector>

#include "libtrust/publish.h"
#include "libtrust/published_store.h"
#include "libtrust/store.h"
#include "tests/libtrust/mint.h"
#include "tests/libtrust/scratch.h"

namespace trust::testing {

class LiveStore {
 public:
  LiveStore()
      : store_(Store::open(scratch_.path("trustd.db"), system_clock_now)),
        publisher_({.directory = scratch_.path("public"), .reserve_bytes = 4096}) {}

  const std::string& root() const { return scratch_.path(); }
  std::string directory() const { return scratch_.path("public"); }
  std::shared_ptr<PublishedStore> open(StoreSurroundings surroundings = {}) const {
    return PublishedStore::open(directory(), std::move(surroundings));
  }

  // Each makes a generation; publish() shows it.
  LiveStore& add(const Minted& minted, Trust trust, std::vector<std::string> hosts = {},
                 std::optional<UnixTime> end = {}) {
    Addition addition;
    addition.items.push_back({minted.certificate, trust, {}, "", false});
    addition.items[0].label = "l" + std::to_string(++last_);
    for (const std::string& host : hosts) addition.items[0].hosts.push_back(Pattern::parse(host));
    addition.expires_at = end;
    addition.replace = true;
    store_.add({}, addition);
    return *this;
  }
  LiveStore& distrust(const Minted& minted) {
    try {
      store_.remove({}, minted.certificate.fingerprint());
    } catch (const Error&) {
      // It was not an entry.
    }
    return add(minted, Trust::distrusted);
  }
  LiveStore& remove(const Minted& minted) {
    store_.remove({}, minted.certificate.fingerprint());
    return *this;
  }
  LiveStore& pin(const std::string& pattern, const Minted& minted,
                 PinRow::Mode mode = PinRow::Mode::enforce) {
    PinRow row;
    row.pin = Pin::of(minted.certificate);
    row.pattern = PortPattern::parse(pattern);
    row.mode = mode;
    store_.add_pins({}, {row});
    return *this;
  }
  GenerationNumber publish() { return publisher_.publish(store_, system_clock_now()).generation; }

 private:
  Scratch scratch_;
  Store store_;
  Publisher publisher_;
  int last_ = 0;
};

} // namespace trust::testing
