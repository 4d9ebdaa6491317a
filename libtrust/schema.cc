#include "libtrust/schema.h"

#include <openssl/rand.h>

#include <array>

#include "libtrust/error.h"

namespace trust {
namespace {

// Entries and pins are in force from `since` until before `until`. A certificate's columns are
// read once, at import, and never change. `ends_at` is what comes first, the certificate's end
// or the entry's. Pins stay when they lapse, since a lapsed pin is something to be told.
constexpr const char* kVersion1 = R"sql(
CREATE TABLE meta(
  name TEXT PRIMARY KEY NOT NULL,
  value TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE certificate(
  id INTEGER PRIMARY KEY,
  fingerprint BLOB NOT NULL UNIQUE CHECK(length(fingerprint) = 32),
  spki_hash BLOB NOT NULL CHECK(length(spki_hash) = 32),
  subject_hash INTEGER NOT NULL,
  subject TEXT NOT NULL,
  issuer TEXT NOT NULL,
  serial TEXT NOT NULL,
  not_before INTEGER NOT NULL,
  not_after INTEGER NOT NULL,
  names TEXT NOT NULL,
  key_kind TEXT NOT NULL,
  signature_kind TEXT NOT NULL,
  is_ca INTEGER NOT NULL,
  could_sign INTEGER NOT NULL,
  is_self_signed INTEGER NOT NULL,
  der BLOB NOT NULL
);
CREATE INDEX certificate_spki ON certificate(spki_hash, subject_hash);
CREATE TABLE entry(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  certificate INTEGER NOT NULL REFERENCES certificate(id),
  layer INTEGER NOT NULL,
  trust INTEGER NOT NULL,
  label TEXT NOT NULL,
  hosts TEXT NOT NULL,
  reason TEXT NOT NULL,
  owner INTEGER NOT NULL,
  added_at INTEGER NOT NULL,
  expires_at INTEGER,
  ends_at INTEGER NOT NULL,
  only_this INTEGER NOT NULL,
  emit_signing INTEGER NOT NULL,
  since INTEGER NOT NULL,
  until INTEGER
);
CREATE UNIQUE INDEX entry_now ON entry(certificate, layer) WHERE until IS NULL;
CREATE UNIQUE INDEX entry_label ON entry(label)
  WHERE until IS NULL AND layer = 0 AND label <> '';
CREATE INDEX entry_layer ON entry(layer, trust, id) WHERE until IS NULL;
CREATE INDEX entry_end ON entry(expires_at) WHERE until IS NULL AND expires_at IS NOT NULL;
CREATE INDEX entry_ends_at ON entry(ends_at) WHERE until IS NULL AND layer = 0;
CREATE INDEX entry_certificate ON entry(certificate);
CREATE INDEX entry_since ON entry(since);
CREATE INDEX entry_until ON entry(until) WHERE until IS NOT NULL;
CREATE TABLE pin(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  layer INTEGER NOT NULL,
  spki_hash BLOB NOT NULL CHECK(length(spki_hash) = 32),
  pattern TEXT NOT NULL,
  port INTEGER NOT NULL,
  is_network INTEGER NOT NULL,
  mode INTEGER NOT NULL,
  role INTEGER NOT NULL,
  position INTEGER NOT NULL,
  expires_at INTEGER,
  note TEXT NOT NULL,
  owner INTEGER NOT NULL,
  added_at INTEGER NOT NULL,
  lapsed INTEGER,
  since INTEGER NOT NULL,
  until INTEGER
);
CREATE INDEX pin_pattern ON pin(pattern) WHERE until IS NULL;
CREATE INDEX pin_network ON pin(id) WHERE until IS NULL AND is_network = 1;
CREATE INDEX pin_end ON pin(expires_at)
  WHERE until IS NULL AND lapsed IS NULL AND expires_at IS NOT NULL;
CREATE INDEX pin_layer ON pin(layer, id) WHERE until IS NULL;
CREATE INDEX pin_since ON pin(since);
CREATE INDEX pin_until ON pin(until) WHERE until IS NOT NULL;
CREATE TABLE generation(
  number INTEGER PRIMARY KEY,
  created_at INTEGER NOT NULL,
  action TEXT NOT NULL,
  summary TEXT NOT NULL,
  actor INTEGER NOT NULL
);
CREATE TABLE audit(
  number INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  uid INTEGER NOT NULL,
  pid INTEGER NOT NULL,
  executable TEXT NOT NULL,
  action TEXT NOT NULL,
  detail TEXT NOT NULL,
  reason TEXT NOT NULL,
  before INTEGER NOT NULL,
  after INTEGER NOT NULL,
  previous BLOB NOT NULL,
  hash BLOB NOT NULL
);
CREATE TABLE event(
  number INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  data TEXT NOT NULL
);
CREATE TABLE shadow(
  key BLOB PRIMARY KEY NOT NULL,
  der BLOB NOT NULL
) WITHOUT ROWID;
)sql";

// One alert is open for a cause at a time. Notices are what sinks are to be told, each sink up to a
// position of its own.
constexpr const char* kAlerts = R"sql(
CREATE TABLE alert(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  cause TEXT NOT NULL,
  kind INTEGER NOT NULL,
  severity INTEGER NOT NULL,
  target TEXT NOT NULL,
  fingerprint BLOB,
  summary TEXT NOT NULL,
  hint TEXT NOT NULL,
  threshold TEXT NOT NULL,
  ends_at INTEGER,
  breaks TEXT NOT NULL,
  raised_at INTEGER NOT NULL,
  acknowledged_at INTEGER,
  acknowledged_until INTEGER,
  resolved_at INTEGER
);
CREATE UNIQUE INDEX alert_open ON alert(cause) WHERE resolved_at IS NULL;
CREATE INDEX alert_open_id ON alert(id) WHERE resolved_at IS NULL;
CREATE INDEX alert_kind ON alert(kind, severity) WHERE resolved_at IS NULL;
CREATE INDEX alert_reminder ON alert(acknowledged_until)
  WHERE resolved_at IS NULL AND acknowledged_until IS NOT NULL;
CREATE INDEX alert_resolved ON alert(resolved_at) WHERE resolved_at IS NOT NULL;
CREATE TABLE notice(
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  what INTEGER NOT NULL,
  alert INTEGER NOT NULL REFERENCES alert(id) ON DELETE CASCADE
);
CREATE INDEX notice_alert ON notice(alert);
CREATE TABLE sink(
  name TEXT PRIMARY KEY NOT NULL,
  position INTEGER NOT NULL
) WITHOUT ROWID;
)sql";

// Identities: what was made and can be renewed, and every certificate each has had. The keys are
// in files; none of their bytes is here. `next_at` is when something is to be done about one.
constexpr const char* kIdentities = R"sql(
CREATE TABLE identity(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind INTEGER NOT NULL,
  label TEXT NOT NULL UNIQUE,
  certificate INTEGER NOT NULL UNIQUE REFERENCES certificate(id),
  names TEXT NOT NULL,
  key INTEGER NOT NULL,
  digest INTEGER NOT NULL,
  key_format INTEGER NOT NULL,
  days INTEGER NOT NULL,
  ca INTEGER NOT NULL,
  from_ca INTEGER NOT NULL,
  directory TEXT NOT NULL,
  renews INTEGER NOT NULL,
  after_renew TEXT NOT NULL,
  owner INTEGER NOT NULL,
  made_at INTEGER NOT NULL,
  next_at INTEGER,
  pending INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  problem TEXT NOT NULL
);
CREATE UNIQUE INDEX identity_ca ON identity(kind) WHERE kind = 1;
CREATE INDEX identity_next ON identity(next_at) WHERE next_at IS NOT NULL;
CREATE TABLE identity_certificate(
  identity INTEGER NOT NULL REFERENCES identity(id) ON DELETE CASCADE,
  certificate INTEGER NOT NULL REFERENCES certificate(id),
  PRIMARY KEY(identity, certificate)
) WITHOUT ROWID;
)sql";

