#pragma once
// Opaque C handles over C++ values. One template makes them all: a handle is a struct of that name
// that holds the value, so that nothing is cast and the compiler knows which is which.
//
//   struct trust_config : trust::Handle<trust::ConnectOptions> { using Handle::Handle; };
//
// What a handle is for, and which threads may use it, trust.h says.

#include <cerrno>
#include <memory>
#include <utility>

#include "libtrust/handles.h"

namespace trust {

template <typename Value>
struct Handle {
  template <typename... Args>
  explicit Handle(Args&&... args) : value(std::forward<Args>(args)...) {}
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  Value value;
};

// Makes a handle and gives it to the caller. Throws what the value's constructor throws; `*out`
// is then as it was.
template <typename Type, typename... Args>
void hand_out(Type** out, Args&&... args) {
  *out = std::make_unique<Type>(std::forward<Args>(args)...).release();
}

// errno is the caller's own where a function has no failure to tell.
class ErrnoAside {
 public:
  ErrnoAside() noexcept : number_(errno) {}
  ErrnoAside(const ErrnoAside&) = delete;
  ErrnoAside& operator=(const ErrnoAside&) = delete;
  ~ErrnoAside() { errno = number_; }

 private:
  int number_;
};

// Ends a handle; null is none. Leaves errno and OpenSSL's error queue as they were.
template <typename Type>
void release(Type* handle) noexcept {
  if (handle == nullptr) return;
  const ErrnoAside errno_aside;
  const ErrorQueueGuard queue;
  delete handle;
}

} // namespace trust
