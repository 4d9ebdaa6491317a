#include "daemon/routes/watch_figures.h"

#include "libtrust/error.h"

namespace trust {
namespace {

// A label of a metric tells one from the other for as long as it lives; what may change is a value.
MetricLabels labels_of(const Entry& entry) {
  return {{"label", entry.label},
          {"fingerprint", entry.certificate.fingerprint.text()},
          {"subject", shown(entry.certificate.subject)},
          {"trust", std::string(name_of(entry.trust))}};
}

void add_entries(Figures& figures, const std::vector<Entry>& entries) {
  figures.family("trustd_cert_not_after", "gauge",
                 "When an entry's certificate ends, in seconds since 1970; those that end first.");
  for (const Entry& entry : entries) {
    figures.sample("trustd_cert_not_after", labels_of(entry), entry.certificate.not_after);
  }
  figures.family("trustd_cert_not_before", "gauge",
                 "When an entry's certificate begins, in seconds since 1970.");
  for (const Entry& entry : entries) {
    figures.sample("trustd_cert_not_before", labels_of(entry), entry.certificate.not_before);
  }
  figures.family("trustd_entry_ends_at", "gauge",
                 "When an entry was given an end, in seconds since 1970.");
  for (const Entry& entry : entries) {
    if (entry.expires_at)
      figures.sample("trustd_entry_ends_at", labels_of(entry), *entry.expires_at);
  }
}

void add_endpoints(Figures& figures, const std::vector<Watch>& watches) {
  const auto each = [&](std::string_view name, std::string_view help, const auto& value_of) {
    figures.family(name, "gauge", help);
    for (const Watch& watch : watches) {
      if (const std::optional<std::int64_t> value = value_of(watch)) {
        figures.sample(name, MetricLabels{{"endpoint", watch.target}}, *value);
      }
    }
  };
  using Value = std::optional<std::int64_t>;
  each("trustd_endpoint_up", "1 if the last look at a watched server succeeded.",
       [](const Watch& watch) -> Value {
         if (!watch.looked_at) return std::nullopt;
         return watch.failures == 0 ? 1 : 0;
       });
  each("trustd_endpoint_verified", "1 if what it presents is trusted.",
       [](const Watch& watch) -> Value {
         if (watch.verdict.empty()) return std::nullopt;
         return watch.verdict == "ok" ? 1 : 0;
       });
  each("trustd_endpoint_pin_mismatch", "1 if it presents none of the keys pinned for it.",
       [](const Watch& watch) -> Value {
         if (watch.pin_status.empty()) return std::nullopt;
         return watch.pin_status == "mismatch" || watch.pin_status == "reported" ||
                        watch.verdict == "pin_mismatch"
                    ? 1
                    : 0;
       });
  each("trustd_endpoint_cert_not_after", "When its certificate ends, in seconds since 1970.",
       [](const Watch& watch) -> Value { return watch.not_after; });
  each("trustd_endpoint_cert_not_before", "When its certificate begins, in seconds since 1970.",
       [](const Watch& watch) -> Value { return watch.not_before; });
  each("trustd_endpoint_path_not_after",
       "When the first certificate of its path ends, in seconds since 1970.",
       [](const Watch& watch) -> Value { return watch.ends_at; });
  each("trustd_endpoint_last_seen", "When it presented something last, in seconds since 1970.",
       [](const Watch& watch) -> Value { return watch.last_seen_at; });
}

} // namespace

void add_watch_figures(Figures& figures, Store& store) {
  add_entries(figures, store.entries_by_end(kMostEntriesInMetrics));
  add_endpoints(figures, store.watches(WatchKind::endpoint, kMostEndpointsInMetrics, 0));
  figures.family("trustd_alerts", "gauge", "Open alerts.");
  for (const AlertCount& count : store.open_alerts()) {
    figures.sample("trustd_alerts",
                   MetricLabels{{"kind", std::string(name_of(count.kind))},
                                {"severity", std::string(name_of(count.severity))}},
                   count.count);
  }
}

} // namespace trust
