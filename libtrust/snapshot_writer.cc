// Writing trust.db.

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "libtrust/error.h"
#include "libtrust/page_file.h"
#include "libtrust/snapshot.h"

namespace trust {

struct SnapshotWriter::Impl {
  // Its Impl holds the connection that is written through.
  Snapshot written;
  Database& db;
  std::string path;

  Impl(std::unique_ptr<SnapshotDatabase> made, std::string at)
      : written(std::move(made)), db(written.impl_->db), path(std::move(at)) {}
};

SnapshotWriter::SnapshotWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SnapshotWriter::SnapshotWriter(SnapshotWriter&&) noexcept = default;
SnapshotWriter& SnapshotWriter::operator=(SnapshotWriter&&) noexcept = default;
SnapshotWriter::~SnapshotWriter() = default;

SnapshotWriter::SnapshotWriter(const std::string& path, const SnapshotHeader& header) {
  // Made here, for SQLite would leave its mode to the umask.
  const Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file || ::fchmod(file.get(), 0600) != 0) throw system_error("cannot make " + path, errno);
  auto made = std::make_unique<SnapshotDatabase>();
  made->db = make_page_file(path);
  made->header = header;
  impl_ = std::make_unique<Impl>(std::move(made), path);
  impl_->db.run("BEGIN");
  impl_->db.run(("PRAGMA application_id = " + std::to_string(kSnapshotApplicationId)).c_str());
  impl_->db.run(("PRAGMA user_version = " + std::to_string(kSnapshotFormat)).c_str());
  impl_->db.run(kSnapshotTables);
  write_header(impl_->db, header);
}

SnapshotWriter SnapshotWriter::amend(const std::string& path, const SnapshotHeader& header) {
  auto made = std::make_unique<SnapshotDatabase>();
  made->db = amend_page_file(path);
  made->header = header;
  SnapshotWriter writer(std::make_unique<Impl>(std::move(made), path));
  writer.impl_->db.run("BEGIN");
  read_header(writer.impl_->db);
  write_header(writer.impl_->db, header);
  return writer;
}

void SnapshotWriter::entry(const Entry& entry, ByteView der) {
  insert_entry(impl_->db, entry, der);
}
void SnapshotWriter::remove_entry(std::int64_t id) { trust::remove_entry(impl_->db, id); }
void SnapshotWriter::pin(const PinRow& pin) { insert_pin(impl_->db, pin); }
void SnapshotWriter::remove_pin(std::int64_t id) { trust::remove_pin(impl_->db, id); }

void SnapshotWriter::index() { impl_->db.run(kSnapshotIndexes); }

Snapshot& SnapshotWriter::written() { return impl_->written; }

void SnapshotWriter::file(std::string_view name, const Digest& digest) {
  Query(impl_->db, "INSERT OR REPLACE INTO file VALUES(?, ?)", name, digest).run();
}

void SnapshotWriter::remove_file(std::string_view name) {
  Query(impl_->db, "DELETE FROM file WHERE name = ?", name).run();
}

void SnapshotWriter::clear_files() { impl_->db.run("DELETE FROM file; DELETE FROM warning"); }

void SnapshotWriter::warnings(std::uint32_t subject_hash, const std::vector<std::string>& texts) {
  for (const std::string& text : texts)
    Query(impl_->db, "INSERT OR IGNORE INTO warning VALUES(?, ?)", subject_hash, text).run();
}

void SnapshotWriter::clear_warnings(std::uint32_t subject_hash) {
  Query(impl_->db, "DELETE FROM warning WHERE subject_hash = ?", subject_hash).run();
}

Digest SnapshotWriter::finish() {
  const std::string path = impl_->path;
  impl_->db.run("COMMIT");
  impl_.reset();
  const Fd file(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  if (!file) throw system_error("cannot open " + path, errno);
  return seal_page_file(file.get(), path);
}

} // namespace trust
