// Writing trust.db and pins.index.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "libtrust/error.h"
#include "libtrust/page_file.h"
#include "libtrust/snapshot.h"

namespace trust {

namespace {

// Made here, for SQLite would leave its mode to the umask.
Fd make_file(const std::string& path, int flags) {
  Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | flags, 0600));
  if (!file || ::fchmod(file.get(), 0600) != 0) throw system_error("cannot make " + path, errno);
  return file;
}

} // namespace

struct SnapshotWriter::Impl {
  // Its Impl holds the connection that is written through.
  Snapshot written;
  Database& db;
  std::string path;
  std::string index_path; // of pins.index
  std::optional<GenerationNumber> pins_before; // that the pins.index there was written for
  PinShapes shapes;
  bool pins_changed = false;
  std::optional<HashFileWriter> pins; // that goes on from it
  std::optional<bool> pins_written;   // once they are finished

  Impl(std::unique_ptr<SnapshotDatabase> made, std::string at)
      : written(std::move(made)),
        db(written.impl_->db),
        path(std::move(at)),
        index_path(path.substr(0, path.rfind('/') + 1) + kPinIndex) {}

  SnapshotDatabase& database() { return *written.impl_; }

  // A pin comes or goes: whether it is to be done in the index too, which else is made at the end.
  bool amends_pins() {
    pins_changed = true;
    if (!pins_before) return false;
    if (pins) return true;
    const Fd before(::open(index_path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!before) throw system_error("cannot open " + index_path, errno);
    pins.emplace(before.get(), HashFileId{database().header.store_id, *pins_before}, new_index(),
                 index_path, database().header.generation);
    return true;
  }

  // The one that is there belongs to the generation before, too.
  Fd new_index() {
    ::unlink(index_path.c_str());
    return make_file(index_path, O_EXCL);
  }

  void make_index(std::uint64_t count) {
    pins.emplace(new_index(), index_path,
                 HashFileId{database().header.store_id, database().header.generation}, count);
    each_pin(db, [&](const PinRow& pin) { index_pin(*pins, pin); });
  }

  std::uint64_t count_pins() {
    Query query(db, "SELECT count(*) FROM pin");
    return query.step() ? static_cast<std::uint64_t>(query.integer(0)) : 0;
  }
};

SnapshotWriter::SnapshotWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SnapshotWriter::SnapshotWriter(SnapshotWriter&&) noexcept = default;
SnapshotWriter& SnapshotWriter::operator=(SnapshotWriter&&) noexcept = default;
SnapshotWriter::~SnapshotWriter() = default;

SnapshotWriter::SnapshotWriter(const std::string& path, const SnapshotHeader& header) {
  make_file(path, O_TRUNC);
  auto made = std::make_unique<SnapshotDatabase>();
  made->db = make_page_file(path);
  made->header = header;
  impl_ = std::make_unique<Impl>(std::move(made), path);
  impl_->db.run("BEGIN");
  impl_->db.run(("PRAGMA application_id = " + std::to_string(kSnapshotApplicationId)).c_str());
  impl_->db.run(("PRAGMA user_version = " + std::to_string(kSnapshotFormat)).c_str());
  impl_->db.run(kSnapshotTables);
  write_header(impl_->db, {header, std::nullopt, {}});
}

SnapshotWriter SnapshotWriter::amend(const std::string& path, const SnapshotHeader& header) {
  auto made = std::make_unique<SnapshotDatabase>();
  made->db = amend_page_file(path);
  made->header = header;
  SnapshotWriter writer(std::make_unique<Impl>(std::move(made), path));
  writer.impl_->db.run("BEGIN");
  StoredHeader before = read_header(writer.impl_->db);
  writer.impl_->pins_before = before.pins_of;
  writer.impl_->shapes = before.shapes;
  before.header = header;
  write_header(writer.impl_->db, before);
  return writer;
}

void SnapshotWriter::entry(const Entry& entry, ByteView der) {
  insert_entry(impl_->db, entry, der);
}
void SnapshotWriter::remove_entry(std::int64_t id) { trust::remove_entry(impl_->db, id); }

void SnapshotWriter::pin(const PinRow& pin) {
  insert_pin(impl_->db, pin);
  if (const auto shape = pin_shape_of(pin.pattern.pattern.text())) ++impl_->shapes[*shape];
  if (impl_->amends_pins()) index_pin(*impl_->pins, pin);
}

void SnapshotWriter::remove_pin(std::int64_t id) {
  const std::string pattern = pattern_of_pin(impl_->db, id);
  if (pattern.empty()) return;
  trust::remove_pin(impl_->db, id, pattern);
  if (const auto shape = pin_shape_of(pattern); shape && --impl_->shapes[*shape] == 0)
    impl_->shapes.erase(*shape);
  if (impl_->amends_pins()) unindex_pin(*impl_->pins, pattern, id);
}

void SnapshotWriter::index() { impl_->db.run(kSnapshotIndexes); }

Snapshot& SnapshotWriter::written() { return impl_->written; }

void SnapshotWriter::file(std::string_view name, const Digest& digest) {
  Query(impl_->db, "INSERT OR REPLACE INTO file VALUES(?, ?)", name, digest).run();
}

void SnapshotWriter::remove_file(std::string_view name) {
  Query(impl_->db, "DELETE FROM file WHERE name = ?", name).run();
}

void SnapshotWriter::clear_files() {
  Query(impl_->db, "DELETE FROM file WHERE name <> ?", kPinIndex).run();
  impl_->db.run("DELETE FROM warning");
}

void SnapshotWriter::warnings(std::uint32_t subject_hash, const std::vector<std::string>& texts) {
  for (const std::string& text : texts)
    Query(impl_->db, "INSERT OR IGNORE INTO warning VALUES(?, ?)", subject_hash, text).run();
}

void SnapshotWriter::clear_warnings(std::uint32_t subject_hash) {
  Query(impl_->db, "DELETE FROM warning WHERE subject_hash = ?", subject_hash).run();
}

bool SnapshotWriter::finish_pins() {
  Impl& impl = *impl_;
  if (impl.pins_written) return *impl.pins_written;
  impl.pins_written = false;
  if (!impl.pins_changed) return false;
  const std::uint64_t count = impl.count_pins();
  std::optional<GenerationNumber> pins_of;
  if (count == 0) {
    ::unlink(impl.index_path.c_str());
    remove_file(kPinIndex);
  } else {
    if (!impl.pins || impl.pins->crowded()) impl.make_index(count);
    file(kPinIndex, impl.pins->finish());
    pins_of = impl.database().header.generation;
    impl.pins_written = true;
  }
  write_header(impl.db, {impl.database().header, pins_of, impl.shapes});
  return *impl.pins_written;
}

Digest SnapshotWriter::finish() {
  finish_pins();
  const std::string path = impl_->path;
  impl_->db.run("COMMIT");
  impl_.reset();
  const Fd file(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  if (!file) throw system_error("cannot open " + path, errno);
  return seal_page_file(file.get(), path);
}

} // namespace trust
