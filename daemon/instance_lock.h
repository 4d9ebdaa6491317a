#pragma once
// One daemon a state directory: an advisory lock on <state>/lock, held as long as this lives.

#include <string>

#include "libtrust/handles.h"

namespace trust {

class InstanceLock {
 public:
  // Error{conflict} that says who holds it.
  explicit InstanceLock(const std::string& state_directory);

 private:
  Fd fd_;
};

} // namespace trust
