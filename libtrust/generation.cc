#include "libtrust/generation.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "libtrust/emit/anchors.h"
#include "libtrust/emit/bundle.h"
#include "libtrust/emit/env.h"
#include "libtrust/emit/hashed.h"
#include "libtrust/emit/manifest.h"
#include "libtrust/emit/truststore.h"
#include "libtrust/error.h"
#include "libtrust/file.h"
#include "libtrust/name_directory.h"

namespace trust {
namespace {

constexpr std::string_view kTrustDb = "trust.db";
constexpr const char* kAnchorsFile = ".anchors"; // for the time of writing
constexpr std::size_t kMostWarnings = 100;
// More keys than this, and everything is named anew: it is then not less work to go on.
constexpr std::size_t kMostKeysOneByOne = 1000;

ByteView view_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// The anchors as they are emitted, kept in a file, since Java's store is written in two passes and
// deciding costs more than reading: alias and certificate, each with its length before it.
class AnchorsFile {
 public:
  explicit AnchorsFile(int directory)
      : directory_(directory), out_(directory, kAnchorsFile, 0600) {}

  void add(std::string_view alias, ByteView der) {
    put(alias.size());
    out_.write(alias);
    put(der.size());
    out_.write(der);
  }

  void each(const TruststoreVisit& visit) {
    if (!written_) {
      out_.commit(false);
      written_ = true;
    }
    const Fd file(::openat(directory_, kAnchorsFile, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!file) throw system_error("cannot read back what was written", errno);
    Reader reader{file.get(), {}, 0, 0};
    std::string alias, der;
    while (reader.piece(alias)) {
      reader.piece(der);
      visit(alias, view_of(der));
    }
  }

 private:
  struct Reader {
    int fd;
    std::array<char, 64 * 1024> buffer;
    std::size_t at, end;

    bool take(char* to, std::size_t size) {
      while (size > 0) {
        if (at == end) {
          const ssize_t count = ::read(fd, buffer.data(), buffer.size());
          if (count < 0 && errno == EINTR) continue;
          if (count < 0) throw system_error("cannot read back what was written", errno);
          if (count == 0) return false;
          at = 0;
          end = static_cast<std::size_t>(count);
        }
        const std::size_t part = std::min(size, end - at);
        std::memcpy(to, buffer.data() + at, part);
        to += part;
        at += part;
        size -= part;
      }
      return true;
    }
    bool piece(std::string& into) {
      std::array<char, 4> size{};
      if (!take(size.data(), size.size())) return false;
      std::uint32_t length = 0;
      std::memcpy(&length, size.data(), sizeof length);
      into.resize(length);
      return take(into.data(), length);
    }
  };

  void put(std::size_t size) {
    const auto length = static_cast<std::uint32_t>(size);
    std::array<char, 4> bytes{};
    std::memcpy(bytes.data(), &length, sizeof length);
    out_.write(std::string_view(bytes.data(), bytes.size()));
  }

  int directory_;
  NewFile out_;
  bool written_ = false;
};

// A name in one of the shared directories.
struct Name {
  std::size_t directory; // index into kNameDirectories
  std::string name;
  std::size_t anchor;

  std::string path() const { return std::string(kNameDirectories[directory]) + "/" + name; }
};
enum : std::size_t { kByLabel = 0, kCerts = 1, kHashed = 2, kDirectories = 3 };

class GenerationWriter {
 public:
  GenerationWriter(Store& source, const GenerationJob& job)
      : source_(source), job_(job), unsynced_(job.store) {}

  GenerationWritten write() {
    make_directory();
    write_rows();
    write_names_and_bundles();
    write_environment();
    const std::vector<std::string> warnings = writer_->written().warnings(kMostWarnings);
    write_manifest();
    sync();
    return {header_, warnings};
  }

 private:
  // ---- rows ---------------------------------------------------------------

