#include "libtrust/published_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <string_view>
#include <system_error>
#include <utility>

#include "libtrust/absolute.h"
#include "libtrust/error.h"
#include "libtrust/file.h"
#include "libtrust/report.h"

namespace trust {
namespace {

// What tells one publication from the next without opening anything. The inode alone does not: the
// file system gives it out again.
struct LinkFacts {
  std::string text;
  dev_t device = 0;
  ino_t inode = 0;
  std::int64_t changed_s = 0;
  std::int64_t changed_ns = 0;

  bool operator==(const LinkFacts&) const = default;
};

// None if it cannot be read: opening the store says why.
std::optional<LinkFacts> facts_of(const std::string& link) {
  std::array<char, 64> text{};
  const ssize_t length = ::readlink(link.c_str(), text.data(), text.size());
  struct stat status {};
  if (length < 0 || ::lstat(link.c_str(), &status) != 0) return std::nullopt;
  return LinkFacts{{text.data(), static_cast<std::size_t>(length)},
                   status.st_dev,
                   status.st_ino,
                   status.st_ctim.tv_sec,
                   status.st_ctim.tv_nsec};
}

std::string absolute(const std::optional<std::string>& directory, const Environment& environment) {
  if (directory && directory->empty()) {
    throw Error(Code::invalid, "the name of the store's directory is empty");
  }
  const std::string chosen =
      directory ? *directory : choose_store({}, environment, false).directory;
  return absolute_path(chosen);
}

// Which variables the publisher found worth setting. Their values are our own: the directory may
// have another name here, as in a container.
std::vector<EnvValue> published_environment(const std::string& directory) {
  constexpr std::size_t kMostBytes = 64 * 1024;
  const auto text = read_file_at(AT_FDCWD, directory + "/current/env/env.json", kMostBytes);
  if (!text) return {};
  const auto names = [&](std::string_view variable) {
    return text->find('"' + std::string(variable) + '"') != std::string::npos;
  };
  return environment_for(directory,
                         {.bundle_has_certificates = names("SSL_CERT_FILE"),
                          .extra_has_certificates = names("NODE_EXTRA_CA_CERTS")},
                         {});
}

} // namespace

struct PublishedStore::Current {
  std::optional<LinkFacts> link;
  std::shared_ptr<const View> view; // null: what is published could not be read
  std::shared_ptr<ParsedCertificates> parsed;
  std::chrono::steady_clock::time_point looked_at;
};

PublishedStore::State::State() : current(std::make_unique<Guarded<Current>>()) {}
PublishedStore::State::~State() = default;

PublishedStore::PublishedStore(std::string directory, StoreSurroundings surroundings)
    : directory_(std::move(directory)),
      bundle_path_(directory_ + "/current/bundle.pem"),
      report_socket_(report_socket_of_store(directory_, surroundings.environment)),
      surroundings_(std::move(surroundings)),
      state_([] { return std::make_unique<State>(); }) {}

PublishedStore::~PublishedStore() = default;

std::shared_ptr<PublishedStore> PublishedStore::open(const std::optional<std::string>& directory,
                                                     StoreSurroundings surroundings) {
  std::string path = absolute(directory, surroundings.environment);
  std::shared_ptr<PublishedStore> store(
      new PublishedStore(std::move(path), std::move(surroundings)));
  store->refresh();
  store->environment_ = published_environment(store->directory_);
  return store;
}

std::shared_ptr<const View> PublishedStore::view() const { return look(kLookInterval); }

std::shared_ptr<const View> PublishedStore::refresh() const {
  return look(std::chrono::milliseconds{0});
}

std::shared_ptr<const View> PublishedStore::look(std::chrono::milliseconds not_older) const {
  return state_.get().current->with([&](Current& current) {
    const auto now = surroundings_.steady();
    if (current.view && now - current.looked_at < not_older) return current.view;
    // Before the generation is opened: if it is switched in between, the next look sees it.
    std::optional<LinkFacts> link = facts_of(directory_ + "/current");
    if (!current.view || !link || link != current.link) {
      current.view.reset(); // whatever happens now, the old one is not used again
      current.view = std::make_shared<const View>(Snapshot::open(directory_), current.parsed);
      current.parsed = current.view->parsed();
      current.link = std::move(link);
      generation_ = current.view->header().generation;
    }
    current.looked_at = now;
    return current.view;
  });
}

GenerationNumber PublishedStore::generation() const noexcept { return generation_; }

} // namespace trust
