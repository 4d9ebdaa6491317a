#pragma once
// The database: the truth of what this machine or user trusts. One Store writes (the daemon
// holds a lock so that there is one); any number of Stores opened for reading read beside it.
//
// Rows are never changed in place: entries and pins live from generation `since` until
// generation `until`, so the state at any N is one query. Every change is one function here,
// validates first, and makes exactly one generation with its audit record and its event, or
// throws and changes nothing.
//
// Threads: one Store belongs to one thread at a time. Failure: Error; a full disk is
// Error{storage_full} and nothing was changed.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libtrust/alert.h"
#include "libtrust/ending.h"
#include "libtrust/identity.h"
#include "libtrust/record.h"
#include "libtrust/watch.h"

namespace trust {

// What every answer to a change carries.
struct Change {
  GenerationNumber generation = 0;
  std::string audit_head; // "NUMBER:HASH"
  bool changed = true;    // false: everything asked for was there already
};

struct Addition {
  struct Item {
    Certificate certificate;
    Trust trust = Trust::root;
    std::vector<Pattern> hosts;
    std::string label;         // valid; made unique with "-2" unless label_is_fixed
    bool label_is_fixed = false; // given by a person: taken already is a conflict
  };
  std::vector<Item> items;
  std::optional<UnixTime> expires_at;
  bool replace = false; // ends the entry in force with the same label or fingerprint
  bool only_this_certificate = false;
  bool emit_signing = false;
  std::vector<PinRow> pins; // made in the same generation
};

struct Added {
  Change change;
  struct Item {
    Entry entry;
    bool created; // false: the same was there
  };
  std::vector<Item> items;
};

// What to alter of an entry; absent: leave. The inner optional: none removes the end.
struct EntryPatch {
  std::optional<std::string> label;
  std::optional<std::vector<Pattern>> hosts;
  std::optional<std::string> reason;
  std::optional<std::optional<UnixTime>> expires_at;
  std::optional<Trust> trust;
};

// A row of `list`: filters are ANDed; order is by id. `cursor`: ids greater than it.
struct EntryFilter {
  std::optional<std::string> text;   // in subject, label, names or fingerprint prefix
  std::optional<Host> host;          // scope or names cover it
  std::optional<std::string> label;
  std::optional<Trust> trust;
  std::optional<UnixTime> expires_before; // the certificate's or the entry's end
  bool include_base = false;         // the layers beneath too
  bool only_base = false;
};

struct Difference {
  std::vector<Entry> added, removed;       // own and machine layers
  std::vector<PinRow> pins_added, pins_removed;
  std::uint64_t base_added = 0, base_removed = 0;
};

// What a rollback would do; `widens` lists what it would trust again or unpin.
struct RollbackPlan {
  GenerationNumber target = 0;
  Difference difference;               // from now to what it makes
  std::vector<std::string> widens;     // entry fingerprints and "pin:ID"
};

struct Counts {
  std::uint64_t roots = 0, leaves = 0, distrusted = 0, base = 0, pins = 0;
};

// Alerts to list: newest first, those with an id less than `before` (0: from the newest).
struct AlertFilter {
  bool resolved = false; // those too
  std::optional<AlertKind> kind;
};

struct AlertCount {
  AlertKind kind;
  Severity severity;
  std::uint64_t count;
};

// A base as read from the bundle or the machine's store.
struct BaseEntry {
  Certificate certificate;
  Layer layer = Layer::base;
  Trust trust = Trust::root;
  std::vector<Pattern> hosts = {};
  std::string label = {};
  std::optional<UnixTime> expires_at = {};
  bool only_this_certificate = false;
  bool emit_signing = false;
};

class Store {
 public:
  // Opens or makes the database file (0600), migrates it, verifies that it is ours.
  // Error{store_invalid} if it is damaged or of a newer version.
  static Store open(const std::string& path, Clock clock);
  // A second connection that only reads.
  static Store open_reader(const std::string& path, Clock clock);
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  ~Store();

