#include "libtrust/buffer_bio.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace trust {
namespace {

ByteQueue& queue_of(BIO* bio) { return *static_cast<ByteQueue*>(BIO_get_data(bio)); }

int write_some(BIO* bio, const char* data, std::size_t length, std::size_t* written) noexcept {
  ByteQueue& queue = queue_of(bio);
  BIO_clear_retry_flags(bio);
  *written = 0;
  try {
    *written = queue.push({reinterpret_cast<const std::uint8_t*>(data), length});
  } catch (const std::bad_alloc&) {
    queue.ran_out_of_memory = true;
    return 0;
  }
  if (*written > 0 || length == 0) return 1;
  BIO_set_retry_write(bio);
  return 0;
}

int read_some(BIO* bio, char* data, std::size_t length, std::size_t* read) noexcept {
  ByteQueue& queue = queue_of(bio);
  BIO_clear_retry_flags(bio);
  *read = std::min(length, queue.size());
  if (*read > 0) {
    std::memcpy(data, queue.bytes().data(), *read);
    queue.pop(*read);
    return 1;
  }
  if (!queue.ended()) BIO_set_retry_read(bio);
  return 0;
}

long control(BIO* bio, int command, long, void*) noexcept {
  switch (command) {
    case BIO_CTRL_FLUSH: return 1;
    case BIO_CTRL_EOF: return queue_of(bio).ended() && queue_of(bio).empty() ? 1 : 0;
    default: return 0;
  }
}

const BIO_METHOD* method() {
  static const BIO_METHOD* const made = [] {
    BIO_METHOD* fresh = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "bounded buffer");
    if (fresh == nullptr) throw std::bad_alloc();
    BIO_meth_set_write_ex(fresh, write_some);
    BIO_meth_set_read_ex(fresh, read_some);
    BIO_meth_set_ctrl(fresh, control);
    return fresh;
  }();
  return made;
}

} // namespace

std::size_t ByteQueue::push(std::span<const std::uint8_t> data) {
  const std::size_t count = std::min(data.size(), room());
  if (start_ > 0 && start_ >= bytes_.size() / 2) {
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(start_));
    start_ = 0;
  }
  bytes_.insert(bytes_.end(), data.begin(), data.begin() + static_cast<std::ptrdiff_t>(count));
  return count;
}

void ByteQueue::pop(std::size_t count) noexcept {
  start_ += std::min(count, size());
  if (start_ == bytes_.size()) {
    bytes_.clear();
    start_ = 0;
  }
}

BioPtr buffer_bio(ByteQueue& queue) {
  BioPtr bio(BIO_new(method()));
  if (!bio) throw std::bad_alloc();
  BIO_set_data(bio.get(), &queue);
  BIO_set_init(bio.get(), 1);
  return bio;
}

} // namespace trust
