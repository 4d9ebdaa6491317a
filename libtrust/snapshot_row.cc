#include "libtrust/snapshot_row.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <utility>
#include <variant>

#include "libtrust/error.h"
#include "libtrust/little_endian.h"
#include "libtrust/page_file.h"
#include "libtrust/row_form.h"

namespace trust {

// `host` is what a person may mean when they type the first letters of a server: names of leaves,
// scopes and pins. `file` lists certs/, by-label/ and hashed/ with digests, as MANIFEST.json
// does, but so that one can be looked up. `warning` says what could not be emitted. Every table and
// index costs each process that opens the file: SQLite reads them all at its first query.
const char* const kSnapshotTables = R"sql(
CREATE TABLE header(
  store_id TEXT NOT NULL, generation INTEGER NOT NULL, created_at INTEGER NOT NULL,
  audit_head TEXT NOT NULL, pins_of INTEGER, pin_shapes TEXT NOT NULL, hash BLOB NOT NULL
);
CREATE TABLE entry(
  id INTEGER PRIMARY KEY, layer INTEGER NOT NULL, trust INTEGER NOT NULL,
  fingerprint BLOB NOT NULL, spki BLOB NOT NULL, subject_hash INTEGER NOT NULL,
  subject TEXT NOT NULL, issuer TEXT NOT NULL, serial TEXT NOT NULL,
  not_before INTEGER NOT NULL, not_after INTEGER NOT NULL, names BLOB NOT NULL,
  key_kind TEXT NOT NULL, signature_kind TEXT NOT NULL, flags INTEGER NOT NULL,
  label TEXT NOT NULL, hosts TEXT NOT NULL, reason TEXT NOT NULL, owner INTEGER NOT NULL,
  added_at INTEGER NOT NULL, expires_at INTEGER, since INTEGER NOT NULL,
  der BLOB NOT NULL, hash BLOB NOT NULL
);
CREATE TABLE pin(
  id INTEGER PRIMARY KEY, layer INTEGER NOT NULL, spki BLOB NOT NULL, pattern TEXT NOT NULL,
  port INTEGER NOT NULL, mode INTEGER NOT NULL, role INTEGER NOT NULL, position INTEGER NOT NULL,
  expires_at INTEGER, note TEXT NOT NULL, owner INTEGER NOT NULL, added_at INTEGER NOT NULL,
  since INTEGER NOT NULL, hash BLOB NOT NULL
);
CREATE TABLE host(
  name TEXT NOT NULL, of_pin INTEGER NOT NULL, id INTEGER NOT NULL,
  PRIMARY KEY(name, of_pin, id)
) WITHOUT ROWID;
CREATE TABLE file(
  name TEXT PRIMARY KEY NOT NULL, digest BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE warning(
  subject_hash INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY(subject_hash, text)
) WITHOUT ROWID;
)sql";

const char* const kSnapshotIndexes = R"sql(
CREATE INDEX entry_spki ON entry(spki, subject_hash, id);
CREATE INDEX entry_distrusted ON entry(spki, (flags & 8), layer DESC, id) WHERE trust = 2;
CREATE INDEX entry_root ON entry(subject_hash, layer, id DESC) WHERE trust = 0;
CREATE INDEX entry_fingerprint ON entry(fingerprint);
CREATE INDEX entry_subject ON entry(subject_hash, spki, id);
CREATE INDEX entry_label ON entry(label) WHERE label <> '';
CREATE INDEX entry_end ON entry(expires_at) WHERE expires_at IS NOT NULL;
)sql";