  // ---- changes: each one generation -------------------------------------
  // All take who asks and why. `expected`: If-Match, Error{precondition} if the generation
  // is another.
  struct Asked {
    Actor actor;
    std::string reason;
    std::optional<GenerationNumber> expected;
  };

  Added add(const Asked& asked, const Addition& addition);
  Change patch(const Asked& asked, const Fingerprint& fingerprint, const EntryPatch& patch);
  // Ends an own entry. A base root: Error{conflict} with the hint to distrust it.
  Change remove(const Asked& asked, const Fingerprint& fingerprint);
  // `rows` need no id. The same pin for the same pattern in force already: unchanged.
  struct PinsAdded {
    Change change;
    std::vector<PinRow> rows;
  };
  PinsAdded add_pins(const Asked& asked, const std::vector<PinRow>& rows);
  Change remove_pins(const Asked& asked, const std::vector<std::int64_t>& ids);
  RollbackPlan plan_rollback(GenerationNumber target);
  // `accept` names every id that the plan's `widens` lists, else Error{not_confirmed}.
  Change rollback(const Asked& asked, GenerationNumber target,
                  const std::vector<std::string>& accept);
  // Ends what is due at `now`; no change if nothing is.
  Change end_due(UnixTime now);
  // Takes over the base; no change if it is the same. `source` is for the audit record.
  Change set_base(const std::string& source, const std::vector<BaseEntry>& entries,
                  const std::vector<PinRow>& pins);

  // ---- identities: who they are is of no generation, what is trusted of them is ----------
  // Keeps an identity whose files are there, and trusts its certificate as `trusted` says, if it
  // does. Error{conflict} if the label is another's, or a CA is there already.
  struct IdentityAdded {
    Change change;
    Identity identity;
  };
  IdentityAdded add_identity(const Asked& asked, const Identity& identity,
                             const Certificate& certificate,
                             const std::optional<Addition::Item>& trusted, bool emit_signing);
  // Another certificate in place of the current one. Where that is trusted, the new one is trusted
  // in the same way and gets its label, and the old one stays trusted until it ends; where its key
  // is pinned, the new key is too. The identity is pending, and due, until finish_identity().
  IdentityAdded renew_identity(const Asked& asked, const Fingerprint& current,
                               const Certificate& next);
  // Forgets it; what is trusted and pinned stays.
  Change remove_identity(const Asked& asked, const Fingerprint& current);
  // These make no generation. `next_at`: none if nothing is to be done by itself.
  void finish_identity(std::int64_t id, std::optional<UnixTime> next_at);
  void note_identity_problem(std::int64_t id, std::string_view problem,
                             std::optional<UnixTime> next_at);

  std::vector<Identity> identities(std::size_t limit, std::int64_t cursor) const; // by id
  std::optional<Identity> identity(const Fingerprint& current) const;
  // Interfaces' ID, as find().
  Identity find_identity(std::string_view id, std::size_t least_digits) const;
  std::optional<Identity> local_ca() const;
  // Where something is due at `now`: a renewal, a second try, files or a hook that are still to
  // come. The earliest first; costs what it finds.
  std::vector<Identity> identities_due(UnixTime now, std::size_t limit) const;
  std::optional<UnixTime> next_identity_due() const;

  // Runs several changes in one transaction, each in a savepoint of its own, so that what one
  // throws undoes that one alone; the transaction is durable when this returns. Each element
  // of the result is what its change threw, or null.
  std::vector<std::exception_ptr> batch(const std::vector<std::function<void(Store&)>>& changes);

  // ---- reading: the state now, or at a generation ------------------------
  std::string store_id() const; // 32 hex digits
  GenerationNumber generation() const;
  std::string audit_head() const; // "NUMBER:HASH"; "0:" and the hash of the id at first
  Counts counts() const;
  std::optional<UnixTime> next_end() const; // the earliest end of an entry or pin in force
  // The earliest not_after or end of an own entry in force after `now`.
  std::optional<UnixTime> next_expiry(UnixTime now) const;

