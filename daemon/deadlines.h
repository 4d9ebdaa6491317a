#pragma once
// Deadlines that all lie the same time ahead when they are set, so that the one set first is due
// first: a list, in which everything costs the same for one and for ten thousand. Not for several
// threads.

#include <chrono>
#include <optional>

namespace trust {

using LoopTime = std::chrono::steady_clock::time_point;

// A place in at most one list. What holds it stays where it is while it is in one.
class LoopDeadline {
 public:
  LoopDeadline() = default;
  ~LoopDeadline() { clear(); }
  LoopDeadline(const LoopDeadline&) = delete;
  LoopDeadline& operator=(const LoopDeadline&) = delete;

  void clear() noexcept {
    if (previous_ == nullptr) return;
    previous_->next_ = next_;
    next_->previous_ = previous_;
    previous_ = next_ = nullptr;
  }

  void* owner = nullptr;

 private:
  friend class Deadlines;
  LoopDeadline* previous_ = nullptr;
  LoopDeadline* next_ = nullptr;
  LoopTime at_;
};

class Deadlines {
 public:
  explicit Deadlines(std::chrono::milliseconds ahead) : ahead_(ahead) {
    ends_.previous_ = ends_.next_ = &ends_;
  }
  ~Deadlines() {
    while (ends_.next_ != &ends_) ends_.next_->clear();
    ends_.previous_ = ends_.next_ = nullptr;
  }
  Deadlines(const Deadlines&) = delete;
  Deadlines& operator=(const Deadlines&) = delete;

  void set(LoopDeadline& deadline, LoopTime now) noexcept {
    deadline.clear();
    deadline.at_ = now + ahead_;
    deadline.previous_ = ends_.previous_;
    deadline.next_ = &ends_;
    ends_.previous_->next_ = &deadline;
    ends_.previous_ = &deadline;
  }

  std::optional<LoopTime> next() const noexcept {
    if (ends_.next_ == &ends_) return std::nullopt;
    return ends_.next_->at_;
  }

  // Takes out the first that is due; null when none is.
  LoopDeadline* take_due(LoopTime now) noexcept {
    LoopDeadline* first = ends_.next_;
    if (first == &ends_ || first->at_ > now) return nullptr;
    first->clear();
    return first;
  }

 private:
  std::chrono::milliseconds ahead_;
  LoopDeadline ends_;
};

} // namespace trust
