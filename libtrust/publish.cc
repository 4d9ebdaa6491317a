#include "libtrust/publish.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <set>
#include <string_view>

#include "libtrust/emit/manifest.h"
#include "libtrust/error.h"
#include "libtrust/file.h"
#include "libtrust/generation.h"
#include "libtrust/name_directory.h"
#include "libtrust/snapshot.h"

namespace trust {
namespace {

constexpr const char* kCurrent = "current";
constexpr const char* kReserve = ".reserve";
constexpr const char* kNextLink = ".tmp-next";

// The number of "gen-42".
std::optional<GenerationNumber> generation_of(std::string_view name) {
  constexpr std::string_view kPrefix = "gen-";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  GenerationNumber number = 0;
  const auto end = std::from_chars(name.data(), name.data() + name.size(), number);
  if (name.empty() || end.ec != std::errc() || end.ptr != name.data() + name.size())
    return std::nullopt;
  return number;
}

std::string name_of_generation(GenerationNumber number) { return "gen-" + std::to_string(number); }

// A generation's directory that is there.
struct Kept {
  GenerationNumber number = 0;
  UnixTime published_at = 0;
};

Fd open_directory_at(int directory, const std::string& name) {
  return Fd(::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

} // namespace

struct Publisher::Impl {
  PublishSettings settings;
  Fd store;
  std::vector<Kept> kept; // oldest first; the last is current, if any is
  KeptPieces pieces;      // of what was written last
  bool prepared = false;  // the generation to come has its files
  bool tidy = false;      // the shared directories hold what current lists and nothing else

  explicit Impl(PublishSettings from)
      : settings(std::move(from)), store(open_own_directory(settings.directory, 0755)) {
    remove_leftovers();
    make_reserve();
  }

  // What `current` points to, if it is a generation of ours.
  std::optional<GenerationNumber> current() const {
    char target[64];
    const ssize_t length = ::readlinkat(store.get(), kCurrent, target, sizeof target);
    if (length <= 0) return std::nullopt;
    return generation_of({target, static_cast<std::size_t>(length)});
  }

  // What the manifest that is published says; none if it, or something that every generation has,
  // is not there.
  std::optional<SnapshotHeader> manifest() const {
    const auto number = current();
    if (!number) return std::nullopt;
    const Fd generation = open_directory_at(store.get(), name_of_generation(*number));
    if (!generation) return std::nullopt;
    for (const char* name : {"bundle.pem", "extra.pem", "truststore.p12", "trust.db", "by-label/.",
                             "certs/.", "hashed/.", "env/."})
      if (::faccessat(generation.get(), name, F_OK, 0) != 0) return std::nullopt;
    const Fd file(::openat(generation.get(), "MANIFEST.json",
                           O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file) return std::nullopt;
    std::string head(kManifestHeadBytes, '\0');
    const ssize_t count = ::pread(file.get(), head.data(), head.size(), 0);
    if (count <= 0) return std::nullopt;
    head.resize(static_cast<std::size_t>(count));
    auto header = read_manifest_head(head);
    if (!header || header->generation != *number) return std::nullopt;
    return header;
  }

  // ---- what is there ------------------------------------------------------

  void remove_leftovers() {
    const auto now_current = current();
    std::optional<struct timespec> current_time;
    if (now_current) {
      struct stat facts;
      if (::fstatat(store.get(), name_of_generation(*now_current).c_str(), &facts,
                    AT_SYMLINK_NOFOLLOW) == 0)
        current_time = facts.st_mtim;
    }
    std::vector<std::string> remove;
    each_name(store.get(), [&](const std::string& name) {
      const auto number = generation_of(name);
      if (!number) {
        if (name == kNewGeneration || name.starts_with(".tmp-")) remove.push_back(name);
        return true;
      }
      struct stat facts;
      if (::fstatat(store.get(), name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0) return true;
      // Written, and never switched to.
      const bool later = !current_time || facts.st_mtim.tv_sec > current_time->tv_sec ||
                         (facts.st_mtim.tv_sec == current_time->tv_sec && *number > *now_current);
      if (*number != now_current && later) {
        remove.push_back(name);
      } else {
        kept.push_back({*number, facts.st_mtim.tv_sec});
      }
      return true;
    });
    for (const std::string& name : remove) remove_tree_at(store.get(), name);
    std::sort(kept.begin(), kept.end(), [&](const Kept& a, const Kept& b) {
      const auto rank = [&](const Kept& each) {
        return std::tuple(each.number == now_current, each.published_at, each.number);
      };
      return rank(a) < rank(b);
    });
    remove_unused_names();
  }

  // The shared directories that no generation has.
  void remove_unused_names() {
    std::set<std::string> used;
    for (const Kept& each : kept) {
      const Fd generation = open_directory_at(store.get(), name_of_generation(each.number));
      if (!generation) continue;
      for (const std::string_view kind : kNameDirectories)
        used.insert(name_directory_of(generation.get(), kind));
    }
    std::vector<std::string> remove;
    each_name(store.get(), [&](const std::string& name) {
      if (is_name_directory(name) && !used.contains(name)) remove.push_back(name);
      return true;
    });
    for (const std::string& name : remove) remove_tree_at(store.get(), name);
  }

  std::int64_t age_of(const Kept& each, UnixTime now) const {
    // A clock that was set back must not keep directories for ever.
    return std::abs(now - each.published_at);
  }

  bool must_stay(std::size_t index, UnixTime now) const {
    return kept.size() - index <= std::max<std::uint64_t>(settings.keep_generations, 1) ||
           age_of(kept[index], now) < settings.keep_seconds;
  }

  void prune(UnixTime now) {
    bool removed = false;
    for (std::size_t index = 0; index < kept.size();) {
      if (must_stay(index, now)) {
        ++index;
        continue;
      }
      remove_tree_at(store.get(), name_of_generation(kept[index].number));
      kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(index));
      removed = true;
    }
    if (removed) remove_unused_names();
  }

  // ---- the reserve ----------------------------------------------------------

  void make_reserve() {
    if (settings.reserve_bytes == 0) return;
    const Fd file(::openat(store.get(), kReserve,
                           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) return; // it is there, or there is no room for it
    // Not posix_fallocate: it would write where the file system cannot reserve.
    if (::fallocate(file.get(), 0, 0, static_cast<off_t>(settings.reserve_bytes)) != 0)
      ::unlinkat(store.get(), kReserve, 0);
  }

  bool give_up_reserve() { return ::unlinkat(store.get(), kReserve, 0) == 0; }

  // ---- publishing -----------------------------------------------------------

  Publication write(Store& source, UnixTime now, const std::optional<SnapshotHeader>& published) {
    GenerationJob job;
    job.store = store.get();
    job.path = settings.directory;
    job.system = settings.system;
    job.now = now;
    job.pieces = &pieces;
    job.prepared = std::exchange(prepared, false);
    Fd directory;
    std::optional<Snapshot> before;
    if (published) before = open_current(*published, directory);
    if (before) {
      job.before = &*before;
      job.before_directory = directory.get();
    }
    tidy = false; // until all is done
    GenerationWritten written = write_from(source, job);
    const std::string name = name_of_generation(written.header.generation);
    set_time(written.header.created_at);
    put_in_place(name);
    // All of it is on disk before the link that leads there.
    written.unsynced.directory(store.get());
    written.unsynced.sync();
    if (!use_prepared_link(name)) switch_link(store.get(), kCurrent, name);
    std::erase_if(kept, [&](const Kept& each) {
      return each.number == written.header.generation; // one that was damaged, or another store's
    });
    kept.push_back({written.header.generation, written.header.created_at});
    tidy = true;
    sync_directory(store.get());
    return {written.header.generation, written.warnings};
  }

  std::optional<Publication> done_already(const Store& source,
                                          const std::optional<SnapshotHeader>& header) const {
    if (!header || header->store_id != source.store_id() ||
        header->generation != source.generation())
      return std::nullopt;
    const std::string name = name_of_generation(header->generation);
    const Fd directory = open_directory_at(store.get(), name);
    try {
      const Snapshot snapshot = Snapshot::open_at(directory.get(), name);
      if (snapshot.header().audit_head != source.audit_head()) return std::nullopt;
      return Publication{header->generation, snapshot.warnings(kMostWarnings)};
    } catch (const Error&) {
      return std::nullopt; // damaged
    }
  }

  // Going on from what is published, or, if that turns out to be damaged, anew.
  static GenerationWritten write_from(Store& source, GenerationJob job) {
    if (job.before == nullptr) return write_generation(source, job);
    try {
      return write_generation(source, job);
    } catch (const Error& error) {
      if (error.code() != Code::store_invalid) throw;
      job.before = nullptr;
      job.prepared = false; // it was written to
      return write_generation(source, job);
    }
  }

  // The published snapshot, if it is whole enough to go on from.
  std::optional<Snapshot> open_current(const SnapshotHeader& header, Fd& directory) const {
    const std::string name = name_of_generation(header.generation);
    directory = open_directory_at(store.get(), name);
    if (!directory) return std::nullopt;
    try {
      Snapshot snapshot = Snapshot::open_at(directory.get(), name);
      if (snapshot.header().store_id != header.store_id ||
          snapshot.header().generation != header.generation)
        return std::nullopt;
      if (!tidy)
        for (const std::string_view kind : kNameDirectories)
          if (!NameDirectory::of(store.get(), directory.get(), kind).tidy(snapshot))
            return std::nullopt;
      return snapshot;
    } catch (const Error&) {
      return std::nullopt; // damaged: all is written anew
    }
  }

  // ---- ahead of the next one ------------------------------------------------

  void prepare() noexcept {
    if (prepared) return;
    try {
      prepare_generation(store.get());
      prepared = true;
      ::unlinkat(store.get(), kNextLink, 0); // what was not used
      const auto number = current();
      if (!number) return;
      const std::string next = name_of_generation(*number + 1);
      if (::symlinkat(next.c_str(), store.get(), kNextLink) != 0)
        throw system_error("cannot make a link", errno);
    } catch (const std::exception&) {
      // It is made when it is needed.
    }
  }

  // Most generations are the next one.
  bool use_prepared_link(const std::string& name) const {
    char target[64];
    const ssize_t length = ::readlinkat(store.get(), kNextLink, target, sizeof target);
    return length > 0 && std::string_view(target, static_cast<std::size_t>(length)) == name &&
           ::renameat(store.get(), kNextLink, store.get(), kCurrent) == 0;
  }

  void remove_prepared() noexcept {
    try {
      if (std::exchange(prepared, false)) remove_tree_at(store.get(), kNewGeneration);
      ::unlinkat(store.get(), kNextLink, 0);
    } catch (const std::exception&) {
      // It is removed at the next start.
    }
  }

  // A directory's age is by the clock that we are told.
  void set_time(UnixTime at) const {
    const struct timespec times[2] = {{at, 0}, {at, 0}};
    if (::utimensat(store.get(), kNewGeneration, times, AT_SYMLINK_NOFOLLOW) != 0)
      throw system_error("cannot set the time of a generation", errno);
  }

  void put_in_place(const std::string& name) const {
    if (::renameat2(store.get(), kNewGeneration, store.get(), name.c_str(), RENAME_NOREPLACE) == 0)
      return;
    if (errno == EINVAL) { // a file system that cannot say so
      if (::renameat(store.get(), kNewGeneration, store.get(), name.c_str()) == 0) return;
      if (errno == ENOTEMPTY) errno = EEXIST;
    }
    if (errno != EEXIST) throw system_error("cannot publish " + name, errno);
    // One with this number is there, damaged or of another database, and may be current: both
    // change places at once.
    if (::renameat2(store.get(), kNewGeneration, store.get(), name.c_str(), RENAME_EXCHANGE) != 0)
      throw system_error("cannot publish " + name, errno);
    remove_tree_at(store.get(), kNewGeneration);
  }
};

Publisher::Publisher(PublishSettings settings)
    : impl_(std::make_unique<Impl>(std::move(settings))) {}
Publisher::~Publisher() { impl_->remove_prepared(); }

GenerationNumber Publisher::published(const Store& store) const {
  const auto header = impl_->manifest();
  return header && header->store_id == store.store_id() ? header->generation : 0;
}

Publication Publisher::publish(Store& store, UnixTime now, bool anew) {
  const std::optional<SnapshotHeader> published = anew ? std::nullopt : impl_->manifest();
  if (auto done = impl_->done_already(store, published)) return *std::move(done);
  Publication publication;
  try {
    publication = impl_->write(store, now, published);
  } catch (const Error& error) {
    remove_tree_at(impl_->store.get(), kNewGeneration);
    impl_->remove_unused_names();
    if (error.code() != Code::storage_full || !impl_->give_up_reserve()) throw;
    try {
      publication = impl_->write(store, now, published);
    } catch (...) {
      remove_tree_at(impl_->store.get(), kNewGeneration);
      impl_->remove_unused_names();
      impl_->make_reserve();
      throw;
    }
  }
  return publication;
}

void Publisher::clean_up(UnixTime now) {
  try {
    impl_->prune(now);
  } catch (const Error&) {
    // What is left is removed the next time.
  }
  impl_->make_reserve();
  impl_->prepare();
}

std::int64_t Publisher::wait_s(UnixTime now) const {
  const auto& kept = impl_->kept;
  std::vector<std::int64_t> ages;
  for (std::size_t index = 0; index < kept.size(); ++index)
    if (impl_->must_stay(index, now)) ages.push_back(impl_->age_of(kept[index], now));
  if (ages.size() < impl_->settings.most_directories) return 0;
  // Until so many are old enough that there is room for one.
  std::sort(ages.begin(), ages.end(), std::greater<>());
  const std::size_t over = ages.size() - impl_->settings.most_directories;
  return std::max<std::int64_t>(impl_->settings.keep_seconds - ages[over], 1);
}

} // namespace trust
