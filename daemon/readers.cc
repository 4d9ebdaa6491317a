#include "daemon/readers.h"

#include <optional>

namespace trust {

Store Readers::take() {
  auto store = idle_.with([](std::vector<Store>& idle) -> std::optional<Store> {
    if (idle.empty()) return std::nullopt;
    Store last = std::move(idle.back());
    idle.pop_back();
    return last;
  });
  return store ? std::move(*store) : Store::open_reader(database_, clock_);
}

void Readers::give_back(Store store) noexcept {
  try {
    idle_.with([&](std::vector<Store>& idle) { idle.push_back(std::move(store)); });
  } catch (...) {
    // No memory to keep it: it is closed, and the next one opens another.
  }
}

} // namespace trust
