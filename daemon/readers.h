#pragma once
// Connections to the database that only read, lent to one thread at a time and kept with their
// prepared statements. Any thread; as many are opened as are in use at once.

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "libtrust/guarded.h"
#include "libtrust/store.h"

namespace trust {

class Readers {
 public:
  Readers(std::string database, Clock clock)
      : database_(std::move(database)), clock_(std::move(clock)) {}

  // Calls `read(Store&)`; the store only reads, and is valid for the call alone. What it throws
  // passes through.
  template <typename Read>
  decltype(auto) with(Read&& read) {
    Loan loan(*this);
    return std::forward<Read>(read)(loan.store);
  }

 private:
  struct Loan {
    explicit Loan(Readers& from) : readers(from), store(from.take()) {}
    ~Loan() { readers.give_back(std::move(store)); }
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;

    Readers& readers;
    Store store;
  };

  Store take();
  void give_back(Store store) noexcept;

  const std::string database_;
  const Clock clock_;
  Guarded<std::vector<Store>> idle_;
};

} // namespace trust
