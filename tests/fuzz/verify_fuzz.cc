// A chain as a program hands it to trust_verify: whatever the bytes are, the answer is a refusal or
// a peer, with everything that goes with it; and none of them is trusted but by what is in the
// store.

#include <trust.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "libtrust/publish.h"
#include "libtrust/store.h"
#include "tests/libtrust/mint.h"
#include "tests/libtrust/scratch.h"

namespace {

using trust::testing::mint;
using trust::testing::Minted;

// A store with a CA, a pin and a distrusted certificate, published once for the process.
struct Published {
  trust::Scratch scratch;
  trust_store* store = nullptr;
  Minted leaf;

  static Minted ca() {
    static const Minted minted = mint({.common_name = "Fuzz CA", .ca = true});
    return minted;
  }

  Published() : leaf(ca()) {
    const Minted root = ca();
    leaf = mint({.common_name = "dev.test", .sans = {"DNS:dev.test"}, .ca = false}, &root);
    auto rows = trust::Store::open(scratch.path("trustd.db"), trust::system_clock_now);
    trust::Addition addition;
    addition.items.push_back({root.certificate, trust::Trust::root, {}, "fuzz-ca", false});
    rows.add({}, addition);
    trust::PinRow pin;
    pin.pattern = trust::PortPattern::parse("**.pinned.test");
    pin.pin = trust::Pin::of(root.certificate);
    rows.add_pins({}, {pin});
    trust::PublishSettings settings;
    settings.directory = scratch.path("public");
    trust::Publisher(settings).publish(rows, trust::system_clock_now());
    if (trust_store_open(settings.directory.c_str(), &store, nullptr) != TRUST_OK) std::abort();
    verify(leaf.pem() + root.pem(), true); // the way to a trusted peer is open
  }

  void verify(std::string_view chain, bool must_be_trusted) const {
    trust_peer* peer = nullptr;
    trust_error* error = nullptr;
    const trust_status status =
        trust_verify(store, "dev.test", 443, chain.data(), chain.size(), nullptr, &peer, &error);
    if ((status == TRUST_OK) != (peer != nullptr)) std::abort();
    if ((status < 0) != (error != nullptr) || status > 0) std::abort();
    if (must_be_trusted && status != TRUST_OK) std::abort();
    if (status == TRUST_ERR_INTERNAL || status == TRUST_ERR_STORE_INVALID) std::abort();
    const trust_peer* const shown = peer != nullptr ? peer : trust_error_peer(error);
    if (status == TRUST_OK && trust_peer_trusted_by(peer) == TRUST_BY_NOTHING) std::abort();
    if (trust_status_is_untrusted(status) != 0 && shown == nullptr) std::abort();
    if (shown != nullptr) {
      if (trust_peer_json(shown) == nullptr || trust_peer_subject(shown) == nullptr) std::abort();
      for (std::size_t i = 0; i < trust_peer_cert_count(shown); ++i) {
        std::size_t length = 0;
        if (trust_peer_cert_der(shown, i, &length) == nullptr || length == 0) std::abort();
      }
    }
    trust_peer_free(peer);
    trust_error_free(error);
  }
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Published published;
  published.verify({reinterpret_cast<const char*>(data), size}, false);
  return 0;
}
