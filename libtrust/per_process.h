#pragma once
// State that a child of fork() must not share with its parent: a lock that another thread held, a
// connection that both would write to, a ticket that both would use. In a child the first use
// makes a new T; the parent's is never touched again there, and not destroyed either, for nobody
// can say in what state it is.
//
// Threads: any. No handler is installed (pthread_atfork): the process is somebody else's.

#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

namespace trust {

template <typename T>
class PerProcess {
 public:
  // `make`: a new T, at once and in each child that comes to use it; may throw. `leave`: in a
  // child, what is to be done with the parent's, once; must neither wait nor throw.
  explicit PerProcess(
      std::function<std::unique_ptr<T>()> make, std::function<void(T& parents)> leave = [](T&) {})
      : make_(std::move(make)),
        leave_(std::move(leave)),
        current_(new Instance{make_(), ::getpid(), nullptr}) {}
  PerProcess(const PerProcess&) = delete;
  PerProcess& operator=(const PerProcess&) = delete;
  ~PerProcess() {
    const Instance* const instance = current_.load();
    if (instance->process == ::getpid()) delete instance;
  }

  T& get() {
    Instance* instance = current_.load(std::memory_order_acquire);
    const pid_t self = ::getpid();
    while (instance->process != self) {
      std::unique_ptr<Instance> fresh(new Instance{make_(), self, instance});
      if (current_.compare_exchange_strong(instance, fresh.get())) {
        leave_(*instance->value);
        return *fresh.release()->value;
      }
    }
    return *instance->value;
  }
  T& get() const { return const_cast<PerProcess*>(this)->get(); }

 private:
  struct Instance {
    std::unique_ptr<T> value;
    pid_t process;
    const Instance* parents; // kept in sight: it is not lost, only left alone
  };

  const std::function<std::unique_ptr<T>()> make_;
  const std::function<void(T&)> leave_;
  std::atomic<Instance*> current_;
};

} // namespace trust
