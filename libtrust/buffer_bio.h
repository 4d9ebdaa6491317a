#pragma once
// Bytes on their way between OpenSSL and a transport that is not OpenSSL's business: what it writes
// is kept until somebody carries it away, what it reads was put there before.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "libtrust/handles.h"

namespace trust {

// First in, first out, and bounded. Not thread-safe.
class ByteQueue {
 public:
  static constexpr std::size_t kMost = 128 * 1024;

  std::size_t size() const noexcept { return bytes_.size() - start_; }
  bool empty() const noexcept { return size() == 0; }
  std::size_t room() const noexcept { return size() < kMost ? kMost - size() : 0; }
  std::span<const std::uint8_t> bytes() const noexcept { return {bytes_.data() + start_, size()}; }

  // As much as there is room for; how much. std::bad_alloc changes nothing.
  std::size_t push(std::span<const std::uint8_t> data);
  void pop(std::size_t count) noexcept;
  void clear() noexcept { pop(size()); }

  // The writer will put in no more: the reader is told of the end after the last byte.
  void end() noexcept { ended_ = true; }
  bool ended() const noexcept { return ended_; }

  // A push of OpenSSL's found no memory: it only knows that writing failed.
  bool ran_out_of_memory = false;

 private:
  std::vector<std::uint8_t> bytes_;
  std::size_t start_ = 0;
  bool ended_ = false;
};

// Reads from `queue`, or writes to it; an empty or a full one is a retry. The queue must outlive
// it. Throws std::bad_alloc.
BioPtr buffer_bio(ByteQueue& queue);

} // namespace trust
