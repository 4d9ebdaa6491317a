// Reading the store: entries, pins, generations and what lies between two of them.

#include <algorithm>
#include <cstring>

#include "libtrust/error.h"
#include "libtrust/store_impl.h"

namespace trust {
namespace {

// `text` for LIKE, its own wildcards meant literally.
std::string like(std::string_view text) {
  std::string pattern = "%";
  for (const char c : text) {
    if (c == '%' || c == '_' || c == '\\') pattern += '\\';
    pattern += c;
  }
  return pattern + '%';
}

bool concerns(const Entry& entry, const Host& host) {
  if (!entry.hosts.empty())
    return std::any_of(entry.hosts.begin(), entry.hosts.end(),
                       [&](const Pattern& pattern) { return pattern.matches(host); });
  for (const std::string& name : entry.certificate.names) {
    if (name == host.text()) return true;
    if (name.starts_with("*.") && !host.is_address()) {
      const std::size_t dot = host.text().find('.');
      if (dot != std::string::npos && host.text().substr(dot) == name.substr(1)) return true;
    }
  }
  return false;
}

std::string described(const Entry& entry) {
  std::string text = entry.certificate.fingerprint.text();
  if (!entry.label.empty()) text += " (" + entry.label + ")";
  return text;
}

} // namespace

std::optional<Entry> Store::entry(const Fingerprint& fingerprint) const {
  Query query(impl_->db,
              "SELECT " TRUST_ENTRY_COLUMNS TRUST_ENTRY_TABLES
              "WHERE c.fingerprint = ? AND e.until IS NULL ORDER BY e.layer LIMIT 1",
              fingerprint.bytes);
  if (!query.step()) return std::nullopt;
  return entry_of(query);
}

std::optional<Entry> Store::Impl::own_labelled(std::string_view label) const {
  Query query(db,
              "SELECT " TRUST_ENTRY_COLUMNS TRUST_ENTRY_TABLES
              "WHERE e.label = ? AND e.label <> '' AND e.layer = 0 AND e.until IS NULL",
              label);
  if (!query.step()) return std::nullopt;
  return entry_of(query);
}

Entry Store::find(std::string_view id, std::size_t least_digits) const {
  const Error unknown(Code::not_found, "nothing in the store is called \"" + shown(id) + "\"",
                      "trustctl list");
  std::optional<Fingerprint> whole;
  try {
    whole = Fingerprint::parse(id);
  } catch (const Error&) {
    // Not a fingerprint: a label or a prefix.
  }
  if (whole) {
    if (auto found = entry(*whole)) return *std::move(found);
    throw Error(Code::not_found, "no certificate in the store has the fingerprint " + whole->text(),
                "trustctl list");
  }
  if (auto labelled = impl_->own_labelled(id)) return *std::move(labelled);
  if (!is_hex(id) || id.size() >= kFingerprintDigits) throw unknown;
  if (id.size() < least_digits)
    throw Error(Code::not_found,
                "\"" + std::string(id) + "\" is no label, and of a fingerprint at least " +
                    std::to_string(least_digits) + " digits are wanted here",
                "trustctl list");
  const auto [low, high] = digests_with(id);
  std::vector<Entry> found;
  Query query(impl_->db,
              "SELECT " TRUST_ENTRY_COLUMNS TRUST_ENTRY_TABLES
              "WHERE c.fingerprint BETWEEN ? AND ? AND e.until IS NULL "
              "ORDER BY c.fingerprint, e.layer LIMIT 6",
              low, high);
  while (query.step()) {
    Entry each = entry_of(query);
    if (found.empty() || found.back().certificate.fingerprint != each.certificate.fingerprint)
      found.push_back(std::move(each));
  }
  if (found.empty()) throw unknown;
  if (found.size() > 1)
    throw Error(Code::conflict, "\"" + std::string(id) + "\" could be " + described(found[0]) +
                                    " or " + described(found[1]));
  return std::move(found.front());
}

std::vector<Entry> Store::entries(const EntryFilter& filter, std::size_t limit,
                                  std::int64_t cursor) const {
  const int lowest = filter.only_base ? 1 : 0;
  const int highest = filter.include_base || filter.only_base ? 2 : 0;
  std::optional<std::int64_t> trust;
  if (filter.trust) trust = static_cast<std::int64_t>(*filter.trust);
  std::optional<std::string> text;
  std::string low_hex, high_hex;
  std::optional<Digest> low, high;
  if (filter.text) {
    text = like(*filter.text);
    if (is_hex(*filter.text) && filter.text->size() <= kFingerprintDigits)
      std::tie(low, high) = digests_with(*filter.text);
  }
  std::vector<Entry> found;
  if (filter.expires_before && highest == 0) {
    // From what ends, which is little, and not from all that is stored.
    Query query(impl_->db,
                "SELECT " TRUST_ENTRY_COLUMNS
                " FROM entry e INDEXED BY entry_ends_at JOIN certificate c ON c.id = e.certificate "
                "WHERE e.until IS NULL AND e.layer = 0 AND e.ends_at < ?5 AND e.id > ?1 "
                "AND (?4 IS NULL OR e.trust = ?4) AND (?6 IS NULL OR e.label = ?6) "
                "AND (?7 IS NULL OR c.subject LIKE ?7 ESCAPE '\\' OR e.label LIKE ?7 ESCAPE '\\' "
                "OR c.names LIKE ?7 ESCAPE '\\' OR c.fingerprint BETWEEN ?8 AND ?9) "
                "ORDER BY +e.id",
                cursor, lowest, highest, trust, filter.expires_before, filter.label, text, low,
                high);
    while (found.size() < limit && query.step()) {
      Entry each = entry_of(query);
      if (!filter.host || concerns(each, *filter.host)) found.push_back(std::move(each));
    }
    return found;
  }
  Query query(impl_->db,
              "SELECT " TRUST_ENTRY_COLUMNS TRUST_ENTRY_TABLES
              "WHERE e.id > ?1 AND e.until IS NULL AND e.layer BETWEEN ?2 AND ?3 "
              "AND (?4 IS NULL OR e.trust = ?4) AND (?5 IS NULL OR e.ends_at < ?5) "
              "AND (?6 IS NULL OR e.label = ?6) "
              "AND (?7 IS NULL OR c.subject LIKE ?7 ESCAPE '\\' OR e.label LIKE ?7 ESCAPE '\\' "
              "OR c.names LIKE ?7 ESCAPE '\\' OR c.fingerprint BETWEEN ?8 AND ?9) "
              "ORDER BY e.id",
              cursor, lowest, highest, trust, filter.expires_before, filter.label, text, low, high);
  while (found.size() < limit && query.step()) {
    Entry each = entry_of(query);
    if (!filter.host || concerns(each, *filter.host)) found.push_back(std::move(each));
  }
  return found;
}

std::optional<Bytes> Store::der(const Fingerprint& fingerprint) const {
  Query query(impl_->db, "SELECT der FROM certificate WHERE fingerprint = ?", fingerprint.bytes);
  if (!query.step()) return std::nullopt;
  const ByteView der = query.bytes(0);
  return Bytes(der.begin(), der.end());
}

std::vector<PinRow> Store::pins(std::size_t limit, std::int64_t cursor) const {
  std::vector<PinRow> found;
  Query query(impl_->db,
              "SELECT " TRUST_PIN_COLUMNS
              " FROM pin WHERE id > ? AND until IS NULL ORDER BY id LIMIT ?",
              cursor, static_cast<std::uint64_t>(limit));
  while (query.step()) found.push_back(pin_of(query));
  return found;
}

std::optional<PinRow> Store::pin(std::int64_t id) const {
  Query query(impl_->db, "SELECT " TRUST_PIN_COLUMNS " FROM pin WHERE id = ? AND until IS NULL",
              id);
  if (!query.step()) return std::nullopt;
  return pin_of(query);
}

std::vector<PinRow> Store::pins_for(const Host& host, Port port) const {
  const UnixTime now = impl_->clock();
  std::vector<PinRow> found;
  for (const std::string& pattern : candidate_patterns(host)) {
    Query query(impl_->db,
                "SELECT " TRUST_PIN_COLUMNS
                " FROM pin WHERE pattern = ? AND until IS NULL AND (port = 0 OR port = ? OR ? = 0) "
                "AND (expires_at IS NULL OR expires_at > ?) ORDER BY port DESC, id",
                pattern, static_cast<int>(port), static_cast<int>(port), now);
    while (query.step()) found.push_back(pin_of(query));
  }
  if (host.is_address()) {
    Query query(impl_->db,
                "SELECT " TRUST_PIN_COLUMNS
                " FROM pin WHERE is_network = 1 AND until IS NULL AND (port = 0 OR port = ? OR ? = "
                "0) AND (expires_at IS NULL OR expires_at > ?) ORDER BY id",
                static_cast<int>(port), static_cast<int>(port), now);
    while (query.step()) {
      PinRow pin = pin_of(query);
      if (pin.pattern.pattern.matches(host)) found.push_back(std::move(pin));
    }
  }
  return pins_that_count(std::move(found), now);
}

std::optional<UnixTime> Store::next_end() const {
  Query query(impl_->db,
              "SELECT min(expires_at) FROM (SELECT min(expires_at) AS expires_at FROM entry "
              "WHERE until IS NULL AND expires_at IS NOT NULL UNION ALL "
              "SELECT min(expires_at) FROM pin "
              "WHERE until IS NULL AND lapsed IS NULL AND expires_at IS NOT NULL)");
  query.step();
  return query.maybe_integer(0);
}

std::optional<UnixTime> Store::next_expiry(UnixTime now) const {
  Query query(impl_->db,
              "SELECT min(ends_at) FROM entry INDEXED BY entry_ends_at "
              "WHERE until IS NULL AND layer = 0 AND ends_at > ?",
              now);
  query.step();
  return query.maybe_integer(0);
}

std::vector<Entry> Store::entries_by_end(std::size_t limit) const {
  std::vector<Entry> found;
  Query query(impl_->db,
              "SELECT " TRUST_ENTRY_COLUMNS
              " FROM entry e INDEXED BY entry_ends_at JOIN certificate c ON c.id = e.certificate "
              "WHERE e.until IS NULL AND e.layer = 0 ORDER BY e.ends_at LIMIT ?",
              static_cast<std::uint64_t>(limit));
  while (query.step()) found.push_back(entry_of(query));
  return found;
}

Counts Store::counts() const {
  Counts counts;
  Query query(impl_->db,
              "SELECT layer, trust, count(*) FROM entry WHERE until IS NULL GROUP BY layer, trust");
  while (query.step()) {
    const auto count = static_cast<std::uint64_t>(query.integer(2));
    if (static_cast<Layer>(query.integer(0)) != Layer::own) {
      counts.base += count;
      continue;
    }
    switch (static_cast<Trust>(query.integer(1))) {
      case Trust::root: counts.roots = count; break;
      case Trust::leaf: counts.leaves = count; break;
      case Trust::distrusted: counts.distrusted = count; break;
    }
  }
  Query pins(impl_->db, "SELECT count(*) FROM pin WHERE until IS NULL");
  pins.step();
  counts.pins = static_cast<std::uint64_t>(pins.integer(0));
  return counts;
}

std::vector<GenerationRow> Store::generations(std::size_t limit, GenerationNumber before) const {
  std::vector<GenerationRow> found;
  Query query(impl_->db,
              "SELECT number, created_at, action, summary, actor FROM generation "
              "WHERE number < ? ORDER BY number DESC LIMIT ?",
              before == 0 ? INT64_MAX : static_cast<std::int64_t>(before),
              static_cast<std::uint64_t>(limit));
  while (query.step())
    found.push_back({static_cast<GenerationNumber>(query.integer(0)), query.integer(1),
                     query.text(2), query.text(3), static_cast<uid_t>(query.integer(4))});
  return found;
}

std::optional<GenerationRow> Store::generation_row(GenerationNumber number) const {
  if (number >= INT64_MAX) return std::nullopt;
  const auto rows = generations(1, number + 1);
  if (rows.empty() || rows.front().number != number) return std::nullopt;
  return rows.front();
}

Difference Store::difference(GenerationNumber from, GenerationNumber to) const {
  const GenerationNumber newest = generation();
  for (const GenerationNumber each : {from, to})
    if (each > newest)
      throw Error(Code::not_found,
                  "there is no generation " + std::to_string(each) + "; the newest is " +
                      std::to_string(newest),
                  "trustctl generations");
  const bool backward = from > to;
  const GenerationNumber older = std::min(from, to), newer = std::max(from, to);
  Difference difference;
  auto& came = backward ? difference.removed : difference.added;
  auto& went = backward ? difference.added : difference.removed;
  auto& pins_came = backward ? difference.pins_removed : difference.pins_added;
  auto& pins_went = backward ? difference.pins_added : difference.pins_removed;
  {
    Query query(impl_->db,
                "SELECT " TRUST_ENTRY_COLUMNS TRUST_ENTRY_TABLES
                "WHERE e.since > ?1 AND e.since <= ?2 AND (e.until IS NULL OR e.until > ?2) "
                "ORDER BY e.id",
                older, newer);
    while (query.step()) {
      if (static_cast<Layer>(query.integer(1)) == Layer::base)
        ++(backward ? difference.base_removed : difference.base_added);
      else
        came.push_back(entry_of(query));
    }
  }
  {
    Query query(impl_->db,
                "SELECT " TRUST_ENTRY_COLUMNS TRUST_ENTRY_TABLES
                "WHERE e.until > ?1 AND e.until <= ?2 AND e.since <= ?1 ORDER BY e.id",
                older, newer);
    while (query.step()) {
      if (static_cast<Layer>(query.integer(1)) == Layer::base)
        ++(backward ? difference.base_added : difference.base_removed);
      else
        went.push_back(entry_of(query));
    }
  }
  {
    Query query(impl_->db,
                "SELECT " TRUST_PIN_COLUMNS
                " FROM pin WHERE since > ?1 AND since <= ?2 AND (until IS NULL OR until > ?2) "
                "ORDER BY id",
                older, newer);
    while (query.step()) pins_came.push_back(pin_of(query));
  }
  {
    Query query(impl_->db,
                "SELECT " TRUST_PIN_COLUMNS
                " FROM pin WHERE until > ?1 AND until <= ?2 AND since <= ?1 ORDER BY id",
                older, newer);
    while (query.step()) pins_went.push_back(pin_of(query));
  }
  return difference;
}

void Store::each_entry(const std::function<void(const Entry&, ByteView der)>& visit) const {
  in_snapshot([&] {
    for (const Layer layer : {Layer::base, Layer::machine, Layer::own}) {
      Query query(impl_->db,
                  "SELECT " TRUST_ENTRY_COLUMNS ", c.der" TRUST_ENTRY_TABLES
                  "WHERE e.until IS NULL AND e.layer = ? ORDER BY e.trust, e.id",
                  static_cast<int>(layer));
      while (query.step()) visit(entry_of(query), query.bytes(kEntryColumns));
    }
  });
}

void Store::each_with_pair(const Digest& spki_hash, std::uint32_t subject_hash,
                           const std::function<void(const Entry&, ByteView der)>& visit) const {
  Query query(impl_->db,
              "SELECT " TRUST_ENTRY_COLUMNS ", c.der" TRUST_ENTRY_TABLES
              "WHERE c.spki_hash = ? AND c.subject_hash = ? AND e.until IS NULL ORDER BY +e.id",
              spki_hash, subject_hash);
  while (query.step()) visit(entry_of(query), query.bytes(kEntryColumns));
}

bool Store::distrusts_key(const Digest& spki_hash) const {
  // From the entries that distrust, which are few, and not from those with the key, which may be
  // very many.
  Query query(impl_->db,
              "SELECT 1 FROM entry e CROSS JOIN certificate c ON c.id = e.certificate "
              "WHERE e.until IS NULL AND e.layer IN (0, 1, 2) AND e.trust = 2 AND e.only_this = 0 "
              "AND c.spki_hash = ? LIMIT 1",
              spki_hash);
  return query.step();
}

void Store::each_pin(const std::function<void(const PinRow&)>& visit) const {
  Query query(impl_->db,
              "SELECT " TRUST_PIN_COLUMNS " FROM pin WHERE until IS NULL ORDER BY layer DESC, id");
  while (query.step()) visit(pin_of(query));
}

// "+id" sorts what the index on generations finds; by "id" SQLite would go through all rows.
void Store::each_change(GenerationNumber from, const ChangeVisitor& visit) const {
  in_snapshot([&] {
    {
      Query query(impl_->db,
                  "SELECT " TRUST_ENTRY_COLUMNS ", c.der" TRUST_ENTRY_TABLES
                  "WHERE e.since > ? AND e.until IS NULL ORDER BY +e.id",
                  from);
      while (query.step()) visit.entry_came(entry_of(query), query.bytes(kEntryColumns));
    }
    {
      Query query(impl_->db, "SELECT id FROM entry WHERE until > ?1 AND since <= ?1 ORDER BY +id",
                  from);
      while (query.step()) visit.entry_went(query.integer(0));
    }
    {
      Query query(impl_->db,
                  "SELECT " TRUST_PIN_COLUMNS
                  " FROM pin WHERE since > ? AND until IS NULL ORDER BY +id",
                  from);
      while (query.step()) visit.pin_came(pin_of(query));
    }
    Query query(impl_->db, "SELECT id FROM pin WHERE until > ?1 AND since <= ?1 ORDER BY +id",
                from);
    while (query.step()) visit.pin_went(query.integer(0));
  });
}

} // namespace trust
