#include "libtrust/store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "libtrust/error.h"
#include "libtrust/schema.h"
#include "libtrust/store_impl.h"

namespace trust {
namespace {

// Events that nobody can ask for any more; a client further behind starts from the state.
constexpr std::uint64_t kKeptEvents = 100'000;

// SQLite would make the file with the umask's mode; ours is 0600 from its first byte.
void make_private(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) throw system_error("the database " + path + " cannot be opened", errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode))
    throw Error(Code::store_invalid, path + " is not a regular file");
  if (status.st_uid != ::geteuid())
    throw Error(Code::store_access,
                path + " belongs to another user (uid " + std::to_string(status.st_uid) + ")");
  if ((status.st_mode & 0777) != 0600 && ::fchmod(fd.get(), 0600) != 0)
    throw system_error("the mode of " + path + " cannot be set", errno);
}

std::string head_text(std::uint64_t number, const Digest& hash) {
  return std::to_string(number) + ":" + hex(hash);
}

AuditRecord audit_of(const Query& row) {
  AuditRecord record;
  record.number = static_cast<std::uint64_t>(row.integer(0));
  record.at = row.integer(1);
  record.actor.uid = static_cast<uid_t>(row.integer(2));
  record.actor.pid = static_cast<pid_t>(row.integer(3));
  record.actor.executable = row.text(4);
  record.action = row.text(5);
  record.detail = row.text(6);
  record.reason = row.text(7);
  record.before = static_cast<GenerationNumber>(row.integer(8));
  record.after = static_cast<GenerationNumber>(row.integer(9));
  record.previous = row.digest(10);
  record.hash = row.digest(11);
  return record;
}

constexpr std::string_view kAuditColumns =
    "SELECT number, at, uid, pid, executable, action, detail, reason, before, after, previous, "
    "hash FROM audit WHERE number < ? ORDER BY number DESC LIMIT ?";

} // namespace

// ---- rows -----------------------------------------------------------------

std::string hosts_text(const std::vector<Pattern>& hosts) {
  std::vector<std::string> texts;
  for (const Pattern& host : hosts) texts.push_back(host.text());
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  std::string all;
  for (const std::string& text : texts) {
    if (!all.empty()) all += '\n';
    all += text;
  }
  return all;
}

std::string pin_place(const PinRow& pin) { return pin.pattern.text(); }

std::vector<std::string> names_of(std::string_view json) {
  if (json == "[]") return {};
  return nlohmann::json::parse(json).get<std::vector<std::string>>();
}

CertificateFacts facts_of(const Query& row, int first) {
  CertificateFacts facts;
  facts.fingerprint.bytes = row.digest(first);
  facts.spki_hash = row.digest(first + 1);
  facts.subject_hash = static_cast<std::uint32_t>(row.integer(first + 2));
  facts.subject = row.text(first + 3);
  facts.issuer = row.text(first + 4);
  facts.serial = row.text(first + 5);
  facts.not_before = row.integer(first + 6);
  facts.not_after = row.integer(first + 7);
  facts.names = names_of(row.view(first + 8));
  facts.key_kind = row.text(first + 9);
  facts.signature_kind = row.text(first + 10);
  facts.is_ca = row.integer(first + 11) != 0;
  facts.could_sign = row.integer(first + 12) != 0;
  facts.is_self_signed = row.integer(first + 13) != 0;
  return facts;
}