namespace {

// In trust.db and, as numbers, in an index above.
enum Flag : int { kIsCa = 1, kCouldSign = 2, kSelfSigned = 4, kOnlyThis = 8, kEmitSigning = 16 };

// Names of a certificate may hold any byte.
std::string packed(const std::vector<std::string>& names) {
  std::string bytes;
  for (const std::string& name : names) {
    append_little(bytes, static_cast<std::uint32_t>(name.size()));
    bytes += name;
  }
  return bytes;
}

std::vector<std::string> unpacked(std::string_view bytes) {
  std::vector<std::string> names;
  while (bytes.size() >= sizeof(std::uint32_t)) {
    const std::size_t size = little_at<std::uint32_t>(view_of(bytes).data());
    bytes.remove_prefix(sizeof(std::uint32_t));
    if (size > bytes.size()) break; // cannot be: the row's hash was checked
    names.emplace_back(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  return names;
}

std::string joined(const std::vector<Pattern>& hosts) {
  std::string text;
  for (const Pattern& host : hosts) text += (text.empty() ? "" : " ") + host.text();
  return text;
}

std::vector<Pattern> split(std::string_view text) {
  std::vector<Pattern> hosts;
  while (!text.empty()) {
    const std::size_t space = text.find(' ');
    hosts.push_back(Pattern::parse(text.substr(0, space)));
    text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
  }
  return hosts;
}

Digest entry_hash(const Entry& entry, const std::string& names, std::int64_t flags,
                  const std::string& hosts, ByteView der) {
  const CertificateFacts& facts = entry.certificate;
  RowForm form("entry");
  form.add(entry.id);
  form.add(static_cast<std::int64_t>(entry.layer));
  form.add(static_cast<std::int64_t>(entry.trust));
  form.add(facts.fingerprint.bytes);
  form.add(facts.spki_hash);
  form.add(static_cast<std::int64_t>(facts.subject_hash));
  form.add(std::string_view(facts.subject));
  form.add(std::string_view(facts.issuer));
  form.add(std::string_view(facts.serial));
  form.add(facts.not_before);
  form.add(facts.not_after);
  form.add(view_of(names));
  form.add(std::string_view(facts.key_kind));
  form.add(std::string_view(facts.signature_kind));
  form.add(flags);
  form.add(std::string_view(entry.label));
  form.add(std::string_view(hosts));
  form.add(std::string_view(entry.reason));
  form.add(static_cast<std::int64_t>(entry.owner));
  form.add(entry.added_at);
  form.add(entry.expires_at);
  form.add(static_cast<std::int64_t>(entry.since));
  form.add(der);
  return form.digest();
}

Digest header_hash(const StoredHeader& stored) {
  const SnapshotHeader& header = stored.header;
  RowForm form("header");
  form.add(std::string_view(header.store_id));
  form.add(static_cast<std::int64_t>(header.generation));
  form.add(header.created_at);
  form.add(std::string_view(header.audit_head));
  form.add(stored.pins_of ? std::optional(static_cast<std::int64_t>(*stored.pins_of))
                          : std::nullopt);
  form.add(std::string_view(text_of(stored.shapes)));
  return form.digest();
}

[[noreturn]] void refuse_form(const std::string& name, std::int64_t form) {
  throw Error(Code::store_invalid,
              name + " has form " + std::to_string(form) + ", this program reads form " +
                  std::to_string(kSnapshotFormat),
              "use programs and a daemon of the same release");
}

// Before a page is read, for in another form its hash may be another. By the header of SQLite's
// file format, section 1.3: big-endian, user_version at 60, application_id at 68.
void check_form(int file, const std::string& name) {
  std::array<std::uint8_t, 72> head{};
  if (::pread(file, head.data(), head.size(), 0) != static_cast<ssize_t>(head.size())) return;
  const auto number_at = [&](std::size_t at) {
    std::uint32_t number = 0;
    for (std::size_t i = at; i < at + 4; ++i) number = number << 8 | head[i];
    return number;
  };
  const std::uint32_t form = number_at(60);
  if (number_at(68) == kSnapshotApplicationId && form != kSnapshotFormat) refuse_form(name, form);
}

void insert_host(Database& db, const Host& host, bool of_pin, std::int64_t id) {
  Query(db, "INSERT OR IGNORE INTO host VALUES(?, ?, ?)", host.text(), of_pin, id).run();
}

} // namespace

SnapshotDatabase::SnapshotDatabase(int file, const std::string& name) {
  struct stat facts;
  if (::fstat(file, &facts) != 0) throw system_error("cannot read " + name, errno);
  if (!S_ISREG(facts.st_mode)) throw Error(Code::store_invalid, name + " is no regular file");
  check_form(file, name);
  db = open_page_file(file, name);
  StoredHeader stored = read_header(db);
  header = std::move(stored.header);
  pins_of = stored.pins_of;
  shapes = std::move(stored.shapes);
}

void SnapshotDatabase::open_pin_index(Fd file, const std::string& name) {
  pin_index_.emplace(std::move(file), name, HashFileId{header.store_id, pins_of.value()});
}

std::vector<PinRow> SnapshotDatabase::pins_with(std::string_view pattern) const {
  std::vector<PinRow> found;
  if (!has_pin_index()) return found;
  if (!pin_index_) throw Error(Code::internal, "the pins of " + db.name() + " were not opened");
  pin_index_->each(pattern, [&](ByteView value) {
    auto indexed = indexed_pin(pattern, value, pin_index_->name());
    if (auto* const pin = std::get_if<PinRow>(&indexed)) {
      found.push_back(std::move(*pin));
      return;
    }
    const std::int64_t id = std::get<std::int64_t>(indexed);
    Query query(db, "SELECT " TRUST_SNAPSHOT_PIN " FROM pin WHERE id = ?", id);
    if (!query.step()) refuse_row(db.name(), "pin " + std::to_string(id));
    found.push_back(snapshot_pin_of(query, db.name()));
  });
  return found;
}

std::optional<StoredEntry> SnapshotDatabase::entry(std::int64_t id) const {
  Query query(db, "SELECT " TRUST_SNAPSHOT_ENTRY " FROM entry WHERE id = ?", id);
  if (!query.step()) return std::nullopt;
  return stored_entry_of(query, db.name());
}

std::vector<StoredEntry> SnapshotDatabase::listed(Query& ids) const {
  std::vector<StoredEntry> found;
  while (ids.step()) {
    auto stored = entry(ids.integer(0));
    if (!stored) refuse_row(db.name(), "entry " + std::to_string(ids.integer(0)));
    found.push_back(*std::move(stored));
  }
  return found;
}

std::vector<Entry> SnapshotDatabase::entries(Query& ids) const {
  std::vector<Entry> found;
  for (StoredEntry& stored : listed(ids)) found.push_back(std::move(stored.entry));
  return found;
}

void write_header(Database& db, const StoredHeader& stored) {
  const SnapshotHeader& header = stored.header;
  db.run("DELETE FROM header");
  Query(db, "INSERT INTO header VALUES(?, ?, ?, ?, ?, ?, ?)", header.store_id, header.generation,
        header.created_at, header.audit_head, stored.pins_of, text_of(stored.shapes),
        header_hash(stored))
      .run();
}

StoredHeader read_header(Database& db) {
  const auto pragma = [&](std::string_view sql) {
    Query query(db, sql);
    return query.step() ? query.integer(0) : 0;
  };
  if (pragma("PRAGMA application_id") != kSnapshotApplicationId)
    throw Error(Code::store_invalid, db.name() + " is no snapshot of a trustd store");
  const std::int64_t form = pragma("PRAGMA user_version");
  if (form != kSnapshotFormat) refuse_form(db.name(), form);
  Query query(db,
              "SELECT store_id, generation, created_at, audit_head, pins_of, pin_shapes, hash "
              "FROM header");
  if (!query.step()) throw Error(Code::store_invalid, db.name() + " has no header");
  StoredHeader stored;
  SnapshotHeader& header = stored.header;
  header.store_id = query.text(0);
  header.generation = static_cast<GenerationNumber>(query.integer(1));
  header.created_at = query.integer(2);
  header.audit_head = query.text(3);
  if (const auto number = query.maybe_integer(4))
    stored.pins_of = static_cast<GenerationNumber>(*number);
  stored.shapes = shapes_of(query.view(5));
  if (header_hash(stored) != query.digest(6)) refuse_row(db.name(), "its header");
  return stored;
}

void insert_entry(Database& db, const Entry& entry, ByteView der) {
  const CertificateFacts& facts = entry.certificate;
  const std::string names = packed(facts.names), hosts = joined(entry.hosts);
  const std::int64_t flags = (facts.is_ca ? kIsCa : 0) | (facts.could_sign ? kCouldSign : 0) |
                             (facts.is_self_signed ? kSelfSigned : 0) |
                             (entry.only_this_certificate ? kOnlyThis : 0) |
                             (entry.emit_signing ? kEmitSigning : 0);
  Query(
      db,
      "INSERT INTO entry VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
      "?, ?)",
      entry.id, static_cast<int>(entry.layer), static_cast<int>(entry.trust),
      facts.fingerprint.bytes, facts.spki_hash, facts.subject_hash, facts.subject, facts.issuer,
      facts.serial, facts.not_before, facts.not_after, view_of(names), facts.key_kind,
      facts.signature_kind, flags, entry.label, hosts, entry.reason, entry.owner, entry.added_at,
      entry.expires_at, entry.since, der, entry_hash(entry, names, flags, hosts, der))
      .run();
  if (entry.layer == Layer::base || entry.trust == Trust::distrusted) return;
  for (const Pattern& pattern : entry.hosts)
    if (pattern.kind() == Pattern::Kind::host) insert_host(db, pattern.base(), false, entry.id);
  if (entry.trust != Trust::leaf) return;
  for (const std::string& name : facts.names)
    if (const auto host = Host::try_parse(name)) insert_host(db, *host, false, entry.id);
}

void remove_entry(Database& db, std::int64_t id) {
  {
    Query query(db, "SELECT names, hosts FROM entry WHERE id = ?", id);
    if (!query.step()) return;
    std::vector<Host> hosts;
    for (const Pattern& pattern : split(query.view(1)))
      if (pattern.kind() == Pattern::Kind::host) hosts.push_back(pattern.base());
    for (const std::string& name : unpacked(query.view(0)))
      if (const auto host = Host::try_parse(name)) hosts.push_back(*host);
    for (const Host& host : hosts)
      Query(db, "DELETE FROM host WHERE name = ? AND of_pin = 0 AND id = ?", host.text(), id).run();
  }
  Query(db, "DELETE FROM entry WHERE id = ?", id).run();
}

StoredEntry stored_entry_of(const Query& row, const std::string& name) {
  StoredEntry stored;
  Entry& entry = stored.entry;
  CertificateFacts& facts = entry.certificate;
  entry.id = row.integer(0);
  entry.layer = static_cast<Layer>(row.integer(1));
  entry.trust = static_cast<Trust>(row.integer(2));
  facts.fingerprint.bytes = row.digest(3);
  facts.spki_hash = row.digest(4);
  facts.subject_hash = static_cast<std::uint32_t>(row.integer(5));
  facts.subject = row.text(6);
  facts.issuer = row.text(7);
  facts.serial = row.text(8);
  facts.not_before = row.integer(9);
  facts.not_after = row.integer(10);
  const ByteView packed_names = row.bytes(11);
  const std::string names(reinterpret_cast<const char*>(packed_names.data()), packed_names.size());
  facts.key_kind = row.text(12);
  facts.signature_kind = row.text(13);
  const std::int64_t flags = row.integer(14);
  entry.label = row.text(15);
  const std::string hosts = row.text(16);
  entry.reason = row.text(17);
  entry.owner = static_cast<uid_t>(row.integer(18));
  entry.added_at = row.integer(19);
  entry.expires_at = row.maybe_integer(20);
  entry.since = static_cast<GenerationNumber>(row.integer(21));
  const ByteView der = row.bytes(22);
  // Before anything is believed or parsed.
  if (entry_hash(entry, names, flags, hosts, der) != row.digest(23))
    refuse_row(name, "entry " + std::to_string(entry.id));
  facts.names = unpacked(names);
  facts.is_ca = (flags & kIsCa) != 0;
  facts.could_sign = (flags & kCouldSign) != 0;
  facts.is_self_signed = (flags & kSelfSigned) != 0;
  entry.only_this_certificate = (flags & kOnlyThis) != 0;
  entry.emit_signing = (flags & kEmitSigning) != 0;
  entry.hosts = split(hosts);
  stored.der.assign(der.begin(), der.end());
  return stored;
}

void insert_pin(Database& db, const PinRow& pin) {
  const Pattern& pattern = pin.pattern.pattern;
  Query(db, "INSERT INTO pin VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", pin.id,
        static_cast<int>(pin.layer), pin.pin.spki_hash, pattern.text(),
        static_cast<int>(pin.pattern.port), static_cast<int>(pin.mode), static_cast<int>(pin.role),
        static_cast<int>(pin.position), pin.expires_at, pin.note, pin.owner, pin.added_at,
        pin.since, pin_hash(pin))
      .run();
  if (pattern.kind() == Pattern::Kind::host) insert_host(db, pattern.base(), true, pin.id);
}

void remove_pin(Database& db, std::int64_t id, std::string_view pattern) {
  Query(db, "DELETE FROM host WHERE name = ? AND of_pin = 1 AND id = ?", pattern, id).run();
  Query(db, "DELETE FROM pin WHERE id = ?", id).run();
}

PinRow snapshot_pin_of(const Query& row, const std::string& name) {
  PinRow pin;
  pin.id = row.integer(0);
  pin.layer = static_cast<Layer>(row.integer(1));
  pin.pin.spki_hash = row.digest(2);
  pin.pattern.pattern = Pattern::parse(row.view(3));
  pin.pattern.port = static_cast<Port>(row.integer(4));
  pin.mode = static_cast<PinRow::Mode>(row.integer(5));
  pin.role = static_cast<PinRow::Role>(row.integer(6));
  pin.position = static_cast<PinRow::Position>(row.integer(7));
  pin.expires_at = row.maybe_integer(8);
  pin.note = row.text(9);
  pin.owner = static_cast<uid_t>(row.integer(10));
  pin.added_at = row.integer(11);
  pin.since = static_cast<GenerationNumber>(row.integer(12));
  if (pin_hash(pin) != row.digest(13)) refuse_row(name, "pin " + std::to_string(pin.id));
  return pin;
}

void each_pin(Database& db, const std::function<void(const PinRow&)>& visit) {
  Query query(db, "SELECT " TRUST_SNAPSHOT_PIN " FROM pin ORDER BY id");
  while (query.step()) visit(snapshot_pin_of(query, db.name()));
}

std::string pattern_of_pin(Database& db, std::int64_t id) {
  Query query(db, "SELECT pattern FROM pin WHERE id = ?", id);
  return query.step() ? query.text(0) : std::string();
}

} // namespace trust
