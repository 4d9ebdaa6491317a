#pragma once
// A few threads for requests that may block. Jobs are run in the order in which they came.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "daemon/semantics.h"

namespace trust {

class Workers {
 public:
  using Job = std::function<void(Semantics&)>; // must not throw

  Workers(Application& application, std::size_t threads);
  // Runs what has been submitted, then ends the threads.
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  void submit(Job job);

 private:
  void run(Application& application);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

} // namespace trust
