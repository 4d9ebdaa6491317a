// Files that appear whole or not at all.

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <new>
#include <utility>

#include "libtrust/error.h"
#include "libtrust/file.h"

namespace trust {
namespace {

constexpr std::size_t kWriteBytes = 64 * 1024;

} // namespace

NewFile::NewFile(int directory, std::string name, mode_t mode)
    : directory_(directory), name_(std::move(name)), temporary_directory_(directory) {
  static std::atomic<unsigned> counter = 0;
  // The number makes names of two threads differ, the process those of two programs.
  do {
    temporary_ = ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(++counter);
    fd_ = Fd(::openat(directory_, temporary_.c_str(),
                      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  } while (!fd_ && errno == EEXIST);
  begin(mode);
}

NewFile::NewFile(const Place& temporary, int directory, std::string name, mode_t mode)
    : directory_(directory),
      name_(std::move(name)),
      temporary_directory_(temporary.directory),
      temporary_(temporary.name),
      fd_(::openat(temporary_directory_, temporary_.c_str(),
                   O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600)) {
  begin(mode);
}

void NewFile::begin(mode_t mode) {
  if (!fd_) throw system_error("cannot write " + name_, errno);
  hash_.reset(EVP_MD_CTX_new());
  const bool hashes = hash_ && EVP_DigestInit_ex(hash_.get(), EVP_sha256(), nullptr) == 1;
  // Not by the mode of open(): the process's umask must not matter.
  const bool has_mode = ::fchmod(fd_.get(), mode) == 0;
  const int error_number = errno;
  if (hashes && has_mode) return;
  ::unlinkat(temporary_directory_, temporary_.c_str(), 0);
  if (!hashes) throw std::bad_alloc();
  throw system_error("cannot set the mode of " + name_, error_number);
}

NewFile::~NewFile() {
  if (!committed_ && fd_) ::unlinkat(temporary_directory_, temporary_.c_str(), 0);
}

void NewFile::write(std::string_view bytes) {
  size_ += bytes.size();
  if (buffer_.size() + bytes.size() > kWriteBytes) flush();
  if (buffer_.capacity() < kWriteBytes) buffer_.reserve(kWriteBytes);
  if (bytes.size() <= kWriteBytes) {
    buffer_.append(bytes);
    return;
  }
  buffer_.assign(bytes);
  flush();
}

void NewFile::write(ByteView bytes) {
  write(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

void NewFile::write_secret(std::string_view bytes) {
  size_ += bytes.size();
  flush();
  put(bytes);
}

void NewFile::flush() {
  put(buffer_);
  buffer_.clear();
}

void NewFile::put(std::string_view rest) {
  if (!hash_) throw Error(Code::internal, name_ + ": written after its digest was taken");
  if (EVP_DigestUpdate(hash_.get(), rest.data(), rest.size()) != 1)
    throw Error(Code::internal, "SHA-256 failed");
  while (!rest.empty()) {
    const ssize_t count = ::write(fd_.get(), rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw system_error("cannot write " + name_, errno);
    rest.remove_prefix(static_cast<std::size_t>(count));
  }
}

Digest NewFile::digest() {
  flush();
  Digest digest{};
  if (EVP_DigestFinal_ex(hash_.get(), digest.data(), nullptr) != 1)
    throw Error(Code::internal, "SHA-256 failed");
  hash_.reset();
  return digest;
}

void NewFile::commit(bool sync) {
  if (hash_) flush();
  if (sync && ::fsync(fd_.get()) != 0) throw system_error("cannot write " + name_, errno);
  if (::renameat(temporary_directory_, temporary_.c_str(), directory_, name_.c_str()) != 0)
    throw system_error("cannot write " + name_, errno);
  committed_ = true;
  fd_.reset();
  if (sync) sync_directory(directory_);
}

void NewFile::sync_with(Unsynced& others) {
  if (hash_) flush();
  others.file(temporary_directory_, temporary_);
}

void NewFile::commit_new(bool sync) {
  if (hash_) flush();
  if (sync && ::fsync(fd_.get()) != 0) throw system_error("cannot write " + name_, errno);
  int status = static_cast<int>(::syscall(SYS_renameat2, temporary_directory_, temporary_.c_str(),
                                          directory_, name_.c_str(), RENAME_NOREPLACE));
  if (status != 0 && (errno == EINVAL || errno == ENOSYS)) { // not on this file system
    status = ::linkat(temporary_directory_, temporary_.c_str(), directory_, name_.c_str(), 0);
    if (status == 0) ::unlinkat(temporary_directory_, temporary_.c_str(), 0);
  }
  if (status != 0 && errno == EEXIST) throw Error(Code::conflict, name_ + " exists already");
  if (status != 0) throw system_error("cannot write " + name_, errno);
  committed_ = true;
  fd_.reset();
  if (sync) sync_directory(directory_);
}

Digest write_file_at(int directory, const std::string& name, std::string_view bytes, mode_t mode,
                     bool sync) {
  NewFile file(directory, name, mode);
  file.write(bytes);
  const Digest digest = file.digest();
  file.commit(sync);
  return digest;
}

} // namespace trust