// `due`: when to look at a row next. `told_for` is the moment of the threshold that was told of
// last, and `told_at` what the clock said then.
constexpr const char* kEndings = R"sql(
CREATE TABLE ending(
  id INTEGER PRIMARY KEY,
  cause TEXT NOT NULL UNIQUE,
  fingerprint BLOB,
  title TEXT NOT NULL,
  begins_at INTEGER NOT NULL,
  ends_at INTEGER NOT NULL,
  planned INTEGER NOT NULL,
  told TEXT NOT NULL,
  told_for INTEGER,
  told_at INTEGER,
  due INTEGER
);
CREATE INDEX ending_due ON ending(due) WHERE due IS NOT NULL;
CREATE INDEX ending_told ON ending(told_at) WHERE told_at IS NOT NULL;
CREATE TABLE dependant(
  kind INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  ending INTEGER NOT NULL REFERENCES ending(id),
  name TEXT NOT NULL,
  PRIMARY KEY(kind, owner, ending, name)
) WITHOUT ROWID;
CREATE INDEX dependant_ending ON dependant(ending);
CREATE TABLE pinned(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pattern TEXT NOT NULL,
  port INTEGER NOT NULL,
  backup INTEGER NOT NULL,
  UNIQUE(pattern, port)
);
CREATE INDEX pinned_lone ON pinned(id) WHERE backup = 0;
CREATE INDEX pin_key ON pin(spki_hash) WHERE until IS NULL;
CREATE TABLE watch(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind INTEGER NOT NULL,
  target TEXT NOT NULL,
  owner INTEGER NOT NULL,
  reason TEXT NOT NULL,
  added_at INTEGER NOT NULL,
  next_at INTEGER NOT NULL,
  looked_at INTEGER,
  first_seen_at INTEGER,
  last_seen_at INTEGER,
  failures INTEGER NOT NULL,
  problem TEXT NOT NULL,
  certificates INTEGER NOT NULL,
  fingerprint BLOB,
  not_before INTEGER,
  not_after INTEGER,
  ends_at INTEGER,
  verdict TEXT NOT NULL,
  trusted_by TEXT NOT NULL,
  pin_status TEXT NOT NULL,
  UNIQUE(kind, target)
);
CREATE INDEX watch_file ON watch(id) WHERE kind <> 0;
CREATE INDEX watch_next ON watch(next_at) WHERE kind = 0;
CREATE TABLE sighting(
  watch INTEGER NOT NULL,
  fingerprint BLOB NOT NULL,
  subject TEXT NOT NULL,
  issuer TEXT NOT NULL,
  not_before INTEGER NOT NULL,
  not_after INTEGER NOT NULL,
  succession INTEGER NOT NULL,
  spki_hash BLOB NOT NULL,
  anchor BLOB,
  self_signed INTEGER NOT NULL,
  trusted INTEGER NOT NULL,
  is_public INTEGER NOT NULL,
  first_seen_at INTEGER NOT NULL,
  last_seen_at INTEGER NOT NULL,
  UNIQUE(watch, fingerprint)
);
CREATE INDEX sighting_key ON sighting(spki_hash, not_after);
)sql";