  // The entry in force for a fingerprint: own before machine before base.
  std::optional<Entry> entry(const Fingerprint& fingerprint) const;
  // Interfaces' ID: full fingerprint, then label, then unique prefix of at least
  // `least_digits`. Error{not_found}; two matches are Error{conflict} that names both.
  Entry find(std::string_view id, std::size_t least_digits) const;
  std::vector<Entry> entries(const EntryFilter& filter, std::size_t limit,
                             std::int64_t cursor) const;
  std::optional<Bytes> der(const Fingerprint& fingerprint) const;

  std::vector<PinRow> pins(std::size_t limit, std::int64_t cursor) const; // in force
  // The pins that count for a host and port (0: of all ports): of the enforced ones in force
  // those of the most specific pattern, and every report-only one; most specific first.
  std::vector<PinRow> pins_for(const Host& host, Port port) const;
  std::optional<PinRow> pin(std::int64_t id) const;

  std::vector<GenerationRow> generations(std::size_t limit, GenerationNumber before) const;
  std::optional<GenerationRow> generation_row(GenerationNumber number) const;
  Difference difference(GenerationNumber from, GenerationNumber to) const;
  std::vector<AuditRecord> audit(std::size_t limit, std::uint64_t before) const; // newest first
  // Recomputes the chain; the number of the first record that does not fit, if any.
  std::optional<std::uint64_t> verify_audit() const;
  std::vector<Event> events(std::uint64_t after, std::size_t limit) const;
  std::uint64_t last_event() const;
  // For subscribers and nothing else: no generation, no audit record. `data`: a JSON object.
  void tell_subscribers(std::string_view kind, std::string_view data);

  // ---- for publication ----------------------------------------------------
  // Every entry in force with its DER, streamed: layers beneath first, then own, by id. The
  // state at the time of the first call holds throughout.
  void each_entry(const std::function<void(const Entry&, ByteView der)>& visit) const;
  // Those in force with that key and subject, by id: what is emitted is decided for them together.
  void each_with_pair(const Digest& spki_hash, std::uint32_t subject_hash,
                      const std::function<void(const Entry&, ByteView der)>& visit) const;
  bool distrusts_key(const Digest& spki_hash) const; // everything with it
  void each_pin(const std::function<void(const PinRow&)>& visit) const;
  // What came and what went after generation `from`: entries and pins that are in force now and
  // were not then, and the ids of those that were and are not.
  struct ChangeVisitor {
    std::function<void(const Entry&, ByteView der)> entry_came;
    std::function<void(std::int64_t id)> entry_went;
    std::function<void(const PinRow&)> pin_came;
    std::function<void(std::int64_t id)> pin_went;
  };
  void each_change(GenerationNumber from, const ChangeVisitor& visit) const;
  // Runs `read` inside one read transaction: everything it reads is one generation.
  void in_snapshot(const std::function<void()>& read) const;
  // A shadow that was made before for exactly this key; else `make` is called and kept.
  Bytes shadow(const Digest& key, const std::function<Bytes()>& make);

  // ---- alerts: no generation; each call its own transaction, or part of a batch --------------
  // Raises `alert` (but for its id and times) unless one of the same kind and threshold is open for
  // the `cause`: then only what it says is brought up to date, and nobody is told. An open one of
  // another kind or threshold is passed by: resolved without a notice.
  struct Raised {
    std::int64_t id;
    bool is_new;
  };
  Raised raise(std::string_view cause, const Alert& alert);
  // What was open for the cause is resolved, if anything.
  bool settle(std::string_view cause);
  // Until then no sink is told of it; without `until`: until it is resolved. Error{not_found},
  // Error{conflict} if it is resolved.
  struct Acknowledged {
    Change change;
    Alert alert;
  };
  Acknowledged acknowledge(const Asked& asked, std::int64_t id, std::optional<UnixTime> until);
  // A notice for each open alert whose acknowledgement has run out; how many.
  std::size_t remind(UnixTime now);
  std::optional<UnixTime> next_reminder() const;
  std::vector<Alert> alerts(const AlertFilter& filter, std::size_t limit,
                            std::int64_t before) const;
  std::optional<Alert> alert(std::int64_t id) const;
  std::optional<Alert> open_alert(std::string_view cause) const;
  std::vector<AlertCount> open_alerts() const;

