#include "libtrust/name_writes.h"

#include <optional>
#include <set>
#include <system_error>
#include <utility>

namespace trust {
namespace {

constexpr std::size_t kFewFiles = 8; // are written sooner than a thread begins

} // namespace

NameWrites::~NameWrites() {
  next_ = files_.size();
  if (beside_.joinable()) beside_.join();
}

std::size_t NameWrites::file(NameDirectory& directory, std::string name, std::string bytes) {
  files_.push_back({&directory, std::move(name), std::move(bytes), {}});
  return files_.size() - 1;
}

void NameWrites::link(std::size_t file, NameDirectory& directory, std::string name) {
  files_.at(file).links.push_back({&directory, std::move(name)});
}

void NameWrites::start(int aside, const char* spare) {
  aside_ = aside;
  spare_ = spare;
  if (files_.size() <= kFewFiles) return write_rest(Temporaries::aside);
  try {
    beside_ = std::thread([this]() noexcept {
      try {
        write_rest(Temporaries::beside);
      } catch (...) {
        failure_ = std::current_exception();
      }
    });
  } catch (const std::system_error&) {
    // No thread is to be had: finish() writes them.
  }
}

void NameWrites::write_rest(Temporaries temporaries) {
  for (std::size_t i = next_++; i < files_.size(); i = next_++) {
    const File& file = files_[i];
    const std::string own_name = ".name-" + std::to_string(i);
    std::optional<NewFile::Place> temporary;
    if (temporaries == Temporaries::aside) {
      const char* spare = std::exchange(spare_, nullptr);
      temporary = NewFile::Place{aside_, spare != nullptr ? spare : own_name.c_str()};
    }
    file.directory->write(file.name, file.bytes, temporary ? &*temporary : nullptr);
    for (const Name& link : file.links) link.directory->link(*file.directory, file.name, link.name);
  }
}

void NameWrites::finish(Unsynced& unsynced) {
  write_rest(Temporaries::aside);
  if (beside_.joinable()) beside_.join();
  if (failure_) std::rethrow_exception(failure_);
  std::set<const NameDirectory*> changed;
  for (const File& file : files_) {
    unsynced.file(file.directory->fd(), file.name);
    changed.insert(file.directory);
    for (const Name& link : file.links) changed.insert(link.directory);
  }
  for (const NameDirectory* directory : changed) unsynced.directory(directory->fd());
}

} // namespace trust
