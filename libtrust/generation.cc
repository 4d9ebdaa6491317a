#include "libtrust/generation.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <set>
#include <utility>

#include "libtrust/emit/anchors.h"
#include "libtrust/emit/env.h"
#include "libtrust/emit/manifest.h"
#include "libtrust/emit/spool.h"
#include "libtrust/emit/truststore.h"
#include "libtrust/error.h"
#include "libtrust/file.h"
#include "libtrust/generation_names.h"
#include "libtrust/page_file.h"

namespace trust {
namespace {

constexpr std::string_view kTrustDb = "trust.db";
constexpr const char* kSpareName = ".name"; // becomes the first name that is added
// More entries than this, and everything is named anew: it is then not less work to go on.
constexpr std::size_t kMostEntriesOneByOne = 1000;

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

  void write_names_and_bundles() {
    names_.emplace(GenerationNames::Places{job_.store, directory_.get(), job_.before_directory,
                                           job_.prepared ? kSpareName : nullptr},
                   header_.generation, *writer_, before_, unsynced_);
    if (everything_) {
      writer_->clear_files();
      names_->make_directories();
      write_bundles();
      return;
    }
    const bool keeps = job_.pieces->are_of(before_->header());
    NewPieces pieces = look_at_affected(keeps);
    names_->change(affected_);
    if (affected_.empty()) {
      for (const char* name : {"bundle.pem", "extra.pem", "truststore.p12"}) link_before(name);
      if (keeps) job_.pieces->complete(header_);
    } else if (keeps) {
      amend_pieces(pieces);
      write_kept_bundles();
    } else {
      write_bundles();
    }
  }

  // What the affected subjects give now; their pieces, if they are asked for.
  using NewPieces = std::vector<std::pair<CertificateFacts, Pieces>>;
  NewPieces look_at_affected(bool with_pieces) {
    NewPieces found;
    std::vector<std::pair<std::uint32_t, std::vector<std::string>>> warnings;
    for (const std::uint32_t subject : affected_) {
      writer_->written().each_pair_of(subject, [&](const std::vector<StoredEntry>& same_pair) {
        Emission emission = emitted(same_pair);
        names_->take(same_pair, emission);
        if (with_pieces)
          found.emplace_back(same_pair.front().entry.certificate, pieces_of(same_pair, emission));
        warnings.emplace_back(subject, std::move(emission.warnings));
      });
    }
    for (const std::uint32_t subject : affected_) writer_->clear_warnings(subject);
    for (const auto& [subject, texts] : warnings) writer_->warnings(subject, texts);
    return found;
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
      if (everything_) {
        names_->write(same_pair, emission);
        writer_->warnings(same_pair.front().entry.certificate.subject_hash, emission.warnings);
      }
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
  void amend_pieces(NewPieces& pieces) {
    KeptPieces& kept = *job_.pieces;
    kept.open();
    for (const std::uint32_t subject : affected_) kept.remove(subject);
    for (auto& [of, each] : pieces) kept.put(of, std::move(each));
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
    names_->environment({{"env.sh", sh_profile(values)},
                         {"env.fish", fish_profile(values)},
                         {"env.env", dotenv_text(values)},
                         {"env.json", json_text(values)},
                         {"wgetrc", wgetrc_text(job_.path, wgetrc)}});
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
    names_->finish();
    unsynced_.directory(directory_.get());
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
  bool everything_ = true; // name and bundle all, not the affected subjects alone
  std::set<std::string> filled_; // files that hold a certificate
  std::optional<GenerationNames> names_; // last: it uses what is above
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
