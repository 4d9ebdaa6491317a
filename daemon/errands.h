#pragma once
// Work that waits for somebody else, such as a server that is dialled: a thread each, while it
// lasts, and not more than a few. The workers that answer requests are never kept waiting by it.
// Any thread may run one.

#include <cstddef>
#include <functional>
#include <list>
#include <thread>

#include "libtrust/guarded.h"

namespace trust {

class Errands {
 public:
  explicit Errands(std::size_t most) : most_(most) {}
  // Waits for those that run.
  ~Errands();
  Errands(const Errands&) = delete;
  Errands& operator=(const Errands&) = delete;

  // `work` must not throw. Error{busy} when too many run.
  void run(std::function<void()> work);

 private:
  struct Running {
    std::thread thread;
    bool over = false;
  };

  const std::size_t most_;
  Guarded<std::list<Running>> running_;
};

} // namespace trust
