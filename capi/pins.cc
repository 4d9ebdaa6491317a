#include <vector>

#include "capi/guard.h"
#include "capi/handle.h"
#include "capi/input.h"
#include "capi/store.h"
#include "libtrust/record.h"

namespace trust {

// Texts are made at once, for they stay where they are.
struct ListedPin {
  explicit ListedPin(const PinRow& pin) : row(pin), text(pin.pin.text()) {}

  PinRow row;
  std::string text;
};

} // namespace trust

struct trust_pins : trust::Handle<std::vector<trust::ListedPin>> {
  using Handle::Handle;
};

namespace {

// Null past the end.
const trust::ListedPin* at(const trust_pins* pins, size_t index) noexcept {
  return pins == nullptr || index >= pins->value.size() ? nullptr : &pins->value[index];
}

} // namespace

extern "C" {

trust_status trust_pins_get(trust_store* store, const char* host, uint16_t port, trust_pins** out,
                            trust_error** err) {
  if (out != nullptr) *out = nullptr;
  return trust::guarded(err, [&] {
    trust::require(store, "store");
    trust::require(out, "out");
    const trust::Host named = trust::host_of(host);
    const trust::PublishedStore& published = *store->value.store();
    std::vector<trust::ListedPin> pins;
    for (const trust::PinRow& pin :
         trust::pins_that_count(*published.view()->pins_for(named, port), published.now())) {
      pins.emplace_back(pin);
    }
    trust::hand_out(out, std::move(pins));
    return trust_status{TRUST_OK};
  });
}

size_t trust_pins_count(const trust_pins* pins) { return pins == nullptr ? 0 : pins->value.size(); }

const char* trust_pins_pin(const trust_pins* pins, size_t index) {
  const trust::ListedPin* const pin = at(pins, index);
  return pin == nullptr ? nullptr : pin->text.c_str();
}

const char* trust_pins_note(const trust_pins* pins, size_t index) {
  const trust::ListedPin* const pin = at(pins, index);
  return pin == nullptr ? nullptr : pin->row.note.c_str();
}

int64_t trust_pins_expires(const trust_pins* pins, size_t index) {
  const trust::ListedPin* const pin = at(pins, index);
  return pin == nullptr ? 0 : pin->row.expires_at.value_or(0);
}

int32_t trust_pins_enforced(const trust_pins* pins, size_t index) {
  const trust::ListedPin* const pin = at(pins, index);
  return pin != nullptr && pin->row.mode == trust::PinRow::Mode::enforce ? 1 : 0;
}

int32_t trust_pins_backup(const trust_pins* pins, size_t index) {
  const trust::ListedPin* const pin = at(pins, index);
  return pin != nullptr && pin->row.role == trust::PinRow::Role::backup ? 1 : 0;
}

void trust_pins_free(trust_pins* pins) { trust::release(pins); }

} // extern "C"
