#include "libtrust/base.h"

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include "libtrust/decode.h"
#include "libtrust/error.h"
#include "libtrust/file.h"
#include "libtrust/snapshot.h"

namespace trust {
namespace {

constexpr const char* kReload = "sudo update-ca-certificates";

enum class Kind { none, bundle, store };

struct Source {
  Kind kind;
  std::string path;
};

bool exists(const std::string& path) {
  struct stat facts;
  return ::lstat(path.c_str(), &facts) == 0 || errno != ENOENT;
}

Source source_of(const std::string& setting, bool system_store, const BasePlaces& places) {
  if (setting == "none") return {Kind::none, "none"};
  if (setting != "system") return {Kind::bundle, setting};
  // One that cannot be looked at is there all the same: reading it says why not.
  if (!system_store && exists(places.machine_store + "/current"))
    return {Kind::store, places.machine_store};
  for (const std::string& path : places.bundles)
    if (exists(path)) return {Kind::bundle, path};
  return {Kind::bundle, places.bundles.empty() ? std::string() : places.bundles.front()};
}

std::string link_text(const std::string& path) {
  std::array<char, PATH_MAX> target;
  const ssize_t length = ::readlink(path.c_str(), target.data(), target.size());
  return length < 0 ? std::string() : std::string(target.data(), static_cast<std::size_t>(length));
}

// All that shows, without reading it, that a file or what it leads to is another.
std::string version_of(const Source& source) {
  if (source.kind == Kind::none) return "none";
  const std::string path = source.kind == Kind::store ? source.path + "/current" : source.path;
  std::string version = path + " -> " + link_text(path);
  struct stat facts;
  if (::stat(path.c_str(), &facts) != 0) return version + " errno " + std::to_string(errno);
  for (const auto number :
       {static_cast<std::int64_t>(facts.st_dev), static_cast<std::int64_t>(facts.st_ino),
        static_cast<std::int64_t>(facts.st_ctim.tv_sec),
        static_cast<std::int64_t>(facts.st_ctim.tv_nsec), static_cast<std::int64_t>(facts.st_size)})
    version += " " + std::to_string(number);
  return version;
}

void read_bundle(const std::string& path, Base& base) {
  if (path.empty()) throw Error(Code::not_found, "this system has no bundle of roots");
  std::optional<std::string> bytes;
  try {
    bytes = read_own_file(path, kMaxImportBytes);
  } catch (const Error& error) {
    throw Error(error.code(), "the base cannot be read: " + error.message(),
                error.hint().empty() ? kReload : error.hint());
  }
  Decoded decoded = decode(*bytes, path);
  for (const BadBlock& bad : decoded.bad)
    base.warnings.push_back(path + ", line " + std::to_string(bad.line) + ": " + bad.reason);
  for (DecodedCertificate& each : decoded.certificates)
    base.entries.push_back({std::move(each.certificate)});
  if (base.entries.empty())
    throw Error(Code::invalid, "the base cannot be taken: " + path + " holds no certificate",
                kReload);
}

// The machine's own decisions become those of its layer; its base stays what it is.
void read_store(const std::string& path, Base& base) {
  const Snapshot snapshot = Snapshot::open(path);
  snapshot.each_entry([&](const Entry& entry, ByteView der) {
    const Layer layer = entry.layer == Layer::base ? Layer::base : Layer::machine;
    base.entries.push_back({Certificate::from_der(der), layer, entry.trust, entry.hosts,
                            entry.label, entry.expires_at, entry.only_this_certificate,
                            entry.emit_signing});
  });
  snapshot.each_pin([&](const PinRow& pin) {
    base.pins.push_back(pin);
    base.pins.back().layer = Layer::machine;
  });
}

} // namespace

Base read_base(const std::string& setting, bool system_store, const BasePlaces& places) {
  const Source source = source_of(setting, system_store, places);
  Base base;
  base.source = source.path;
  // Before it is read: a change meanwhile then shows the next time.
  base.version = version_of(source);
  switch (source.kind) {
    case Kind::none: break;
    case Kind::bundle: read_bundle(source.path, base); break;
    case Kind::store: read_store(source.path, base); break;
  }
  return base;
}

std::string base_version(const std::string& setting, bool system_store, const BasePlaces& places) {
  return version_of(source_of(setting, system_store, places));
}

bool base_is_plausible(std::size_t before, std::size_t now) noexcept {
  return now > 0 && now * 2 >= before;
}

} // namespace trust
