#pragma once
// SQLite with errors as exceptions and statements prepared once. A Database and its Queries
// belong to one thread at a time. Failure: Error; a full disk is Error{storage_full}, a
// damaged file Error{store_invalid}, a lock that was not given up in time Error{busy}.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "libtrust/certificate.h"
#include "libtrust/handles.h"

namespace trust {

class Database {
 public:
  Database() = default;
  // `path` may be a URI; `flags` as of sqlite3_open_v2. Sets what every connection here wants:
  // defensive, no mmap, untrusted schema, extended codes. `name` is what messages call it.
  Database(const std::string& path, int flags, std::string name);

  sqlite3* get() const noexcept { return db_.get(); }
  const std::string& name() const noexcept { return name_; }

  // Runs statements without parameters or results.
  void run(const char* sql);
  bool in_transaction() const noexcept { return sqlite3_get_autocommit(db_.get()) == 0; }
  std::int64_t last_id() const noexcept { return sqlite3_last_insert_rowid(db_.get()); }
  std::int64_t changes() const noexcept { return sqlite3_changes64(db_.get()); }

  // Throws what the last call's failure means.
  [[noreturn]] void fail(int code) const;

 private:
  friend class Query;
  StatementPtr take(std::string_view sql);
  void give_back(std::string_view sql, StatementPtr statement);

  SqlitePtr db_;
  std::string name_;
  std::unordered_map<std::string_view, StatementPtr> idle_; // keyed by literals
};

// One use of a prepared statement. `sql` must be a literal (it is the key of the cache).
// Parameters are bound in order as given: integers, text, bytes, optionals (null).
class Query {
 public:
  template <typename... Args>
  explicit Query(Database& db, std::string_view sql, const Args&... args)
      : db_(&db), sql_(sql), statement_(db.take(sql)) {
    int index = 0;
    (bind(++index, args), ...);
  }
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  // Moves to the next row; false at the end.
  bool step();
  // Runs to the end, for statements without rows.
  void run() {
    while (step()) {
    }
  }

  std::int64_t integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }
  bool is_null(int column) const {
    return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
  }
  std::optional<std::int64_t> maybe_integer(int column) const {
    return is_null(column) ? std::nullopt : std::optional(integer(column));
  }
  // Both stay valid until the next step().
  std::string_view view(int column) const;
  ByteView bytes(int column) const;
  std::string text(int column) const { return std::string(view(column)); }
  // 32 bytes; Error{store_invalid} if it is of another size.
  Digest digest(int column) const;

  void bind(int index, std::int64_t value);
  void bind(int index, std::uint64_t value) { bind(index, static_cast<std::int64_t>(value)); }
  void bind(int index, int value) { bind(index, static_cast<std::int64_t>(value)); }
  void bind(int index, std::uint32_t value) { bind(index, static_cast<std::int64_t>(value)); }
  void bind(int index, bool value) { bind(index, static_cast<std::int64_t>(value)); }
  // Text and bytes are copied.
  void bind(int index, std::string_view value);
  void bind(int index, const std::string& value) { bind(index, std::string_view(value)); }
  void bind(int index, const char* value) { bind(index, std::string_view(value)); }
  void bind(int index, ByteView value);
  void bind(int index, const Digest& value) { bind(index, ByteView(value)); }
  void bind(int index, std::nullopt_t);
  template <typename T>
  void bind(int index, const std::optional<T>& value) {
    if (value) {
      bind(index, *value);
    } else {
      bind(index, std::nullopt);
    }
  }

 private:
  // What SQLite had no memory for looks like NULL.
  void require_memory() const;

  Database* db_;
  std::string_view sql_;
  StatementPtr statement_;
};

} // namespace trust