  void make_directory() {
    remove_tree_at(job_.store, kNewGeneration);
    if (::mkdirat(job_.store, kNewGeneration, 0700) != 0)
      throw system_error("cannot make " + job_.path + "/" + kNewGeneration, errno);
    // Already now, while nobody can enter by a name that is known.
    if (::fchmodat(job_.store, kNewGeneration, 0755, 0) != 0)
      throw system_error("cannot set the mode of " + job_.path + "/" + kNewGeneration, errno);
    directory_ =
        Fd(::openat(job_.store, kNewGeneration, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory_) throw system_error("cannot open " + job_.path + "/" + kNewGeneration, errno);
  }

  void write_rows() {
    const std::string path = job_.path + "/" + kNewGeneration + "/" + std::string(kTrustDb);
    source_.in_snapshot([&] {
      header_ = {source_.store_id(), source_.generation(), job_.now, source_.audit_head()};
      if (job_.before != nullptr && goes_on_from(job_.before->header())) {
        before_ = job_.before;
        // The time does not run back, or what has ended would hold again.
        header_.created_at = std::max(header_.created_at, before_->header().created_at);
        copy_before();
        writer_.emplace(SnapshotWriter::amend(path, header_));
        amend_rows();
        return;
      }
      writer_.emplace(path, header_);
      source_.each_entry([&](const Entry& entry, ByteView der) { writer_->entry(entry, der); });
      source_.each_pin([&](const PinRow& pin) { writer_->pin(pin); });
      writer_->index();
    });
    everything_ = before_ == nullptr || affected_.size() > kMostKeysOneByOne;
  }

  // Whether the published state is one that this database had: one that was put back to an older
  // copy has the same id and other generations.
  bool goes_on_from(const SnapshotHeader& before) const {
    if (before.store_id != header_.store_id || before.generation > header_.generation) return false;
    const std::size_t colon = before.audit_head.find(':');
    if (colon == std::string::npos) return false;
    const std::uint64_t number = std::strtoull(before.audit_head.c_str(), nullptr, 10);
    if (number == 0) return true; // nothing was changed yet
    const std::vector<AuditRecord> records = source_.audit(1, number + 1);
    return !records.empty() && records.front().number == number &&
           hex(records.front().hash) == before.audit_head.substr(colon + 1);
  }

  void copy_before() {
    const std::string name(kTrustDb);
    const Fd from(::openat(job_.before_directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    const Fd to(::openat(directory_.get(), name.c_str(),
                         O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!from || !to || ::fchmod(to.get(), 0600) != 0)
      throw system_error("cannot copy the trust.db that is published", errno);
    for (;;) {
      constexpr std::size_t kPart = std::size_t{1} << 30;
      const ssize_t count = ::copy_file_range(from.get(), nullptr, to.get(), nullptr, kPart, 0);
      if (count == 0) return;
      if (count < 0) throw system_error("cannot copy the trust.db that is published", errno);
    }
  }

  void amend_rows() {
    std::set<std::string> labels;
    const auto note = [&](const Entry& entry) {
      affected_.insert(entry.certificate.spki_hash);
      if (!entry.label.empty()) labels.insert(entry.label);
    };
    source_.each_change(before_->header().generation,
                        {[&](const Entry& entry, ByteView der) {
                           writer_->entry(entry, der);
                           note(entry);
                         },
                         [&](std::int64_t id) {
                           if (const auto gone = before_->by_id(id)) note(gone->entry);
                           writer_->remove_entry(id);
                         },
                         [&](const PinRow& pin) { writer_->pin(pin); },
                         [&](std::int64_t id) { writer_->remove_pin(id); }});
    // What shares a label, or a name in hashed/, or has ended meanwhile without a change.
    const Snapshot& now = writer_->written();
    for (const Digest& key : before_->keys_ended(before_->header().created_at, header_.created_at))
      affected_.insert(key);
    for (const Snapshot* state : {before_, &now})
      for (const std::string& label : labels)
        for (const Digest& key : state->keys_of_label(label)) affected_.insert(key);
    // Until nothing is added: a key may have several subjects, and a subject several keys.
    std::set<std::uint32_t> subjects;
    for (std::vector<Digest> fresh(affected_.begin(), affected_.end()); !fresh.empty();) {
      std::set<Digest> reached;
      for (const Snapshot* state : {before_, &now})
        for (const Digest& key : fresh)
          for (const std::uint32_t subject : state->subjects_of_key(key))
            if (subjects.insert(subject).second)
              for (const Snapshot* other : {before_, &now})
                for (const Digest& found : other->keys_of_subject(subject)) reached.insert(found);
      fresh.clear();
      for (const Digest& key : reached)
        if (affected_.insert(key).second) fresh.push_back(key);
    }
  }

  // ---- certificates -------------------------------------------------------

  Emission emitted(const std::vector<StoredEntry>& same_key) {
    return emission_of(same_key, {header_.created_at, job_.system},
                       [&](const StoredEntry& ca, const std::vector<Pattern>& scope,
                           std::optional<UnixTime> end) { return kept_shadow(ca, scope, end); });
  }

  Shadow kept_shadow(const StoredEntry& ca, const std::vector<Pattern>& scope,
                     std::optional<UnixTime> end) {
    std::optional<Shadow> made;
    const auto make = [&] {
      made = make_shadow(ca, scope, end);
      return made->der.value_or(Bytes{});
    };
    try {
      Bytes der = source_.shadow(shadow_key(ca.entry.certificate.fingerprint, scope, end), make);
      if (made) return *std::move(made);
      if (!der.empty()) return {std::move(der), {}, {}};
      make(); // it cannot be expressed: why not is not kept
      return *std::move(made);
    } catch (const Error&) {
      if (made) return *std::move(made); // only the keeping failed
      throw;
    }
  }

  static const Bytes& bytes_of(const std::vector<StoredEntry>& same_key, const Anchor& anchor) {
    return anchor.shadow ? *anchor.shadow : same_key[anchor.entry].der;
  }

  // Every name that the certificates with one key have. `numbers`: those that are taken in hashed/,
  // by subject hash.
  std::vector<Name> names_of(const std::vector<StoredEntry>& same_key, const Emission& emission,
                             std::map<std::uint32_t, std::size_t>& numbers) {
    std::vector<Name> names;
    std::set<std::string> seen;
    for (std::size_t i = 0; i < same_key.size(); ++i) {
      const Entry& entry = same_key[i].entry;
      if (entry.layer == Layer::base || !emission.entries[i].anchor) continue;
      const std::size_t anchor = *emission.entries[i].anchor;
      std::string file = entry.certificate.fingerprint.text() + ".pem";
      if (seen.insert(file).second) names.push_back({kCerts, std::move(file), anchor});
      // A label of the machine's store gives way to one of this.
      const bool taken =
          entry.label.empty() ||
          (entry.layer == Layer::machine && writer_->written().has_label(entry.label, Layer::own));
      file = entry.label + ".pem";
      if (!taken && seen.insert("label:" + file).second)
        names.push_back({kByLabel, std::move(file), anchor});
    }
    for (std::size_t at = 0; at < emission.anchors.size(); ++at) {
      const std::uint32_t subject =
          same_key[emission.anchors[at].entry].entry.certificate.subject_hash;
      names.push_back({kHashed, hashed_name(subject, numbers[subject]++), at});
    }
    return names;
  }

  void write_names_and_bundles() {
    if (everything_) {
      name_everything();
    } else {
      name_affected();
    }
    if (!everything_ && affected_.empty()) {
      for (const char* name : {"bundle.pem", "extra.pem", "truststore.p12"}) link_before(name);
    } else {
      write_bundles();
    }
  }

  void name_everything() {
    writer_->clear_files();
    for (const std::string_view kind : kNameDirectories)
      directories_.push_back(NameDirectory::make(job_.store, kind, header_.generation));
  }

  // All names of one key's certificates, in new directories: one file, linked.
  void write_names(const std::vector<StoredEntry>& same_key, const Emission& emission) {
    // Most subjects are of one key: those need not be remembered.
    std::map<std::uint32_t, std::size_t> own;
    bool alone = true;
    for (const Anchor& anchor : emission.anchors) {
      const std::uint32_t subject = same_key[anchor.entry].entry.certificate.subject_hash;
      alone = alone && writer_->written().keys_of_subject(subject).size() == 1;
    }
    std::vector<const Name*> first(emission.anchors.size(), nullptr);
    const std::vector<Name> names = names_of(same_key, emission, alone ? own : numbers_);
    std::vector<Digest> digests(emission.anchors.size());
    for (const Name& name : names) {
      if (first[name.anchor] == nullptr) {
        const std::string pem = pem_of(bytes_of(same_key, emission.anchors[name.anchor]));
        directories_[name.directory].write(name.name, pem);
        unsynced_.file(directories_[name.directory].fd(), name.name);
        digests[name.anchor] = sha256(view_of(pem));
        first[name.anchor] = &name;
      } else {
        const Name& other = *first[name.anchor];
        directories_[name.directory].link(directories_[other.directory], other.name, name.name);
      }
      writer_->file(name.path(), digests[name.anchor]);
    }
    if (!emission.warnings.empty())
      writer_->warnings(same_key.front().entry.certificate.spki_hash, emission.warnings);
  }

  struct NewName {
    Digest digest;
    std::string pem;
  };

  // The difference in names that the affected keys make.
  void name_affected() {
    std::map<std::string, NewName> names;
    std::map<std::uint32_t, std::size_t> numbers;
    std::set<std::string> before;
    for (const Digest& key : affected_) {
      const std::vector<StoredEntry> same_key = writer_->written().with_key(key);
      const Emission emission = emitted(same_key);
      for (const Name& name : names_of(same_key, emission, numbers)) {
        std::string pem = pem_of(bytes_of(same_key, emission.anchors[name.anchor]));
        const Digest digest = sha256(view_of(pem));
        names[name.path()] = {digest, std::move(pem)};
      }
      writer_->warnings(key, emission.warnings);
      for (const StoredEntry& stored : before_->with_key(key)) names_before(stored.entry, before);
    }
    std::array<bool, kDirectories> changes{};
    std::vector<std::string> gone, come;
    for (const std::string& path : before)
      if (!names.contains(path)) gone.push_back(path);
    for (const auto& [path, name] : names) {
      const auto digest = before_->file(path);
      if (digest != name.digest) come.push_back(path);
      if (digest && digest != name.digest) changes[directory_of(path)] = true;
    }
    for (const std::string& path : gone) {
      changes[directory_of(path)] = true;
      writer_->remove_file(path);
    }
    for (const std::string& path : come) writer_->file(path, names[path].digest);

    for (std::size_t i = 0; i < kDirectories; ++i) {
      const std::string_view kind = kNameDirectories[i];
      NameDirectory old = NameDirectory::of(job_.store, job_.before_directory, kind);
      directories_.push_back(changes[i] ? NameDirectory::make(job_.store, kind, header_.generation)
                                        : std::move(old));
      if (!changes[i]) continue;
      const std::string prefix = std::string(kind) + "/";
      const std::set<std::string> fresh(come.begin(), come.end());
      writer_->written().each_file(prefix, [&](std::string_view path, const Digest&) {
        if (fresh.contains(std::string(path))) return;
        const std::string name(path.substr(prefix.size()));
        directories_[i].link(old, name, name);
      });
    }
    for (const std::string& path : come) {
      const std::size_t at = directory_of(path);
      const std::string name = path.substr(kNameDirectories[at].size() + 1);
      directories_[at].write(name, names[path].pem);
      unsynced_.file(directories_[at].fd(), name);
    }
  }

  // Every name that an entry may have had.
  void names_before(const Entry& entry, std::set<std::string>& names) {
    const auto take = [&](std::string path) {
      const bool was = before_->file(path).has_value();
      if (was) names.insert(std::move(path));
      return was;
    };
    take("certs/" + entry.certificate.fingerprint.text() + ".pem");
    if (!entry.label.empty()) take("by-label/" + entry.label + ".pem");
    std::size_t number = 0;
    while (take("hashed/" + hashed_name(entry.certificate.subject_hash, number))) ++number;
  }

  static std::size_t directory_of(std::string_view path) {
    for (std::size_t i = 0; i < kDirectories; ++i)
      if (path.starts_with(kNameDirectories[i])) return i;
    throw Error(Code::internal, "a name in no directory");
  }

  void write_bundles() {
    NewFile bundle(directory_.get(), "bundle.pem", 0444),
        extra(directory_.get(), "extra.pem", 0444);
    AnchorsFile anchors(directory_.get());
    writer_->written().each_key([&](const std::vector<StoredEntry>& same_key) {
      const Emission emission = emitted(same_key);
      for (const Anchor& anchor : emission.anchors) {
        const Entry& entry = same_key[anchor.entry].entry;
        const Bytes& der = bytes_of(same_key, anchor);
        const std::string block = bundle_block(entry, der, anchor.shadow.has_value());
        bundle.write(block);
        if (anchor.in_extra) extra.write(block);
        const bool labelled = entry.layer == Layer::own && !entry.label.empty();
        anchors.add(labelled ? entry.label : entry.certificate.fingerprint.text(), der);
      }
      if (everything_) write_names(same_key, emission);
    });
    commit(bundle, "bundle.pem");
    commit(extra, "extra.pem");
    NewFile truststore(directory_.get(), "truststore.p12", 0444);
    write_truststore([&](const TruststoreVisit& visit) { anchors.each(visit); },
                     [&](ByteView bytes) { truststore.write(bytes); });
    commit(truststore, "truststore.p12");
    remove_tree_at(directory_.get(), kAnchorsFile);
  }

  void commit(NewFile& file, const std::string& name) {
    writer_->file(name, file.digest());
    file.commit(false);
    unsynced_.file(directory_.get(), name);
    if (file.size() > 0) filled_.insert(name);
  }

  // The same file as in the generation before.
  void link_before(const std::string& name) {
    if (::linkat(job_.before_directory, name.c_str(), directory_.get(), name.c_str(), 0) != 0)
      throw system_error("cannot link " + name, errno);
    struct stat facts;
    if (::fstatat(directory_.get(), name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) == 0 &&
        facts.st_size > 0)
      filled_.insert(name);
  }

  // ---- the rest -----------------------------------------------------------

  void write_environment() {
    constexpr std::size_t kMostWgetrc = 64 * 1024;
    if (::mkdirat(directory_.get(), "env", 0700) != 0 ||
        ::fchmodat(directory_.get(), "env", 0755, 0) != 0)
      throw system_error("cannot make env", errno);
    env_ = Fd(::openat(directory_.get(), "env", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!env_) throw system_error("cannot open env", errno);
    const EnvFacts facts{filled_.contains("bundle.pem"), filled_.contains("extra.pem"),
                         job_.base_is_distribution};
    const auto values = environment_for(job_.path, facts, {});
    std::string wgetrc;
    try {
      wgetrc = read_file("/etc/wgetrc", kMostWgetrc);
    } catch (const Error&) {
      // There is none, or none that is worth keeping.
    }
    const auto put = [&](const std::string& name, const std::string& text) {
      const std::string path = "env/" + name;
      const Digest digest = sha256(view_of(text));
      if (before_ != nullptr && before_->file(path) == digest) {
        if (::linkat(job_.before_directory, path.c_str(), env_.get(), name.c_str(), 0) != 0)
          throw system_error("cannot link " + path, errno);
      } else {
        write_file_at(env_.get(), name, text, 0444, false);
        unsynced_.file(env_.get(), name);
      }
      writer_->file(path, digest);
    };
    put("env.sh", sh_profile(values, facts));
    put("env.fish", fish_profile(values, facts));
    put("env.env", dotenv_text(values));
    put("env.json", json_text(values));
    put("wgetrc", wgetrc_text(job_.path, wgetrc));
  }

  void write_manifest() {
    NewFile file(directory_.get(), "MANIFEST.json", 0444);
    ManifestWriter manifest([&](std::string_view text) { file.write(text); }, header_);
    std::vector<std::pair<std::string, Digest>> after;
    writer_->written().each_file("", [&](std::string_view name, const Digest& digest) {
      if (name > kTrustDb) {
        after.emplace_back(name, digest);
      } else {
        manifest.file(name, digest);
      }
    });
    manifest.file(kTrustDb, writer_->finish());
    for (const auto& [name, digest] : after) manifest.file(name, digest);
    manifest.end();
    file.commit(false);
    unsynced_.file(directory_.get(), "MANIFEST.json");
    const std::string trust_db(kTrustDb);
    if (::fchmodat(directory_.get(), trust_db.c_str(), 0444, 0) != 0)
      throw system_error("cannot set the mode of trust.db", errno);
    unsynced_.file(directory_.get(), trust_db);
    for (std::size_t i = 0; i < kDirectories; ++i) {
      const std::string target = "../" + directories_[i].name();
      if (::symlinkat(target.c_str(), directory_.get(), kNameDirectories[i].data()) != 0)
        throw system_error("cannot link " + std::string(kNameDirectories[i]), errno);
    }
  }

  void sync() {
    for (const NameDirectory& each : directories_) unsynced_.directory(each.fd());
    unsynced_.directory(env_.get());
    unsynced_.directory(directory_.get());
    unsynced_.sync();
  }

  Store& source_;
  const GenerationJob& job_;
  Unsynced unsynced_;
  Fd directory_, env_;
  SnapshotHeader header_;
  const Snapshot* before_ = nullptr; // what is gone on from; none: everything is new
  std::optional<SnapshotWriter> writer_;
  std::set<Digest> affected_; // keys of which an entry came, went or ended
  bool everything_ = true; // name and bundle all, not the affected keys alone
  std::map<std::uint32_t, std::size_t> numbers_;
  std::vector<NameDirectory> directories_;
  std::set<std::string> filled_; // files that hold a certificate
};

} // namespace

GenerationWritten write_generation(Store& source, const GenerationJob& job) {
  return GenerationWriter(source, job).write();
}

} // namespace trust