  // Own entries by what ends first, at most `limit`.
  std::vector<Entry> entries_by_end(std::size_t limit) const;

  // What sinks are told, in order of number; kept for a year, and the last 100,000.
  std::vector<Notice> notices(std::uint64_t after, std::size_t limit) const;
  std::uint64_t last_notice() const;
  // Up to which notice a sink was told; none: it is new. Set once what it was sent is taken.
  std::optional<std::uint64_t> sink_position(std::string_view sink) const;
  void set_sink_position(std::string_view sink, std::uint64_t number);

  // ---- what ends: no generation either -------------------------------------------------------
  // All that an owner (an entry's id, a watch's) depends on; replaces what it was. What nobody
  // depends on any more is settled and forgotten.
  struct Dependence {
    Ending ending;
    std::string name; // of the dependant: what an alert says that breaks
  };
  void depend(DependantKind kind, std::int64_t owner, const std::vector<Dependence>& on);
  // Takes note of the entries that came, at most `limit`, and of those that went. False: there are
  // more. Also raises what is weak.
  bool follow_entries(std::size_t limit);
  bool entries_are_followed() const;
  // The same of pins: raises what is about to lock everybody out.
  bool follow_pins(std::size_t limit);
  bool pins_are_followed() const;
  // When tell_endings has something to do; in the past if it has already.
  std::optional<UnixTime> next_ending(UnixTime now) const;
  // To be called at the start: what other thresholds were in force for is looked at again.
  void use_thresholds(const Thresholds& thresholds);
  // Looks at what is due, at most `limit`, and raises what crossed a threshold, each once; how many
  // were looked at. `published`: the directory of the emitted files, for what breaks.
  std::size_t tell_endings(const Thresholds& thresholds, UnixTime now, std::size_t limit,
                           const std::string& published);

  // ---- watches: no generation; adding and removing is in the audit log -------------------------
  struct WatchAdded {
    Change change; // unchanged: the same was watched already, and is looked at now
    Watch watch;
  };
  WatchAdded add_watch(const Asked& asked, WatchKind kind, const std::string& target);
  Change remove_watch(const Asked& asked, std::int64_t id); // with its history and its alerts
  std::optional<Watch> watch(std::int64_t id) const;
  std::vector<Watch> watches(std::optional<WatchKind> kind, std::size_t limit,
                             std::int64_t cursor) const;
  std::vector<Watch> file_watches() const; // and of directories; all of them
  // Every certificate that was seen, the newest first.
  std::vector<Sighting> sightings(std::int64_t watch, std::size_t limit) const;
  // Endpoints to be looked at by `now`, also those that a clock which ran ahead put off by more
  // than `furthest_s`.
  std::vector<Watch> due_watches(UnixTime now, std::int64_t furthest_s, std::size_t limit) const;
  std::optional<UnixTime> next_watch(UnixTime now) const; // the first after `now`
  // What a look brought: history, alerts, and what the watch depends on. Nothing if it was removed.
  void watch_saw(std::int64_t id, const Seen& seen, UnixTime next_at);
  void watch_failed(std::int64_t id, const std::string& problem, UnixTime next_at);
  // A server of which somebody said that it does not present what is pinned was looked at.
  void suspicion_looked_at(const std::string& target, const Seen& seen);
  void watch_saw_files(std::int64_t id, const FilesSeen& seen);

  // Small values of the daemon's own: the published generation and the like.
  std::optional<std::string> note(std::string_view name) const;
  void set_note(std::string_view name, std::string_view value);

 private:
  struct Impl;
  explicit Store(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

} // namespace trust
