#include "libtrust/generation.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "libtrust/emit/anchors.h"
#include "libtrust/emit/env.h"
#include "libtrust/emit/hashed.h"
#include "libtrust/emit/manifest.h"
#include "libtrust/emit/spool.h"
#include "libtrust/emit/truststore.h"
#include "libtrust/error.h"
#include "libtrust/file.h"
#include "libtrust/name_directory.h"
#include "libtrust/name_writes.h"
#include "libtrust/page_file.h"

namespace trust {
namespace {

constexpr std::string_view kTrustDb = "trust.db";
constexpr const char* kSpareName = ".name"; // becomes the first name that is added
// More entries than this, and everything is named anew: it is then not less work to go on.
constexpr std::size_t kMostEntriesOneByOne = 1000;

// A name in one of the shared directories.
struct Name {
  std::size_t directory; // index into kNameDirectories
  std::string name;
  std::size_t anchor;

  std::string path() const { return std::string(kNameDirectories[directory]) + "/" + name; }
};
enum : std::size_t { kByLabel = 0, kCerts = 1, kEnv = 2, kHashed = 3, kDirectories = 4 };

void make_directory(int store) {
  remove_tree_at(store, kNewGeneration);
  // Already now, while nobody can enter by a name that is known, with the mode that it keeps.
  if (::mkdirat(store, kNewGeneration, 0700) != 0 ||
      ::fchmodat(store, kNewGeneration, 0755, 0) != 0)
    throw system_error(std::string("cannot make ") + kNewGeneration, errno);
}

class GenerationWriter {
 public:
  GenerationWriter(Store& source, const GenerationJob& job)
      : source_(source), job_(job), unsynced_(job.store) {}

  GenerationWritten write() {
    open_directory();
    write_rows();
    write_names_and_bundles();
    write_environment();
    const std::vector<std::string> warnings = writer_->written().warnings(kMostWarnings);
    write_manifest();
    return {header_, warnings, std::move(unsynced_)};
  }

 private:
  // ---- rows ---------------------------------------------------------------

