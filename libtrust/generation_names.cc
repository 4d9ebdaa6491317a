#include "libtrust/generation_names.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "libtrust/emit/hashed.h"
#include "libtrust/emit/pieces.h"
#include "libtrust/error.h"

namespace trust {

struct GenerationNames::Name {
  std::size_t directory; // index into kNameDirectories
  std::string name;
  std::size_t anchor;

  std::string path() const { return std::string(kNameDirectories[directory]) + "/" + name; }
};

GenerationNames::GenerationNames(const Places& places, GenerationNumber generation,
                                 SnapshotWriter& writer, const Snapshot* before, Unsynced& unsynced)
    : places_(places),
      generation_(generation),
      writer_(writer),
      before_(before),
      unsynced_(unsynced) {}

std::size_t GenerationNames::directory_of(std::string_view path) {
  for (std::size_t i = 0; i < kDirectories; ++i)
    if (path.starts_with(kNameDirectories[i])) return i;
  throw Error(Code::internal, "a name in no directory");
}

std::string GenerationNames::name_in(const std::string& path) {
  return path.substr(kNameDirectories[directory_of(path)].size() + 1);
}

// Every name that the certificates of one pair have.
std::vector<GenerationNames::Name> GenerationNames::names_of(
    const std::vector<StoredEntry>& same_pair, const Emission& emission,
    std::map<std::uint32_t, std::size_t>& numbers) const {
  std::vector<Name> names;
  std::set<std::string> seen;
  for (std::size_t i = 0; i < same_pair.size(); ++i) {
    const Entry& entry = same_pair[i].entry;
    if (entry.layer == Layer::base || !emission.entries[i].anchor) continue;
    const std::size_t anchor = *emission.entries[i].anchor;
    std::string file = entry.certificate.fingerprint.text() + ".pem";
    if (seen.insert(file).second) names.push_back({kCerts, std::move(file), anchor});
    // A label of the machine's store gives way to one of this.
    if (writer_.written().labelled(entry.label) == entry.id)
      names.push_back({kByLabel, entry.label + ".pem", anchor});
  }
  for (std::size_t at = 0; at < emission.anchors.size(); ++at) {
    const std::uint32_t subject =
        same_pair[emission.anchors[at].entry].entry.certificate.subject_hash;
    names.push_back({kHashed, hashed_name(subject, numbers[subject]++), at});
  }
  return names;
}

// ---- all ----------------------------------------------------------------------

void GenerationNames::make_directories() {
  for (std::size_t i = 0; i < kDirectories; ++i) directories_[i].emplace(make(i));
}

void GenerationNames::write(const std::vector<StoredEntry>& same_pair, const Emission& emission) {
  // Most subjects are of one key: those need not be remembered.
  std::map<std::uint32_t, std::size_t> own;
  const std::uint32_t subject = same_pair.front().entry.certificate.subject_hash;
  const bool alone = !writer_.written().has_many_keys(subject);
  std::vector<const Name*> first(emission.anchors.size(), nullptr);
  const std::vector<Name> names = names_of(same_pair, emission, alone ? own : numbers_);
  std::vector<Digest> digests(emission.anchors.size());
  for (const Name& name : names) {
    if (first[name.anchor] == nullptr) {
      const std::string pem = pem_of(bytes_of(same_pair, emission.anchors[name.anchor]));
      write_name(name.directory, name.name, pem);
      digests[name.anchor] = sha256(view_of(pem));
      first[name.anchor] = &name;
    } else {
      const Name& other = *first[name.anchor];
      directories_[name.directory]->link(*directories_[other.directory], other.name, name.name);
    }
    writer_.file(name.path(), digests[name.anchor]);
  }
}

// ---- the difference -----------------------------------------------------------

void GenerationNames::take(const std::vector<StoredEntry>& same_pair, const Emission& emission) {
  std::vector<std::optional<NewName>> texts(emission.anchors.size());
  for (const Name& name : names_of(same_pair, emission, new_numbers_)) {
    std::optional<NewName>& text = texts[name.anchor];
    if (!text) {
      text.emplace();
      text->pem = pem_of(bytes_of(same_pair, emission.anchors[name.anchor]));
      text->digest = sha256(view_of(text->pem));
    }
    new_names_[name.path()] = *text;
  }
}

// Every name that an entry may have had.
void GenerationNames::old_names_of(const Entry& entry, std::set<std::string>& names) {
  const auto take_if_there = [&](std::string path) {
    const bool was = before_->file(path).has_value();
    if (was) names.insert(std::move(path));
    return was;
  };
  take_if_there("certs/" + entry.certificate.fingerprint.text() + ".pem");
  if (before_->labelled(entry.label) == entry.id) take_if_there("by-label/" + entry.label + ".pem");
  // The numbers run on without gaps, from the last that another entry found.
  std::size_t& number = old_numbers_[entry.certificate.subject_hash];
  while (take_if_there("hashed/" + hashed_name(entry.certificate.subject_hash, number))) ++number;
}

void GenerationNames::change(const std::set<std::uint32_t>& subjects) {
  std::set<std::string> old_names;
  for (const std::uint32_t subject : subjects)
    before_->each_pair_of(subject, [&](const std::vector<StoredEntry>& same_pair) {
      for (const StoredEntry& stored : same_pair) old_names_of(stored.entry, old_names);
    });
  std::array<bool, kDirectories> changes{};
  std::vector<std::string> gone, come;
  for (const std::string& path : old_names)
    if (!new_names_.contains(path)) gone.push_back(path);
  for (const auto& [path, name] : new_names_) {
    const auto digest = before_->file(path);
    if (digest != name.digest) come.push_back(path);
    if (digest && digest != name.digest) changes[directory_of(path)] = true;
  }
  for (const std::string& path : gone) {
    changes[directory_of(path)] = true;
    writer_.remove_file(path);
  }
  for (const std::string& path : come) writer_.file(path, new_names_[path].digest);

  for (std::size_t i = 0; i < kDirectories; ++i) {
    NameDirectory old = before(i);
    if (!changes[i]) {
      directories_[i].emplace(std::move(old));
      continue;
    }
    directories_[i].emplace(make(i));
    const std::string prefix = std::string(kNameDirectories[i]) + "/";
    const std::set<std::string> fresh(come.begin(), come.end());
    writer_.written().each_file(prefix, [&](std::string_view path, const Digest&) {
      if (fresh.contains(std::string(path))) return;
      const std::string name(path.substr(prefix.size()));
      directories_[i]->link(old, name, name);
    });
  }
  std::map<Digest, std::size_t> written;
  for (const std::string& path : come) {
    NewName& name = new_names_[path];
    NameDirectory& directory = *directories_[directory_of(path)];
    if (const auto first = written.find(name.digest); first != written.end()) {
      writes_.link(first->second, directory, name_in(path));
    } else {
      written.emplace(name.digest, writes_.file(directory, name_in(path), std::move(name.pem)));
    }
  }
  writes_.start(places_.directory, places_.spare);
}

// ---- both ---------------------------------------------------------------------

NameDirectory GenerationNames::make(std::size_t at) {
  NameDirectory made = NameDirectory::make(places_.store, kNameDirectories[at], generation_);
  unsynced_.directory(made.fd());
  return made;
}

NameDirectory GenerationNames::before(std::size_t at) const {
  return NameDirectory::of(places_.store, places_.before, kNameDirectories[at]);
}

// In a new directory.
void GenerationNames::write_name(std::size_t at, const std::string& name, std::string_view bytes) {
  NameDirectory& directory = *directories_[at];
  directory.write(name, bytes);
  unsynced_.file(directory.fd(), name);
}

void GenerationNames::environment(const Files& files) {
  bool same = !directories_[kEnv]->is_new();
  for (const auto& [name, text] : files) {
    const std::string path = std::string(kNameDirectories[kEnv]) + "/" + name;
    const Digest digest = sha256(view_of(text));
    same = same && before_->file(path) == digest;
    writer_.file(path, digest);
  }
  if (same) return;
  if (!directories_[kEnv]->is_new()) directories_[kEnv].emplace(make(kEnv));
  for (const auto& [name, text] : files) write_name(kEnv, name, text);
}

void GenerationNames::finish() {
  writes_.finish(unsynced_);
  if (places_.spare != nullptr) ::unlinkat(places_.directory, places_.spare, 0); // if it is none
  for (std::size_t i = 0; i < kDirectories; ++i) {
    const std::string target = "../" + directories_[i]->name();
    const char* name = kNameDirectories[i].data();
    // The same link as before may be the same file: an inode less to make and to remove.
    if (!directories_[i]->is_new() &&
        ::linkat(places_.before, name, places_.directory, name, 0) == 0)
      continue;
    if (::symlinkat(target.c_str(), places_.directory, name) != 0)
      throw system_error("cannot link " + std::string(name), errno);
  }
}

} // namespace trust
