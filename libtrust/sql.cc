#include "libtrust/sql.h"

#include <cerrno>
#include <cstring>
#include <new>

#include "libtrust/error.h"

namespace trust {

Database::Database(const std::string& path, int flags, std::string name) : name_(std::move(name)) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &raw, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  db_.reset(raw);
  if (raw == nullptr) throw std::bad_alloc();
  sqlite3_extended_result_codes(raw, 1);
  if (code != SQLITE_OK) fail(code);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr);
  run("PRAGMA mmap_size = 0");
}

void Database::run(const char* sql) {
  const int code = sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code);
}

void Database::fail(int code) const {
  if (code == SQLITE_IOERR_NOMEM) throw std::bad_alloc();
  const int system_errno = sqlite3_system_errno(db_.get());
  const std::string said = sqlite3_errmsg(db_.get());
  if (code == SQLITE_IOERR_DATA)
    throw Error(Code::store_invalid, name_ + " is damaged: a page does not match its hash");
  switch (code & 0xff) {
    case SQLITE_NOMEM: throw std::bad_alloc();
    case SQLITE_FULL:
      throw Error(Code::storage_full, "the disk that holds " + name_ + " is full",
                  "df -h \"$(dirname '" + name_ + "')\"");
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
      if (system_errno == ENOSPC || system_errno == EDQUOT)
        throw Error(Code::storage_full, "the disk that holds " + name_ + " is full",
                    "df -h \"$(dirname '" + name_ + "')\"");
      if (system_errno == EROFS)
        throw Error(Code::read_only, name_ + " is on a read-only file system");
      throw Error(Code::io, name_ + ": " + said +
                                (system_errno != 0 ? std::string(": ") + std::strerror(system_errno)
                                                   : std::string()));
    case SQLITE_READONLY: throw Error(Code::read_only, name_ + " cannot be written: " + said);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: throw Error(Code::store_invalid, name_ + " is damaged: " + said);
    case SQLITE_BUSY:
    case SQLITE_LOCKED: throw Error(Code::busy, name_ + " is in use by another process: " + said);
    default: throw Error(Code::internal, name_ + ": " + said);
  }
}

StatementPtr Database::take(std::string_view sql) {
  if (const auto found = idle_.find(sql); found != idle_.end() && found->second)
    return std::move(found->second);
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v3(db_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  if (code != SQLITE_OK) fail(code);
  return StatementPtr(raw);
}

void Database::give_back(std::string_view sql, StatementPtr statement) {
  sqlite3_reset(statement.get());
  sqlite3_clear_bindings(statement.get());
  idle_[sql] = std::move(statement);
}

Query::~Query() {
  try {
    if (statement_) db_->give_back(sql_, std::move(statement_));
  } catch (const std::bad_alloc&) {
    // It is prepared again when it is needed again.
  }
}

bool Query::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  db_->fail(code);
}

void Query::require_memory() const {
  if (sqlite3_errcode(db_->get()) == SQLITE_NOMEM) throw std::bad_alloc();
}

std::string_view Query::view(int column) const {
  const auto* text = sqlite3_column_text(statement_.get(), column);
  if (text == nullptr) return require_memory(), std::string_view();
  return {reinterpret_cast<const char*>(text),
          static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

ByteView Query::bytes(int column) const {
  const auto* blob =
      static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_.get(), column));
  if (blob == nullptr) return require_memory(), ByteView();
  return {blob, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

Digest Query::digest(int column) const {
  const ByteView view = bytes(column);
  Digest digest;
  if (view.size() != digest.size())
    throw Error(Code::store_invalid, db_->name() + " is damaged: a digest of the wrong size");
  std::memcpy(digest.data(), view.data(), digest.size());
  return digest;
}

void Query::bind(int index, std::int64_t value) {
  if (const int code = sqlite3_bind_int64(statement_.get(), index, value); code != SQLITE_OK)
    db_->fail(code);
}

void Query::bind(int index, std::string_view value) {
  // A null pointer would bind NULL: an empty text is a text.
  const char* data = value.data() == nullptr ? "" : value.data();
  if (const int code = sqlite3_bind_text64(statement_.get(), index, data, value.size(),
                                           SQLITE_TRANSIENT, SQLITE_UTF8);
      code != SQLITE_OK)
    db_->fail(code);
}

void Query::bind(int index, ByteView value) {
  static const std::uint8_t kNothing = 0;
  const auto* data = value.data() == nullptr ? &kNothing : value.data();
  if (const int code =
          sqlite3_bind_blob64(statement_.get(), index, data, value.size(), SQLITE_TRANSIENT);
      code != SQLITE_OK)
    db_->fail(code);
}

void Query::bind(int index, std::nullopt_t) {
  if (const int code = sqlite3_bind_null(statement_.get(), index); code != SQLITE_OK)
    db_->fail(code);
}

} // namespace trust
