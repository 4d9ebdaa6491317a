// Reading trust.db.

#include "libtrust/snapshot.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <tuple>
#include <utility>

#include "libtrust/absolute.h"
#include "libtrust/error.h"
#include "libtrust/file.h"

namespace trust {
namespace {

constexpr const char* kDaemonHint = "trustctl start";

// What is greater than every text with this prefix that we keep: they are ASCII.
std::string after(std::string_view prefix) { return std::string(prefix) + '\x7f'; }

std::string described(const Entry& entry) {
  std::string text = entry.certificate.fingerprint.text();
  if (!entry.label.empty()) text += " (" + entry.label + ")";
  return text;
}

bool is_generation_name(std::string_view name) {
  constexpr std::string_view kPrefix = "gen-";
  return name.starts_with(kPrefix) && name.size() > kPrefix.size() &&
         name.find_first_not_of("0123456789", kPrefix.size()) == std::string_view::npos;
}

// What `current` says; Error{store_missing} if there is none.
std::string current_of(int directory, const std::string& path) {
  char target[64];
  const ssize_t length = ::readlinkat(directory, "current", target, sizeof target);
  if (length < 0) {
    if (errno == ENOENT)
      throw Error(Code::store_missing, "nothing is published at " + path, kDaemonHint);
    if (errno == EINVAL) throw Error(Code::store_invalid, path + "/current is not a link");
    throw system_error("cannot read " + path + "/current", errno);
  }
  std::string name(target, static_cast<std::size_t>(length));
  if (!is_generation_name(name))
    throw Error(Code::store_invalid,
                path + "/current points to " + shown(name) + ", which is no generation");
  return name;
}

constexpr const char* kTrustDb = "trust.db";

Fd open_file_at(int directory, const char* name) {
  return Fd(::openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

[[noreturn]] void cannot_open(const std::string& name) {
  if (errno == ENOENT) throw Error(Code::store_invalid, name + " is missing");
  throw system_error("cannot open " + name, errno);
}

} // namespace

Snapshot::Snapshot(std::unique_ptr<SnapshotDatabase> impl) : impl_(std::move(impl)) {}
Snapshot::Snapshot(Snapshot&&) noexcept = default;
Snapshot& Snapshot::operator=(Snapshot&&) noexcept = default;
Snapshot::~Snapshot() = default;

Snapshot Snapshot::open(const std::string& store_directory) try {
  const std::string path = absolute_path(store_directory);
  const StoreDirectory directory(path);
  // A generation that we have read the name of may be pruned before we open it, seldom once.
  constexpr int kTries = 20;
  for (int left = kTries;; --left) {
    const std::string current = current_of(directory.fd(), path);
    const std::string name = path + "/" + current;
    const Fd generation(
        ::openat(directory.fd(), current.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!generation) {
      if (errno == ENOENT && left > 0) continue;
      if (errno == ENOENT)
        throw Error(Code::store_invalid, path + "/current points to nothing", kDaemonHint);
      throw system_error("cannot open " + name, errno);
    }
    directory.check(generation.get(), name);
    const Fd file = open_file_at(generation.get(), kTrustDb);
    if (!file && errno == ENOENT && left > 0) continue; // it is just being removed
    if (!file) cannot_open(name + "/" + kTrustDb);
    directory.check(file.get(), name + "/trust.db");
    auto database = std::make_unique<SnapshotDatabase>(file.get(), name + "/trust.db");
    if (database->has_pin_index()) {
      const std::string index_name = name + "/" + kPinIndex;
      Fd index = open_file_at(generation.get(), kPinIndex);
      if (!index && errno == ENOENT && left > 0) continue;
      if (!index) cannot_open(index_name);
      directory.check(index.get(), index_name);
      database->open_pin_index(std::move(index), index_name);
    }
    return Snapshot(std::move(database));
  }
} catch (const Error& error) {
  if (error.code() == Code::not_found)
    throw Error(Code::store_missing, "there is no store: " + error.message(), kDaemonHint);
  if (error.code() == Code::io) throw Error(Code::store_access, error.message(), error.hint());
  throw;
}

Snapshot Snapshot::open_at(int generation_directory, const std::string& name) {
  const Fd file = open_file_at(generation_directory, kTrustDb);
  if (!file) cannot_open(name + "/" + kTrustDb);
  auto database = std::make_unique<SnapshotDatabase>(file.get(), name + "/" + kTrustDb);
  if (database->has_pin_index()) {
    Fd index = open_file_at(generation_directory, kPinIndex);
    if (!index) cannot_open(name + "/" + kPinIndex);
    database->open_pin_index(std::move(index), name + "/" + kPinIndex);
  }
  return Snapshot(std::move(database));
}

const SnapshotHeader& Snapshot::header() const noexcept { return impl_->header; }

std::vector<Entry> Snapshot::by_fingerprint(const Fingerprint& fingerprint) const {
  Query query(impl_->db, "SELECT id FROM entry WHERE fingerprint = ? ORDER BY layer, id",
              fingerprint.bytes);
  return impl_->entries(query);
}

std::vector<Entry> Snapshot::by_subject(std::uint32_t subject_hash) const {
  Query query(impl_->db, "SELECT id FROM entry WHERE subject_hash = ? ORDER BY layer, id",
              subject_hash);
  return impl_->entries(query);
}

std::vector<Entry> Snapshot::by_spki(const Digest& spki_hash) const {
  Query query(impl_->db, "SELECT id FROM entry WHERE spki = ? ORDER BY layer, id", spki_hash);
  return impl_->entries(query);
}

std::vector<StoredEntry> Snapshot::roots_of_subject(std::uint32_t subject_hash,
                                                    std::size_t limit) const {
  Query query(impl_->db,
              "SELECT id FROM entry INDEXED BY entry_root WHERE subject_hash = ? AND trust = 0 "
              "ORDER BY layer, id DESC LIMIT ?",
              subject_hash, static_cast<std::uint64_t>(limit));
  return impl_->listed(query);
}

std::optional<Entry> Snapshot::distrusting(const Fingerprint& fingerprint,
                                           const Digest& spki_hash) const {
  {
    Query query(impl_->db,
                "SELECT id FROM entry INDEXED BY entry_distrusted WHERE spki = ? AND trust = 2 AND "
                "(flags & 8) = 0 ORDER BY layer DESC, id LIMIT 1",
                spki_hash);
    auto found = impl_->listed(query);
    if (!found.empty()) return std::move(found.front().entry);
  }
  Query query(impl_->db,
              "SELECT id FROM entry INDEXED BY entry_fingerprint WHERE fingerprint = ? AND "
              "trust = 2 ORDER BY layer DESC, id LIMIT 1",
              fingerprint.bytes);
  auto found = impl_->listed(query);
  if (found.empty()) return std::nullopt;
  return std::move(found.front().entry);
}

bool Snapshot::distrusts_key(const Digest& spki_hash) const {
  Query query(impl_->db,
              "SELECT id FROM entry INDEXED BY entry_distrusted WHERE spki = ? AND trust = 2 AND "
              "(flags & 8) = 0 LIMIT 1",
              spki_hash);
  return !impl_->listed(query).empty(); // its hash is looked at
}

Entry Snapshot::find(std::string_view id, std::size_t least_digits) const {
  const Error unknown(Code::not_found, "nothing in the store is called \"" + shown(id) + "\"",
                      "trustctl list");
  std::optional<Fingerprint> whole;
  try {
    whole = Fingerprint::parse(id);
  } catch (const Error&) {
    // Not a fingerprint: a label or a prefix.
  }
  if (whole) {
    auto found = by_fingerprint(*whole);
    if (found.empty()) throw unknown;
    return std::move(found.front());
  }
  {
    Query query(impl_->db,
                "SELECT id FROM entry WHERE label = ? AND label <> '' ORDER BY layer, id LIMIT 1",
                id);
    auto found = impl_->entries(query);
    if (!found.empty()) return std::move(found.front());
  }
  if (!is_hex(id) || id.size() >= kFingerprintDigits) throw unknown;
  if (id.size() < least_digits)
    throw Error(Code::not_found,
                "\"" + std::string(id) + "\" is no label, and of a fingerprint at least " +
                    std::to_string(least_digits) + " digits are wanted here",
                "trustctl list");
  const auto [low, high] = digests_with(id);
  Query query(
      impl_->db,
      "SELECT id FROM entry WHERE fingerprint BETWEEN ? AND ? ORDER BY fingerprint, layer LIMIT 6",
      low, high);
  auto found = impl_->entries(query);
  if (found.empty()) throw unknown;
  // The same certificate may be in every layer.
  for (const Entry& other : found)
    if (other.certificate.fingerprint != found.front().certificate.fingerprint)
      throw Error(Code::conflict, "\"" + std::string(id) + "\" could be " +
                                      described(found.front()) + " or " + described(other));
  return std::move(found.front());
}

std::optional<StoredEntry> Snapshot::by_id(std::int64_t id) const { return impl_->entry(id); }

std::optional<Bytes> Snapshot::der(std::int64_t entry_id) const {
  auto stored = by_id(entry_id);
  if (!stored) return std::nullopt;
  if (sha256(stored->der) != stored->entry.certificate.fingerprint.bytes)
    throw Error(Code::store_invalid, impl_->db.name() + " is damaged: the certificate of entry " +
                                         std::to_string(entry_id) + " has another fingerprint");
  return std::move(stored->der);
}

std::vector<PinRow> Snapshot::pins_for(const Host& host, Port port) const {
  std::vector<PinRow> found;
  const auto take = [&](const PinRow& pin) {
    const bool port_fits = port == 0 || pin.pattern.port == 0 || pin.pattern.port == port;
    if (port_fits && pin.pattern.pattern.matches(host)) found.push_back(pin);
  };
  for (const std::string& pattern : candidate_patterns(host)) {
    const auto shape = pin_shape_of(pattern);
    if (shape && !impl_->shapes.contains(*shape)) continue;
    for (const PinRow& pin : impl_->pins_with(pattern)) take(pin);
  }
  if (host.is_address() && impl_->shapes.contains(kNetworkShape))
    for (const PinRow& pin : impl_->pins_with(kNetworks)) take(pin);
  // Of two that are as specific, the first that was added.
  const auto rank = [](const PinRow& pin) {
    return std::tuple(-pin.pattern.pattern.specificity(), pin.pattern.port == 0, pin.id);
  };
  std::sort(found.begin(), found.end(),
            [&](const PinRow& a, const PinRow& b) { return rank(a) < rank(b); });
  return found;
}

std::vector<std::string> Snapshot::labels(std::string_view prefix, std::size_t limit) const {
  std::vector<std::string> found;
  Query query(impl_->db,
              "SELECT DISTINCT label FROM entry WHERE label >= ? AND label < ? AND label <> '' "
              "ORDER BY label LIMIT ?",
              prefix, after(prefix), static_cast<std::uint64_t>(limit));
  while (query.step()) found.push_back(query.text(0));
  return found;
}

std::vector<std::string> Snapshot::hosts(std::string_view prefix, std::size_t limit) const {
  std::vector<std::string> found;
  Query query(impl_->db,
              "SELECT DISTINCT name FROM host WHERE name >= ? AND name < ? ORDER BY name LIMIT ?",
              prefix, after(prefix), static_cast<std::uint64_t>(limit));
  while (query.step()) found.push_back(query.text(0));
  return found;
}

// ---- for publication ---------------------------------------------------------

namespace {

// Calls `visit` for each run of rows that have the same key and subject.
void visit_pairs(Query& query, const std::string& name, const Snapshot::PairVisitor& visit) {
  std::vector<StoredEntry> same_pair;
  while (query.step()) {
    StoredEntry next = stored_entry_of(query, name);
    const CertificateFacts& facts = next.entry.certificate;
    if (!same_pair.empty()) {
      const CertificateFacts& before = same_pair.front().entry.certificate;
      if (before.spki_hash != facts.spki_hash || before.subject_hash != facts.subject_hash) {
        visit(same_pair);
        same_pair.clear();
      }
    }
    same_pair.push_back(std::move(next));
  }
  if (!same_pair.empty()) visit(same_pair);
}

std::vector<std::uint32_t> numbers_of(Query& query) {
  std::vector<std::uint32_t> found;
  while (query.step()) found.push_back(static_cast<std::uint32_t>(query.integer(0)));
  return found;
}

} // namespace

void Snapshot::each_pair(const PairVisitor& visit) const {
  Query query(impl_->db, "SELECT " TRUST_SNAPSHOT_ENTRY
                         " FROM entry INDEXED BY entry_spki ORDER BY spki, subject_hash, id");
  visit_pairs(query, impl_->db.name(), visit);
}

void Snapshot::each_pair_of(std::uint32_t subject_hash, const PairVisitor& visit) const {
  Query query(impl_->db,
              "SELECT " TRUST_SNAPSHOT_ENTRY " FROM entry WHERE subject_hash = ? ORDER BY spki, id",
              subject_hash);
  visit_pairs(query, impl_->db.name(), visit);
}

std::vector<std::uint32_t> Snapshot::subjects_of_key(const Digest& spki_hash) const {
  Query query(impl_->db, "SELECT DISTINCT subject_hash FROM entry WHERE spki = ?", spki_hash);
  return numbers_of(query);
}

std::vector<std::uint32_t> Snapshot::subjects_of_label(std::string_view label) const {
  Query query(impl_->db, "SELECT DISTINCT subject_hash FROM entry WHERE label = ? AND label <> ''",
              label);
  return numbers_of(query);
}

std::vector<std::uint32_t> Snapshot::subjects_ended(UnixTime after_time, UnixTime until) const {
  Query query(impl_->db,
              "SELECT DISTINCT subject_hash FROM entry WHERE expires_at IS NOT NULL "
              "AND expires_at > ? AND expires_at <= ?",
              after_time, until);
  return numbers_of(query);
}

std::size_t Snapshot::count_of_subject(std::uint32_t subject_hash) const {
  Query query(impl_->db, "SELECT count(*) FROM entry WHERE subject_hash = ?", subject_hash);
  query.step();
  return static_cast<std::size_t>(query.integer(0));
}

bool Snapshot::has_many_keys(std::uint32_t subject_hash) const {
  // Rows of the index lie in order of the key: the first and the last tell.
  Query query(impl_->db,
              "SELECT (SELECT min(spki) FROM entry WHERE subject_hash = ?1) <> "
              "(SELECT max(spki) FROM entry WHERE subject_hash = ?1)",
              subject_hash);
  return query.step() && query.integer(0) != 0;
}

std::optional<std::int64_t> Snapshot::labelled(std::string_view label) const {
  Query query(impl_->db,
              "SELECT id FROM entry WHERE label = ? AND label <> '' ORDER BY layer, id LIMIT 1",
              label);
  if (!query.step()) return std::nullopt;
  return query.integer(0);
}

std::optional<Digest> Snapshot::file(std::string_view name) const {
  Query query(impl_->db, "SELECT digest FROM file WHERE name = ?", name);
  if (!query.step()) return std::nullopt;
  return query.digest(0);
}

void Snapshot::each_file(
    std::string_view prefix,
    const std::function<void(std::string_view name, const Digest&)>& visit) const {
  Query query(impl_->db, "SELECT name, digest FROM file WHERE name >= ? AND name < ? ORDER BY name",
              prefix, after(prefix));
  while (query.step()) visit(query.view(0), query.digest(1));
}

std::size_t Snapshot::count_files(std::string_view prefix) const {
  Query query(impl_->db, "SELECT count(*) FROM file WHERE name >= ? AND name < ?", prefix,
              after(prefix));
  query.step();
  return static_cast<std::size_t>(query.integer(0));
}

std::size_t Snapshot::count_entries() const {
  Query query(impl_->db, "SELECT count(*) FROM entry INDEXED BY entry_subject");
  query.step();
  return static_cast<std::size_t>(query.integer(0));
}

std::vector<std::string> Snapshot::warnings(std::size_t limit) const {
  std::vector<std::string> found;
  Query query(impl_->db, "SELECT text FROM warning ORDER BY text LIMIT ?",
              static_cast<std::uint64_t>(limit));
  while (query.step()) found.push_back(query.text(0));
  return found;
}

void Snapshot::each_entry(const std::function<void(const Entry&, ByteView der)>& visit) const {
  Query query(impl_->db, "SELECT " TRUST_SNAPSHOT_ENTRY " FROM entry ORDER BY id");
  while (query.step()) {
    const StoredEntry stored = stored_entry_of(query, impl_->db.name());
    visit(stored.entry, stored.der);
  }
}

void Snapshot::each_pin(const std::function<void(const PinRow&)>& visit) const {
  trust::each_pin(impl_->db, visit);
}

} // namespace trust
