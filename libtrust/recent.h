#pragma once
// What was used last, up to a weight: the least recently used goes first. For one thread at a
// time; what is stored must be cheap to copy (a handle).

#include <cstddef>
#include <list>
#include <unordered_map>
#include <utility>

namespace trust {

template <typename Key, typename Value, typename Hash = std::hash<Key>>
class Recent {
 public:
  explicit Recent(std::size_t most) : most_(most) {}

  // Null if it is not held; borrowed until the next put().
  const Value* find(const Key& key) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return nullptr;
    items_.splice(items_.begin(), items_, found->second);
    return &found->second->value;
  }

  // What weighs more than all that may be held is not kept.
  void put(const Key& key, Value value, std::size_t weight = 1) {
    if (weight > most_) return;
    if (const auto found = by_key_.find(key); found != by_key_.end()) drop(found);
    items_.push_front({key, std::move(value), weight});
    by_key_.emplace(key, items_.begin());
    weight_ += weight;
    while (weight_ > most_) drop(by_key_.find(items_.back().key));
  }

  std::size_t size() const noexcept { return items_.size(); }

 private:
  struct Item {
    Key key;
    Value value;
    std::size_t weight;
  };
  using Items = std::list<Item>;
  using ByKey = std::unordered_map<Key, typename Items::iterator, Hash>;

  void drop(typename ByKey::iterator found) {
    const auto item = found->second;
    weight_ -= item->weight;
    by_key_.erase(found); // before what its key may lie in
    items_.erase(item);
  }

  std::size_t most_;
  std::size_t weight_ = 0;
  Items items_;
  ByKey by_key_;
};

} // namespace trust