  void open_directory() {
    if (!job_.prepared) make_directory(job_.store);
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
        if (before_->file(kPinIndex)) link_before(kPinIndex);
        writer_.emplace(SnapshotWriter::amend(path, header_));
        amend_rows();
        return;
      }
      writer_.emplace(path, header_);
      source_.each_entry([&](const Entry& entry, ByteView der) { writer_->entry(entry, der); });
      source_.each_pin([&](const PinRow& pin) { writer_->pin(pin); });
      writer_->index();
    });
    everything_ = before_ == nullptr;
    std::size_t count = 0;
    for (auto each = affected_.begin(); !everything_ && each != affected_.end(); ++each) {
      count += writer_->written().count_of_subject(*each) + 1;
      everything_ = count > kMostEntriesOneByOne;
    }
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
                         O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!from || !to || ::fchmod(to.get(), 0600) != 0)
      throw system_error("cannot copy the trust.db that is published", errno);
    copy_page_file(from.get(), to.get(), "the trust.db that is published");
  }

  void amend_rows() {
    std::set<std::string> labels;
    std::set<Digest> keys; // that distrust came to or went from
    const auto note = [&](const Entry& entry) {
      affected_.insert(entry.certificate.subject_hash);
      if (!entry.label.empty()) labels.insert(entry.label);
      if (entry.trust == Trust::distrusted && !entry.only_this_certificate)
        keys.insert(entry.certificate.spki_hash);
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
    // And what shares a label or a distrusted key, or has ended meanwhile without a change.
    const Snapshot& now = writer_->written();
    const auto take = [&](const std::vector<std::uint32_t>& subjects) {
      affected_.insert(subjects.begin(), subjects.end());
    };
    take(before_->subjects_ended(before_->header().created_at, header_.created_at));
    for (const Snapshot* state : {before_, &now}) {
      for (const std::string& label : labels) take(state->subjects_of_label(label));
      for (const Digest& key : keys) take(state->subjects_of_key(key));
    }
  }

  // ---- certificates -------------------------------------------------------

  Emission emitted(const std::vector<StoredEntry>& same_pair) {
    const EmissionRules rules{
        header_.created_at, job_.system,
        writer_->written().distrusts_key(same_pair.front().entry.certificate.spki_hash)};
    return emission_of(same_pair, rules,
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

  // Every name that the certificates of one pair have. `numbers`: those that are taken in hashed/,
  // by subject hash.
  std::vector<Name> names_of(const std::vector<StoredEntry>& same_pair, const Emission& emission,
                             std::map<std::uint32_t, std::size_t>& numbers) {
    std::vector<Name> names;
    std::set<std::string> seen;
    for (std::size_t i = 0; i < same_pair.size(); ++i) {
      const Entry& entry = same_pair[i].entry;
      if (entry.layer == Layer::base || !emission.entries[i].anchor) continue;
      const std::size_t anchor = *emission.entries[i].anchor;
      std::string file = entry.certificate.fingerprint.text() + ".pem";
      if (seen.insert(file).second) names.push_back({kCerts, std::move(file), anchor});
      // A label of the machine's store gives way to one of this.
      if (writer_->written().labelled(entry.label) == entry.id)
        names.push_back({kByLabel, entry.label + ".pem", anchor});
    }
    for (std::size_t at = 0; at < emission.anchors.size(); ++at) {
      const std::uint32_t subject =
          same_pair[emission.anchors[at].entry].entry.certificate.subject_hash;
      names.push_back({kHashed, hashed_name(subject, numbers[subject]++), at});
    }
    return names;
  }

  void write_names_and_bundles() {
    if (everything_) {
      name_everything();
      write_bundles();
      return;
    }
    const bool keeps = job_.pieces->are_of(before_->header());
    Affected affected = look_at_affected(keeps);
    name_affected(affected.names);
    if (affected_.empty()) {
      for (const char* name : {"bundle.pem", "extra.pem", "truststore.p12"}) link_before(name);
      if (keeps) job_.pieces->complete(header_);
    } else if (keeps) {
      amend_pieces(affected);
      write_kept_bundles();
    } else {
      write_bundles();
    }
  }

  void name_everything() {
    writer_->clear_files();
    for (std::size_t i = 0; i < kDirectories; ++i) directories_[i].emplace(make_names(i));
  }

  // All names of one pair's certificates, in new directories: one file, linked.
  void write_names(const std::vector<StoredEntry>& same_pair, const Emission& emission) {
    // Most subjects are of one key: those need not be remembered.
    std::map<std::uint32_t, std::size_t> own;
    const std::uint32_t subject = same_pair.front().entry.certificate.subject_hash;
    const bool alone = !writer_->written().has_many_keys(subject);
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
      writer_->file(name.path(), digests[name.anchor]);
    }
    writer_->warnings(subject, emission.warnings);
  }

  // What the affected subjects give now.
  struct NewName {
    Digest digest;
    std::string pem;
  };
  using NewNames = std::map<std::string, NewName>; // by path
  struct Affected {
    NewNames names;
    std::vector<std::pair<CertificateFacts, Pieces>> pieces; // if they were asked for
  };

  Affected look_at_affected(bool with_pieces) {
    Affected found;
    std::map<std::uint32_t, std::size_t> numbers;
    std::vector<std::pair<std::uint32_t, std::vector<std::string>>> warnings;
    for (const std::uint32_t subject : affected_) {
      writer_->written().each_pair_of(subject, [&](const std::vector<StoredEntry>& same_pair) {
        Emission emission = emitted(same_pair);
        std::vector<std::optional<NewName>> texts(emission.anchors.size());
        for (const Name& name : names_of(same_pair, emission, numbers)) {
          std::optional<NewName>& text = texts[name.anchor];
          if (!text) {
            text.emplace();
            text->pem = pem_of(bytes_of(same_pair, emission.anchors[name.anchor]));
            text->digest = sha256(view_of(text->pem));
          }
          found.names[name.path()] = *text;
        }
        if (with_pieces)
          found.pieces.emplace_back(same_pair.front().entry.certificate,
                                    pieces_of(same_pair, emission));
        warnings.emplace_back(subject, std::move(emission.warnings));
      });
    }
    for (const std::uint32_t subject : affected_) writer_->clear_warnings(subject);
    for (const auto& [subject, texts] : warnings) writer_->warnings(subject, texts);
    return found;
  }

  // The difference in names that the affected subjects make.
  void name_affected(NewNames& names) {
    std::set<std::string> before;
    for (const std::uint32_t subject : affected_)
      before_->each_pair_of(subject, [&](const std::vector<StoredEntry>& same_pair) {
        for (const StoredEntry& stored : same_pair) old_names_of(stored.entry, before);
      });
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
      NameDirectory old = names_before(i);
      if (!changes[i]) {
        directories_[i].emplace(std::move(old));
        continue;
      }
      directories_[i].emplace(make_names(i));
      const std::string prefix = std::string(kNameDirectories[i]) + "/";
      const std::set<std::string> fresh(come.begin(), come.end());
      writer_->written().each_file(prefix, [&](std::string_view path, const Digest&) {
        if (fresh.contains(std::string(path))) return;
        const std::string name(path.substr(prefix.size()));
        directories_[i]->link(old, name, name);
      });
    }
    std::map<Digest, std::size_t> written;
    for (const std::string& path : come) {
      NewName& name = names[path];
      NameDirectory& directory = *directories_[directory_of(path)];
      if (const auto first = written.find(name.digest); first != written.end()) {
        name_writes_.link(first->second, directory, name_in(path));
      } else {
        written.emplace(name.digest,
                        name_writes_.file(directory, name_in(path), std::move(name.pem)));
      }
    }
    name_writes_.start(directory_.get(), job_.prepared ? kSpareName : nullptr);
  }

  static std::string name_in(const std::string& path) {
    return path.substr(kNameDirectories[directory_of(path)].size() + 1);
  }

  NameDirectory make_names(std::size_t at) {
    NameDirectory made = NameDirectory::make(job_.store, kNameDirectories[at], header_.generation);
    unsynced_.directory(made.fd());
    return made;
  }

  NameDirectory names_before(std::size_t at) const {
    return NameDirectory::of(job_.store, job_.before_directory, kNameDirectories[at]);
  }

  // In a new directory.
  void write_name(std::size_t at, const std::string& name, std::string_view bytes) {
    NameDirectory& directory = *directories_[at];
    directory.write(name, bytes);
    unsynced_.file(directory.fd(), name);
  }

  // Every name that an entry may have had.
  void old_names_of(const Entry& entry, std::set<std::string>& names) {
    const auto take = [&](std::string path) {
      const bool was = before_->file(path).has_value();
      if (was) names.insert(std::move(path));
      return was;
    };
    take("certs/" + entry.certificate.fingerprint.text() + ".pem");
    if (before_->labelled(entry.label) == entry.id) take("by-label/" + entry.label + ".pem");
    // The numbers run on without gaps, from the last that another entry found.
    std::size_t& number = old_numbers_[entry.certificate.subject_hash];
    while (take("hashed/" + hashed_name(entry.certificate.subject_hash, number))) ++number;
  }

  static std::size_t directory_of(std::string_view path) {
    for (std::size_t i = 0; i < kDirectories; ++i)
      if (path.starts_with(kNameDirectories[i])) return i;
    throw Error(Code::internal, "a name in no directory");
  }

  void write_bundles() {
    NewFile bundle = new_file("bundle.pem");
    NewFile extra = new_file("extra.pem");
    Spool bags(directory_.get());
    KeptPieces& kept = *job_.pieces;
    kept.clear();
    bool keeps = true;
    writer_->written().each_pair([&](const std::vector<StoredEntry>& same_pair) {
      const Emission emission = emitted(same_pair);
      if (everything_) write_names(same_pair, emission);
      Pieces pieces = pieces_of(same_pair, emission);
      bundle.write(pieces.bundle);
      extra.write(pieces.extra());
      bags.add(pieces.bags);
      if (keeps) keeps = kept.put(same_pair.front().entry.certificate, std::move(pieces));
      if (!keeps) kept.clear();
    });
    if (keeps) kept.complete(header_);
    write_truststore_of(bags.size(), [&](const ByteSink& sink) { bags.give(sink); });
    commit(bundle, "bundle.pem");
    commit(extra, "extra.pem");
  }

  // From those of the generation before.
  void amend_pieces(Affected& affected) {
    KeptPieces& kept = *job_.pieces;
    kept.open();
    for (const std::uint32_t subject : affected_) kept.remove(subject);
    for (auto& [of, pieces] : affected.pieces) kept.put(of, std::move(pieces));
  }

  void write_kept_bundles() {
    NewFile bundle = new_file("bundle.pem");
    NewFile extra = new_file("extra.pem");
    KeptPieces& kept = *job_.pieces;
    kept.each([&](const Pieces& pieces) {
      bundle.write(pieces.bundle);
      extra.write(pieces.extra());
    });
    write_truststore_of(kept.bags_size(), [&](const ByteSink& sink) {
      kept.each([&](const Pieces& pieces) { sink(pieces.bags); });
    });
    kept.complete(header_);
    commit(bundle, "bundle.pem");
    commit(extra, "extra.pem");
  }

  void write_truststore_of(std::size_t bags_bytes, const BagSource& bags) {
    NewFile truststore = new_file("truststore.p12");
    write_truststore(bags_bytes, bags, [&](ByteView bytes) { truststore.write(bytes); });
    commit(truststore, "truststore.p12");
  }

  // Nobody looks into the directory yet: a file is written under its own name.
  NewFile new_file(const char* name) {
    return NewFile({directory_.get(), name}, directory_.get(), name, 0444);
  }

  void commit(NewFile& file, const std::string& name) {
    writer_->file(name, file.digest());
    file.commit(false);
    unsynced_.file(directory_.get(), name);
    if (file.size() > 0) filled_.insert(name);
  }

  // The same file as in the generation before.
  void link_before(const std::string& name) {
    ::unlinkat(directory_.get(), name.c_str(), 0); // if it was prepared
    link_at(job_.before_directory, name, directory_.get(), name);
    struct stat facts;
    if (::fstatat(directory_.get(), name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) == 0 &&
        facts.st_size > 0)
      filled_.insert(name);
  }

  // ---- the rest -----------------------------------------------------------

  void write_environment() {
    constexpr std::size_t kMostWgetrc = 64 * 1024;
    const EnvFacts facts{filled_.contains("bundle.pem"), filled_.contains("extra.pem")};
    const auto values = environment_for(job_.path, facts, {});
    std::string wgetrc;
    try {
      wgetrc = read_file("/etc/wgetrc", kMostWgetrc);
    } catch (const Error&) {
      // There is none, or none that is worth keeping.
    }
    const std::pair<const char*, std::string> files[] = {
        {"env.sh", sh_profile(values)},
        {"env.fish", fish_profile(values)},
        {"env.env", dotenv_text(values)},
        {"env.json", json_text(values)},
        {"wgetrc", wgetrc_text(job_.path, wgetrc)}};
    bool same = !everything_;
    for (const auto& [name, text] : files) {
      const std::string path = std::string("env/") + name;
      const Digest digest = sha256(view_of(text));
      same = same && before_->file(path) == digest;
      writer_->file(path, digest);
    }
    if (same) return;
    if (!everything_) directories_[kEnv].emplace(make_names(kEnv));
    for (const auto& [name, text] : files) write_name(kEnv, name, text);
  }

  void write_manifest() {
    if (writer_->finish_pins()) give_out(kPinIndex);
    NewFile file = new_file("MANIFEST.json");
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
    give_out(std::string(kTrustDb));
    name_writes_.finish(unsynced_);
    ::unlinkat(directory_.get(), kSpareName, 0); // unless it became a name
    unsynced_.directory(directory_.get());
    for (std::size_t i = 0; i < kDirectories; ++i) {
      const std::string target = "../" + directories_[i]->name();
      const char* name = kNameDirectories[i].data();
      // The same link as before may be the same file: an inode less to make and to remove.
      const bool is_same = before_ != nullptr && !directories_[i]->is_new();
      if (is_same && ::linkat(job_.before_directory, name, directory_.get(), name, 0) == 0)
        continue;
      if (::symlinkat(target.c_str(), directory_.get(), name) != 0)
        throw system_error("cannot link " + std::string(name), errno);
    }
  }

  // A file that is complete, written by its name.
  void give_out(const std::string& name) {
    if (::fchmodat(directory_.get(), name.c_str(), 0444, 0) != 0)
      throw system_error("cannot set the mode of " + name, errno);
    unsynced_.file(directory_.get(), name);
  }

  Store& source_;
  const GenerationJob& job_;
  Unsynced unsynced_;
  Fd directory_;
  SnapshotHeader header_;
  const Snapshot* before_ = nullptr; // what is gone on from; none: everything is new
  std::optional<SnapshotWriter> writer_;
  // Subjects of which an entry came, went or ended, or is emitted otherwise for what did: every
  // name of a certificate depends on what has its subject.
  std::set<std::uint32_t> affected_;
  std::map<std::uint32_t, std::size_t> old_numbers_;
  bool everything_ = true; // name and bundle all, not the affected subjects alone
  std::map<std::uint32_t, std::size_t> numbers_;
  std::array<std::optional<NameDirectory>, kDirectories> directories_;
  std::set<std::string> filled_; // files that hold a certificate
  NameWrites name_writes_; // last: it may have a thread that writes into the directories
};

} // namespace

void prepare_generation(int store) {
  make_directory(store);
  const Fd directory(
      ::openat(store, kNewGeneration, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  for (const char* name :
       {"trust.db", "bundle.pem", "extra.pem", "truststore.p12", "MANIFEST.json", kSpareName}) {
    const Fd file(::openat(directory.get(), name,
                           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) throw system_error(std::string("cannot make ") + name, errno);
  }
}

GenerationWritten write_generation(Store& source, const GenerationJob& job) {
  return GenerationWriter(source, job).write();
}

} // namespace trust
