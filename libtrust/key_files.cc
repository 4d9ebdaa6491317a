#include "libtrust/key_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include "libtrust/error.h"

namespace trust {
namespace {

constexpr mode_t kSecret = 0600;
constexpr mode_t kPublic = 0644;
constexpr std::size_t kPairDigits = 16;
constexpr std::size_t kMostKeyBytes = std::size_t{64} << 10;

bool is_pair_name(std::string_view name) {
  return name.size() == kPairDigits &&
         name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool exists(int directory, const char* name) {
  struct stat facts;
  if (::fstatat(directory, name, &facts, AT_SYMLINK_NOFOLLOW) == 0) return true;
  if (errno == ENOENT) return false;
  throw system_error(std::string("cannot look at ") + name, errno);
}

Fd open_pair(int directory, const std::string& name) {
  return Fd(::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

// Both, synced at once and not one after the other: it takes half as long. The key comes first, so
// that there is never a certificate whose key nobody has.
void write_both(int directory, const Secret& key, std::string_view pem, bool replace) {
  NewFile key_file(directory, kKeyFile, kSecret);
  NewFile certificate_file(directory, kCertificateFile, kPublic);
  key_file.write_secret(key.view());
  certificate_file.write(pem);
  Unsynced unsynced(directory);
  key_file.sync_with(unsynced);
  certificate_file.sync_with(unsynced);
  unsynced.sync();
  if (replace) {
    key_file.commit(false);
    certificate_file.commit(false);
  } else {
    key_file.commit_new(false);
    try {
      certificate_file.commit_new(false);
    } catch (...) {
      ::unlinkat(directory, kKeyFile, 0); // made a moment ago
      throw;
    }
  }
  sync_directory(directory);
}

Secret taken_from(std::string& bytes) {
  Secret secret(bytes);
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return secret;
}

} // namespace

Fd open_key_directory(const std::string& path) {
  struct stat facts;
  const bool is_missing = ::lstat(path.c_str(), &facts) != 0 && errno == ENOENT;
  return is_missing ? open_own_directory(path, 0700) : open_checked_directory(path);
}

void refuse_existing_pair(int directory, const std::string& path) {
  for (const char* name : {kKeyFile, kCertificateFile, kCurrentPair}) {
    if (!exists(directory, name)) continue;
    throw Error(Code::conflict, path + "/" + name + " exists already",
                "another --out DIR, or --force to replace it");
  }
}

void write_pair(int directory, const std::string& path, const Secret& key, std::string_view pem,
                bool replace) {
  if (!replace) refuse_existing_pair(directory, path);
  write_both(directory, key, pem, replace);
  if (replace) remove_pairs_but(directory, {}); // of the other form
  if (replace && exists(directory, kCurrentPair)) ::unlinkat(directory, kCurrentPair, 0);
}

void prepare_pair(int directory, const std::string& name, const Secret& key, std::string_view pem) {
  remove_tree_at(directory, name);
  if (::mkdirat(directory, name.c_str(), 0700) != 0)
    throw system_error("cannot make " + name, errno);
  const Fd pair = open_pair(directory, name);
  // The directory has the mode of the one that it is in, whatever the umask says.
  struct stat facts;
  if (!pair || ::fstat(directory, &facts) != 0 || ::fchmod(pair.get(), facts.st_mode & 0755) != 0)
    throw system_error("cannot make " + name, errno);
  write_both(pair.get(), key, pem, true);
  sync_directory(directory);
}

void show_pair(int directory, const std::string& name) {
  if (!open_pair(directory, name)) {
    if (errno == ENOENT) throw Error(Code::not_found, "the pair " + name + " is not there");
    throw system_error("cannot open " + name, errno);
  }
  switch_link(directory, kCurrentPair, name);
  for (const char* file : {kCertificateFile, kKeyFile}) {
    const std::string target = std::string(kCurrentPair) + "/" + file;
    std::array<char, PATH_MAX> text{};
    const ssize_t length = ::readlinkat(directory, file, text.data(), text.size());
    if (length >= 0 && std::string_view(text.data(), static_cast<std::size_t>(length)) == target) {
      continue;
    }
    switch_link(directory, file, target);
  }
  sync_directory(directory);
}

std::optional<std::string> shown_pair(int directory) {
  std::array<char, 64> text{};
  const ssize_t length = ::readlinkat(directory, kCurrentPair, text.data(), text.size());
  if (length < 0) return std::nullopt;
  std::string name(text.data(), static_cast<std::size_t>(length));
  return is_pair_name(name) ? std::optional(std::move(name)) : std::nullopt;
}

void remove_pairs_but(int directory, const std::vector<std::string>& names) {
  std::vector<std::string> old;
  each_name(directory, [&](const std::string& name) {
    if (is_pair_name(name) && std::find(names.begin(), names.end(), name) == names.end()) {
      old.push_back(name);
    }
    return true;
  });
  for (const std::string& name : old) {
    // A directory of that name with anything else in it is not ours.
    const Fd pair = open_pair(directory, name);
    if (!pair) continue;
    bool ours = true;
    each_name(pair.get(), [&](const std::string& file) {
      ours = file == kKeyFile || file == kCertificateFile || file.starts_with(".tmp-");
      return ours;
    });
    if (ours) remove_tree_at(directory, name);
  }
}

bool remove_pairs(int directory) {
  for (const char* name : {kKeyFile, kCertificateFile, kCurrentPair}) {
    if (::unlinkat(directory, name, 0) != 0 && errno != ENOENT)
      throw system_error(std::string("cannot remove ") + name, errno);
  }
  remove_pairs_but(directory, {});
  bool empty = true;
  each_name(directory, [&](const std::string&) { return empty = false; });
  sync_directory(directory);
  return empty;
}

std::string pair_name(const Fingerprint& fingerprint) {
  return fingerprint.text().substr(0, kPairDigits);
}

Secret read_key(int directory, const std::string& path) {
  const auto name = shown_pair(directory);
  const Fd pair = name ? open_pair(directory, *name) : Fd();
  auto bytes = pair ? read_file_at(pair.get(), kKeyFile, kMostKeyBytes) : std::nullopt;
  if (!bytes) throw Error(Code::not_found, "there is no key in " + path);
  return taken_from(*bytes);
}

Secret read_secret_file(const std::string& path, std::size_t max_bytes) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) {
    if (errno == ENOENT) throw Error(Code::not_found, "there is no file " + shown(path));
    throw system_error("cannot read " + shown(path), errno);
  }
  struct stat facts;
  if (::fstat(fd.get(), &facts) != 0) throw system_error("cannot read " + shown(path), errno);
  if (!S_ISREG(facts.st_mode)) throw Error(Code::invalid, shown(path) + " is not a regular file");
  if ((facts.st_uid != 0 && facts.st_uid != ::geteuid()) || (facts.st_mode & 077) != 0) {
    throw Error(Code::store_access, shown(path) + " can be read by others",
                "chmod 600 '" + shown(path) + "'");
  }
  if (static_cast<std::uint64_t>(facts.st_size) > max_bytes) {
    throw Error(Code::too_large,
                shown(path) + " has more than " + std::to_string(max_bytes) + " bytes");
  }
  std::string bytes(static_cast<std::size_t>(facts.st_size), '\0');
  std::size_t had = 0;
  while (had < bytes.size()) {
    const ssize_t count = ::read(fd.get(), bytes.data() + had, bytes.size() - had);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const int error_number = errno;
      OPENSSL_cleanse(bytes.data(), bytes.size());
      throw system_error("cannot read " + shown(path), error_number);
    }
    if (count == 0) break;
    had += static_cast<std::size_t>(count);
  }
  Secret all = taken_from(bytes);
  return Secret(all.view().substr(0, had));
}

} // namespace trust
