// Alerts: raised once for a cause, told to sinks by numbered notices, acknowledged and resolved.

#include <nlohmann/json.hpp>

#include "libtrust/error.h"
#include "libtrust/store_impl.h"

namespace trust {
namespace {

constexpr std::uint64_t kKeptNotices = 100'000;
constexpr UnixTime kKeptResolved = UnixTime{366} * 86400;

#define TRUST_ALERT_COLUMNS                                                                    \
  "a.id, a.kind, a.severity, a.target, a.fingerprint, a.summary, a.hint, a.threshold, "        \
  "a.ends_at, a.breaks, a.raised_at, a.acknowledged_at, a.acknowledged_until, a.resolved_at, " \
  "a.cause"
constexpr int kAlertColumns = 15;

std::string breaks_text(const Alert& alert) {
  const nlohmann::json json{
      {"labels", alert.labels}, {"hosts", alert.hosts}, {"files", alert.files}};
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Alert alert_of(const Query& row) {
  Alert alert;
  alert.id = row.integer(0);
  alert.kind = static_cast<AlertKind>(row.integer(1));
  alert.severity = static_cast<Severity>(row.integer(2));
  alert.target = row.text(3);
  if (!row.is_null(4)) alert.fingerprint = Fingerprint{row.digest(4)};
  alert.summary = row.text(5);
  alert.hint = row.text(6);
  alert.threshold = row.text(7);
  alert.ends_at = row.maybe_integer(8);
  const auto breaks = nlohmann::json::parse(row.view(9));
  breaks.at("labels").get_to(alert.labels);
  breaks.at("hosts").get_to(alert.hosts);
  breaks.at("files").get_to(alert.files);
  alert.raised_at = row.integer(10);
  alert.acknowledged_at = row.maybe_integer(11);
  alert.acknowledged_until = row.maybe_integer(12);
  alert.resolved_at = row.maybe_integer(13);
  return alert;
}

void tell_alert(Database& db, UnixTime now, std::string_view what, const Alert& alert) {
  const nlohmann::json data{{"what", what},
                            {"alert", alert.id},
                            {"alert_kind", name_of(alert.kind)},
                            {"severity", name_of(alert.severity)},
                            {"target", alert.target},
                            {"threshold", alert.threshold},
                            {"summary", alert.summary}};
  tell(db, now, "alert", data.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

void give_notice(Database& db, UnixTime now, Notice::What what, const Alert& alert) {
  Query(db, "INSERT INTO notice VALUES(NULL, ?, ?, ?)", now, static_cast<int>(what), alert.id)
      .run();
  Query(db, "DELETE FROM notice WHERE number <= (SELECT max(number) FROM notice) - ?", kKeptNotices)
      .run();
  tell_alert(db, now, name_of(what), alert);
}

} // namespace

std::optional<Alert> Store::open_alert(std::string_view cause) const {
  Query query(impl_->db,
              "SELECT " TRUST_ALERT_COLUMNS
              " FROM alert a WHERE a.cause = ? AND resolved_at IS NULL",
              cause);
  if (!query.step()) return std::nullopt;
  return alert_of(query);
}

Store::Raised Store::raise(std::string_view cause, const Alert& alert) {
  Raised raised{0, false};
  impl_->in_transaction([&] {
    const UnixTime now = impl_->clock();
    const auto open = open_alert(cause);
    if (open && open->kind == alert.kind && open->threshold == alert.threshold) {
      raised.id = open->id;
      if (open->summary == alert.summary && open->hint == alert.hint &&
          open->severity == alert.severity && open->target == alert.target &&
          open->ends_at == alert.ends_at && breaks_text(*open) == breaks_text(alert)) {
        return;
      }
      Query(impl_->db,
            "UPDATE alert SET severity = ?, target = ?, summary = ?, hint = ?, ends_at = ?, "
            "breaks = ? WHERE id = ?",
            static_cast<int>(alert.severity), alert.target, alert.summary, alert.hint,
            alert.ends_at, breaks_text(alert), open->id)
          .run();
      return;
    }
    if (open) {
      Query(impl_->db, "UPDATE alert SET resolved_at = ? WHERE id = ?", now, open->id).run();
    }
    std::optional<Digest> fingerprint;
    if (alert.fingerprint) fingerprint = alert.fingerprint->bytes;
    Query(impl_->db,
          "INSERT INTO alert VALUES(NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL)",
          cause, static_cast<int>(alert.kind), static_cast<int>(alert.severity), alert.target,
          fingerprint, alert.summary, alert.hint, alert.threshold, alert.ends_at,
          breaks_text(alert), now)
        .run();
    Alert made = alert;
    made.id = impl_->db.last_id();
    raised = {made.id, true};
    give_notice(impl_->db, now, Notice::What::raised, made);
    Query(impl_->db, "DELETE FROM alert WHERE resolved_at IS NOT NULL AND resolved_at < ?",
          now - kKeptResolved)
        .run();
  });
  return raised;
}

bool Store::settle(std::string_view cause) {
  bool settled = false;
  impl_->in_transaction([&] {
    const auto open = open_alert(cause);
    if (!open) return;
    const UnixTime now = impl_->clock();
    Query(impl_->db, "UPDATE alert SET resolved_at = ? WHERE id = ?", now, open->id).run();
    give_notice(impl_->db, now, Notice::What::resolved, *open);
    settled = true;
  });
  return settled;
}

Store::Acknowledged Store::acknowledge(const Asked& asked, std::int64_t id,
                                       std::optional<UnixTime> until) {
  const UnixTime now = impl_->clock();
  if (until && *until <= now) {
    throw Error(Code::invalid, "the end " + rfc3339(*until) + " is not in the future");
  }
  Acknowledged done;
  done.change = impl_->note(asked, "acknowledge", [&] {
    auto found = alert(id);
    if (!found) {
      throw Error(Code::not_found, "there is no alert " + std::to_string(id), "trustctl alerts");
    }
    if (!found->open()) {
      throw Error(Code::conflict, "the alert " + std::to_string(id) + " is resolved already");
    }
    Query(impl_->db, "UPDATE alert SET acknowledged_at = ?, acknowledged_until = ? WHERE id = ?",
          now, until, id)
        .run();
    found->acknowledged_at = now;
    found->acknowledged_until = until;
    nlohmann::json detail{{"alert", id},
                          {"kind", name_of(found->kind)},
                          {"target", found->target},
                          {"threshold", found->threshold}};
    if (until) detail["until"] = rfc3339(*until);
    tell_alert(impl_->db, now, "acknowledged", *found);
    done.alert = *std::move(found);
    return std::optional(
        Impl::Made{"", detail.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)});
  });
  return done;
}

std::size_t Store::remind(UnixTime now) {
  std::vector<Alert> due;
  impl_->in_transaction([&] {
    {
      Query query(impl_->db,
                  "SELECT " TRUST_ALERT_COLUMNS
                  " FROM alert a WHERE resolved_at IS NULL AND acknowledged_until <= ? LIMIT 1000",
                  now);
      while (query.step()) due.push_back(alert_of(query));
    }
    for (Alert& alert : due) {
      Query(impl_->db,
            "UPDATE alert SET acknowledged_at = NULL, acknowledged_until = NULL WHERE id = ?",
            alert.id)
          .run();
      alert.acknowledged_at.reset();
      alert.acknowledged_until.reset();
      give_notice(impl_->db, now, Notice::What::reminded, alert);
    }
  });
  return due.size();
}

std::optional<UnixTime> Store::next_reminder() const {
  Query query(impl_->db,
              "SELECT min(acknowledged_until) FROM alert INDEXED BY alert_reminder "
              "WHERE resolved_at IS NULL AND acknowledged_until IS NOT NULL");
  query.step();
  return query.maybe_integer(0);
}

std::vector<Alert> Store::alerts(const AlertFilter& filter, std::size_t limit,
                                 std::int64_t before) const {
  std::optional<std::int64_t> kind;
  if (filter.kind) kind = static_cast<std::int64_t>(*filter.kind);
  const std::int64_t below = before == 0 ? INT64_MAX : before;
  const auto most = static_cast<std::uint64_t>(limit);
  std::vector<Alert> found;
  const auto take = [&found](Query&& query) {
    while (query.step()) found.push_back(alert_of(query));
  };
  if (filter.resolved) {
    take(
        Query(impl_->db,
              "SELECT " TRUST_ALERT_COLUMNS
              " FROM alert a WHERE id < ?1 AND (?2 IS NULL OR kind = ?2) ORDER BY id DESC LIMIT ?3",
              below, kind, most));
  } else {
    take(Query(impl_->db,
               "SELECT " TRUST_ALERT_COLUMNS
               " FROM alert a WHERE id < ?1 AND resolved_at IS NULL AND (?2 IS NULL OR kind = ?2) "
               "ORDER BY id DESC LIMIT ?3",
               below, kind, most));
  }
  return found;
}

std::optional<Alert> Store::alert(std::int64_t id) const {
  Query query(impl_->db, "SELECT " TRUST_ALERT_COLUMNS " FROM alert a WHERE a.id = ?", id);
  if (!query.step()) return std::nullopt;
  return alert_of(query);
}

std::vector<AlertCount> Store::open_alerts() const {
  std::vector<AlertCount> counts;
  Query query(impl_->db,
              "SELECT kind, severity, count(*) FROM alert INDEXED BY alert_kind "
              "WHERE resolved_at IS NULL GROUP BY kind, severity");
  while (query.step()) {
    counts.push_back({static_cast<AlertKind>(query.integer(0)),
                      static_cast<Severity>(query.integer(1)),
                      static_cast<std::uint64_t>(query.integer(2))});
  }
  return counts;
}

// ---- what sinks are told ------------------------------------------------------

std::vector<Notice> Store::notices(std::uint64_t after, std::size_t limit) const {
  std::vector<Notice> found;
  Query query(impl_->db,
              "SELECT " TRUST_ALERT_COLUMNS
              ", n.number, n.at, n.what FROM notice n JOIN alert a ON a.id = n.alert "
              "WHERE n.number > ? ORDER BY n.number LIMIT ?",
              after, static_cast<std::uint64_t>(limit));
  while (query.step()) {
    Notice notice;
    notice.number = static_cast<std::uint64_t>(query.integer(kAlertColumns));
    notice.at = query.integer(kAlertColumns + 1);
    notice.what = static_cast<Notice::What>(query.integer(kAlertColumns + 2));
    notice.alert = alert_of(query);
    found.push_back(std::move(notice));
  }
  return found;
}

std::uint64_t Store::last_notice() const {
  Query query(impl_->db, "SELECT coalesce(max(number), 0) FROM notice");
  query.step();
  return static_cast<std::uint64_t>(query.integer(0));
}

std::optional<std::uint64_t> Store::sink_position(std::string_view sink) const {
  Query query(impl_->db, "SELECT position FROM sink WHERE name = ?", sink);
  if (!query.step()) return std::nullopt;
  return static_cast<std::uint64_t>(query.integer(0));
}

void Store::set_sink_position(std::string_view sink, std::uint64_t number) {
  Query(impl_->db, "INSERT OR REPLACE INTO sink VALUES(?, ?)", sink, number).run();
}

} // namespace trust