std::vector<Pattern> hosts_of(std::string_view text) {
  std::vector<Pattern> hosts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    hosts.push_back(Pattern::parse(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return hosts;
}

Entry entry_of(const Query& row) {
  Entry entry;
  entry.id = row.integer(0);
  entry.layer = static_cast<Layer>(row.integer(1));
  entry.trust = static_cast<Trust>(row.integer(2));
  entry.label = row.text(3);
  entry.hosts = hosts_of(row.view(4));
  entry.reason = row.text(5);
  entry.owner = static_cast<uid_t>(row.integer(6));
  entry.added_at = row.integer(7);
  entry.expires_at = row.maybe_integer(8);
  entry.only_this_certificate = row.integer(9) != 0;
  entry.emit_signing = row.integer(10) != 0;
  entry.since = static_cast<GenerationNumber>(row.integer(11));
  if (const auto until = row.maybe_integer(12)) entry.until = static_cast<GenerationNumber>(*until);
  entry.certificate = facts_of(row, 13);
  return entry;
}

PinRow pin_of(const Query& row) {
  PinRow pin;
  pin.id = row.integer(0);
  pin.layer = static_cast<Layer>(row.integer(1));
  pin.pin.spki_hash = row.digest(2);
  pin.pattern = {Pattern::parse(row.view(3)), static_cast<Port>(row.integer(4))};
  pin.mode = static_cast<PinRow::Mode>(row.integer(5));
  pin.role = static_cast<PinRow::Role>(row.integer(6));
  pin.position = static_cast<PinRow::Position>(row.integer(7));
  pin.expires_at = row.maybe_integer(8);
  pin.note = row.text(9);
  pin.owner = static_cast<uid_t>(row.integer(10));
  pin.added_at = row.integer(11);
  pin.since = static_cast<GenerationNumber>(row.integer(12));
  if (const auto until = row.maybe_integer(13)) pin.until = static_cast<GenerationNumber>(*until);
  return pin;
}

// ---- opening --------------------------------------------------------------

Store::Impl::Impl(const std::string& path, bool writable, Clock from)
    : db(path, writable ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY, path),
      clock(std::move(from)) {
  sqlite3_busy_timeout(db.get(), 5000);
  db.run("PRAGMA cell_size_check = ON; PRAGMA cache_size = -2048; PRAGMA temp_store = MEMORY");
}

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

Store Store::open(const std::string& path, Clock clock) {
  make_private(path);
  auto impl = std::make_unique<Impl>(path, true, std::move(clock));
  // FULL: what was answered survives a power cut. The log is cut back so that one large import
  // does not hold its size for ever.
  impl->db.run(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
      "PRAGMA journal_size_limit = 4194304");
  migrate(impl->db);
  return Store(std::move(impl));
}

Store Store::open_reader(const std::string& path, Clock clock) {
  auto impl = std::make_unique<Impl>(path, false, std::move(clock));
  check_schema(impl->db);
  return Store(std::move(impl));
}

// ---- one change ------------------------------------------------------------

Digest audit_hash(const AuditRecord& record, std::string_view store_id) {
  std::string bytes(reinterpret_cast<const char*>(record.previous.data()), record.previous.size());
  const auto field = [&bytes](std::string_view text) {
    bytes += std::to_string(text.size());
    bytes += ':';
    bytes += text;
  };
  field(store_id);
  field(std::to_string(record.number));
  field(std::to_string(record.at));
  field(std::to_string(record.actor.uid));
  field(std::to_string(record.actor.pid));
  field(record.actor.executable);
  field(record.action);
  field(record.detail);
  field(record.reason);
  field(std::to_string(record.before));
  field(std::to_string(record.after));
  return sha256({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

GenerationNumber Store::Impl::generation() const {
  Query query(db, "SELECT coalesce(max(number), 0) FROM generation");
  query.step();
  return static_cast<GenerationNumber>(query.integer(0));
}

std::string Store::Impl::store_id() const {
  Query query(db, "SELECT value FROM meta WHERE name = 'store_id'");
  if (!query.step()) throw Error(Code::store_invalid, db.name() + " is damaged: it has no id");
  return query.text(0);
}

std::pair<std::uint64_t, Digest> Store::Impl::audit_head() const {
  Query query(db, "SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1");
  if (query.step()) return {static_cast<std::uint64_t>(query.integer(0)), query.digest(1)};
  const std::string id = store_id();
  return {0, sha256({reinterpret_cast<const std::uint8_t*>(id.data()), id.size()})};
}

void Store::Impl::write_audit(const Asked& asked, std::string_view action,
                              const std::string& detail, GenerationNumber before,
                              GenerationNumber after) {
  const auto [last, last_hash] = audit_head();
  AuditRecord record;
  record.number = last + 1;
  record.at = clock();
  record.actor = asked.actor;
  record.action = action;
  record.detail = detail;
  record.reason = asked.reason;
  record.before = before;
  record.after = after;
  record.previous = last_hash;
  record.hash = audit_hash(record, store_id());
  Query(db, "INSERT INTO audit VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", record.number,
        record.at, record.actor.uid, record.actor.pid, record.actor.executable, record.action,
        record.detail, record.reason, record.before, record.after, record.previous, record.hash)
      .run();
}

void tell(Database& db, UnixTime at, std::string_view kind, const std::string& data) {
  Query(db, "INSERT INTO event SELECT coalesce(max(number), 0) + 1, ?, ?, ? FROM event", at, kind,
        data)
      .run();
  Query(db, "DELETE FROM event WHERE number <= (SELECT max(number) FROM event) - ?", kKeptEvents)
      .run();
}

Change Store::Impl::change(const Asked& asked, std::string_view action,
                           const std::function<std::optional<Made>(GenerationNumber)>& body) {
  const bool own_transaction = !db.in_transaction();
  if (own_transaction) db.run("BEGIN IMMEDIATE");
  try {
    const GenerationNumber before = generation();
    if (asked.expected && *asked.expected != before)
      throw Error(Code::precondition, "the store changed: it is at generation " +
                                          std::to_string(before) + ", not " +
                                          std::to_string(*asked.expected));
    const GenerationNumber after = before + 1;
    const std::optional<Made> made = body(after);
    const auto [last, last_hash] = audit_head();
    Change change{before, head_text(last, last_hash), false};
    if (made) {
      Query(db, "INSERT INTO generation VALUES(?, ?, ?, ?, ?)", after, clock(), action,
            made->summary, asked.actor.uid)
          .run();
      write_audit(asked, action, made->detail, before, after);
      const nlohmann::json data{{"generation", after},
                                {"action", action},
                                {"summary", made->summary},
                                {"uid", asked.actor.uid}};
      tell(db, clock(), "generation",
           data.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
      const auto [number, hash] = audit_head();
      change = {after, head_text(number, hash), true};
    }
    if (own_transaction) db.run("COMMIT");
    return change;
  } catch (...) {
    // A full disk can have ended the transaction already.
    if (own_transaction && db.in_transaction()) db.run("ROLLBACK");
    throw;
  }
}

void Store::Impl::in_transaction(const std::function<void()>& body) {
  if (db.in_transaction()) return body();
  db.run("BEGIN IMMEDIATE");
  try {
    body();
    db.run("COMMIT");
  } catch (...) {
    // A full disk can have ended the transaction already.
    if (db.in_transaction()) db.run("ROLLBACK");
    throw;
  }
}

Change Store::Impl::note(const Asked& asked, std::string_view action,
                         const std::function<std::optional<Made>()>& body) {
  Change change;
  in_transaction([&] {
    const GenerationNumber now = generation();
    const std::optional<Made> made = body();
    if (made) write_audit(asked, action, made->detail, now, now);
    const auto [number, hash] = audit_head();
    change = {now, head_text(number, hash), made.has_value()};
  });
  return change;
}

std::vector<std::exception_ptr> Store::batch(
    const std::vector<std::function<void(Store&)>>& changes) {
  Database& db = impl_->db;
  std::vector<std::exception_ptr> thrown(changes.size());
  db.run("BEGIN IMMEDIATE");
  try {
    for (std::size_t i = 0; i < changes.size(); ++i) {
      db.run("SAVEPOINT change");
      try {
        changes[i](*this);
      } catch (...) {
        // When SQLite itself gave up the transaction, nothing of the batch stands.
        if (!db.in_transaction()) throw;
        thrown[i] = std::current_exception();
        db.run("ROLLBACK TO change");
      }
      db.run("RELEASE change");
    }
    db.run("COMMIT");
  } catch (...) {
    const std::exception_ptr failure = std::current_exception();
    if (db.in_transaction()) db.run("ROLLBACK");
    for (std::exception_ptr& each : thrown)
      if (!each) each = failure;
  }
  return thrown;
}

// ---- what describes the store ----------------------------------------------

std::string Store::store_id() const { return impl_->store_id(); }
GenerationNumber Store::generation() const { return impl_->generation(); }

std::string Store::audit_head() const {
  const auto [number, hash] = impl_->audit_head();
  return head_text(number, hash);
}

std::vector<AuditRecord> Store::audit(std::size_t limit, std::uint64_t before) const {
  std::vector<AuditRecord> records;
  Query query(impl_->db, kAuditColumns, before == 0 ? INT64_MAX : static_cast<std::int64_t>(before),
              static_cast<std::uint64_t>(limit));
  while (query.step()) records.push_back(audit_of(query));
  return records;
}

std::optional<std::uint64_t> Store::verify_audit() const {
  const std::string id = store_id();
  Digest previous = sha256({reinterpret_cast<const std::uint8_t*>(id.data()), id.size()});
  std::uint64_t expected = 1;
  GenerationNumber at = 0;
  Query query(impl_->db,
              "SELECT number, at, uid, pid, executable, action, detail, reason, before, after, "
              "previous, hash FROM audit ORDER BY number");
  while (query.step()) {
    const AuditRecord record = audit_of(query);
    const bool fits = record.number == expected && record.previous == previous &&
                      record.before == at &&
                      (record.after == at + 1 || record.after == at) && // of what makes none
                      record.hash == audit_hash(record, id);
    if (!fits) return expected;
    previous = record.hash;
    at = record.after;
    ++expected;
  }
  // Records cut off at the end leave generations that nobody asked for.
  if (at != generation()) return expected;
  return std::nullopt;
}

std::vector<Event> Store::events(std::uint64_t after, std::size_t limit) const {
  std::vector<Event> events;
  Query query(impl_->db,
              "SELECT number, at, kind, data FROM event WHERE number > ? ORDER BY number LIMIT ?",
              after, static_cast<std::uint64_t>(limit));
  while (query.step())
    events.push_back({static_cast<std::uint64_t>(query.integer(0)), query.integer(1), query.text(2),
                      query.text(3)});
  return events;
}

void Store::tell_subscribers(std::string_view kind, std::string_view data) {
  tell(impl_->db, impl_->clock(), kind, std::string(data));
}

std::uint64_t Store::last_event() const {
  Query query(impl_->db, "SELECT coalesce(max(number), 0) FROM event");
  query.step();
  return static_cast<std::uint64_t>(query.integer(0));
}

std::optional<std::string> Store::note(std::string_view name) const {
  Query query(impl_->db, "SELECT value FROM meta WHERE name = ?", name);
  if (!query.step()) return std::nullopt;
  return query.text(0);
}

void Store::set_note(std::string_view name, std::string_view value) {
  Query(impl_->db, "INSERT OR REPLACE INTO meta VALUES(?, ?)", name, value).run();
}

Bytes Store::shadow(const Digest& key, const std::function<Bytes()>& make) {
  {
    Query query(impl_->db, "SELECT der FROM shadow WHERE key = ?", key);
    if (query.step()) {
      const ByteView der = query.bytes(0);
      return {der.begin(), der.end()};
    }
  }
  const Bytes der = make();
  Query(impl_->db, "INSERT INTO shadow VALUES(?, ?)", key, ByteView(der)).run();
  return der;
}

void Store::in_snapshot(const std::function<void()>& read) const {
  Database& db = impl_->db;
  if (db.in_transaction()) return read();
  db.run("BEGIN");
  try {
    read();
    db.run("COMMIT");
  } catch (...) {
    if (db.in_transaction()) db.run("ROLLBACK");
    throw;
  }
}

} // namespace trust