constexpr std::array<const char*, kSchemaVersion> kSteps{kVersion1, kAlerts, kIdentities, kEndings};

int pragma(Database& db, const char* sql) {
  Query query(db, sql);
  query.step();
  return static_cast<int>(query.integer(0));
}

std::string new_store_id() {
  std::array<std::uint8_t, 16> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1)
    throw Error(Code::internal, "the system gives no random numbers");
  return hex(bytes);
}

} // namespace

void check_schema(Database& db) {
  const int application = pragma(db, "PRAGMA application_id");
  const int version = pragma(db, "PRAGMA user_version");
  if (application != kApplicationId)
    throw Error(Code::store_invalid, db.name() + " is not a database of trustd");
  if (version > kSchemaVersion)
    throw Error(Code::store_invalid, db.name() +
                                         " was written by a newer version of trustd (form " +
                                         std::to_string(version) + ", this one reads up to " +
                                         std::to_string(kSchemaVersion) + ")");
}

void migrate(Database& db) {
  if (pragma(db, "SELECT count(*) FROM sqlite_schema") == 0 &&
      pragma(db, "PRAGMA application_id") == 0) {
    db.run(("PRAGMA application_id = " + std::to_string(kApplicationId)).c_str());
  }
  check_schema(db);
  for (int version = pragma(db, "PRAGMA user_version"); version < kSchemaVersion; ++version) {
    db.run("BEGIN IMMEDIATE");
    try {
      db.run(kSteps[static_cast<std::size_t>(version)]);
      if (version == 0) Query(db, "INSERT INTO meta VALUES('store_id', ?)", new_store_id()).run();
      db.run(("PRAGMA user_version = " + std::to_string(version + 1)).c_str());
      db.run("COMMIT");
    } catch (...) {
      if (db.in_transaction()) db.run("ROLLBACK");
      throw;
    }
  }
}

} // namespace trust
