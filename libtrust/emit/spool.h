#pragma once
// Bytes that are gathered now and written later, when their number is known: in memory, or in a
// file when they are many.
//
// Threads: one at a time. Failure: Error; a full disk is Error{storage_full}.

#include <cstddef>
#include <functional>

#include "libtrust/certificate.h"
#include "libtrust/handles.h"

namespace trust {

class Spool {
 public:
  // `directory`, which stays the caller's and open, may get a file, which is gone with the Spool.
  explicit Spool(int directory) : directory_(directory) {}
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  void add(ByteView bytes);
  std::size_t size() const noexcept { return size_; } // bytes added
  // All of them, in pieces that may end anywhere. The last call.
  void give(const std::function<void(ByteView piece)>& sink);

 private:
  void spill();

  int directory_;
  Fd file_; // none yet: all is in the buffer
  Bytes buffer_;
  std::size_t size_ = 0;
};

} // namespace trust
