#include "libtrust/emit/spool.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "libtrust/error.h"

namespace trust {
namespace {

constexpr const char* kFile = ".spool";
constexpr std::size_t kMostInMemory = 512 * 1024;
constexpr std::size_t kPiece = 64 * 1024;

} // namespace

Spool::~Spool() {
  if (file_) ::unlinkat(directory_, kFile, 0);
}

void Spool::add(ByteView bytes) {
  size_ += bytes.size();
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  if (buffer_.size() > kMostInMemory) spill();
}

void Spool::give(const std::function<void(ByteView piece)>& sink) {
  if (!file_) {
    if (!buffer_.empty()) sink(buffer_);
    return;
  }
  spill();
  if (::lseek(file_.get(), 0, SEEK_SET) != 0)
    throw system_error("cannot read back what was written", errno);
  buffer_.resize(kPiece);
  for (;;) {
    const ssize_t count = ::read(file_.get(), buffer_.data(), buffer_.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw system_error("cannot read back what was written", errno);
    if (count == 0) return;
    sink(ByteView(buffer_).first(static_cast<std::size_t>(count)));
  }
}

void Spool::spill() {
  if (!file_) {
    file_ =
        Fd(::openat(directory_, kFile, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file_) throw system_error("cannot keep what is written", errno);
  }
  ByteView rest = buffer_;
  while (!rest.empty()) {
    const ssize_t count = ::write(file_.get(), rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw system_error("cannot keep what is written", errno);
    rest = rest.subspan(static_cast<std::size_t>(count));
  }
  buffer_.clear();
}

} // namespace trust
