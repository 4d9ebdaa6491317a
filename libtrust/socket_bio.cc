#include "libtrust/socket_bio.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <new>

namespace trust {
namespace {

int fd_of(BIO* bio) { return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio))); }

int finish(BIO* bio, ssize_t done, std::size_t* out, bool reading) {
  BIO_clear_retry_flags(bio);
  *out = done > 0 ? static_cast<std::size_t>(done) : 0;
  if (done > 0) return 1;
  if (done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
    reading ? BIO_set_retry_read(bio) : BIO_set_retry_write(bio);
  }
  return 0;
}

int write_some(BIO* bio, const char* data, std::size_t length, std::size_t* written) {
  const ssize_t done =
      ::send(fd_of(bio), data, std::min<std::size_t>(length, INT_MAX), MSG_NOSIGNAL);
  return finish(bio, done, written, false);
}

int read_some(BIO* bio, char* data, std::size_t length, std::size_t* read) {
  const ssize_t done = ::recv(fd_of(bio), data, std::min<std::size_t>(length, INT_MAX), 0);
  if (done == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return finish(bio, done, read, true);
}

long control(BIO* bio, int command, long, void*) {
  switch (command) {
    case BIO_CTRL_FLUSH: return 1;
    case BIO_CTRL_EOF: return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
    default: return 0;
  }
}

const BIO_METHOD* method() {
  static const BIO_METHOD* const made = [] {
    BIO_METHOD* fresh = BIO_meth_new(
        BIO_get_new_index() | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR, "socket without SIGPIPE");
    if (fresh == nullptr) throw std::bad_alloc();
    BIO_meth_set_write_ex(fresh, write_some);
    BIO_meth_set_read_ex(fresh, read_some);
    BIO_meth_set_ctrl(fresh, control);
    return fresh;
  }();
  return made;
}

} // namespace

BioPtr socket_bio(int fd) {
  BioPtr bio(BIO_new(method()));
  if (!bio) throw std::bad_alloc();
  BIO_set_data(bio.get(), reinterpret_cast<void*>(static_cast<std::intptr_t>(fd)));
  BIO_set_init(bio.get(), 1);
  return bio;
}

} // namespace trust
