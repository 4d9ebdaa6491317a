#include "daemon/routes/metrics.h"

#include <unistd.h>

#include <chrono>
#include <fstream>

#include "daemon/routes/figures.h"
#include "daemon/routes/parameters.h"
#include "daemon/routes/status.h"
#include "daemon/routes/watch_figures.h"

namespace trust {
namespace {

std::uint64_t resident_bytes() {
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void sink_figures(Figures& figures, const std::vector<SinkState>& states) {
  const auto each = [&](std::string_view name, std::string_view kind, std::string_view help,
                        auto&& value) {
    figures.family(name, kind, help);
    for (const SinkState& state : states) {
      figures.sample(name, MetricLabels{{"sink", state.name}, {"type", state.type}}, value(state));
    }
  };
  each("trustd_sink_deliveries_total", "counter", "What sinks took since the start.",
       [](const SinkState& state) { return state.deliveries; });
  each("trustd_sink_failures_total", "counter", "Attempts that failed since the start.",
       [](const SinkState& state) { return state.failures; });
  each("trustd_sink_failing", "gauge", "1 while a sink takes nothing.",
       [](const SinkState& state) { return state.failures_in_a_row > 0 ? 1 : 0; });
}

Answer metrics(const Call& call) {
  Parameters(call.request).finish();
  Service& service = call.service;
  const Changes::Status status = service.changes.status();
  Counts counts;
  std::optional<UnixTime> next_expiry;
  Figures watched;
  service.readers.with([&](Store& store) {
    counts = counts_of(service, store);
    next_expiry = store.next_expiry(service.clock());
    add_watch_figures(watched, store);
  });
  Figures figures;
  figures.family("trustd_build_info", "gauge", "The version that runs.");
  figures.sample("trustd_build_info", "{version=\"" TRUST_VERSION "\"}", 1);
  figures.one("trustd_generation", "gauge", "The generation stored last.", status.generation);
  figures.one("trustd_published_generation", "gauge", "The generation published last.",
              status.published);
  figures.family("trustd_entries", "gauge", "Entries in force.");
  figures.sample("trustd_entries", "{trust=\"root\"}", counts.roots);
  figures.sample("trustd_entries", "{trust=\"leaf\"}", counts.leaves);
  figures.sample("trustd_entries", "{trust=\"distrusted\"}", counts.distrusted);
  figures.one("trustd_base_certificates", "gauge", "Roots beneath the entries.", counts.base);
  figures.one("trustd_base_problem", "gauge", "1 while the base cannot be followed.",
              status.base_problem ? 1 : 0);
  figures.one("trustd_pins", "gauge", "Pins in force.", counts.pins);
  if (next_expiry) {
    figures.one("trustd_next_expiry_timestamp_seconds", "gauge",
                "When the next entry or its certificate ends.", *next_expiry);
  }
  figures.one("trustd_changes_total", "counter", "Generations made since the start.",
              status.changes);
  figures.one("trustd_publications_total", "counter", "Publications since the start.",
              status.publications);
  figures.one("trustd_publication_failures_total", "counter",
              "Publications that failed since the start.", status.publication_failures);
  figures.one("trustd_publication_seconds_total", "counter", "Time spent publishing.",
              status.publication_seconds);
  if (service.front_counts) {
    const FrontCounts front = service.front_counts();
    figures.one("trustd_connections", "gauge", "Open connections.", front.connections);
    figures.one("trustd_event_streams", "gauge", "Open event streams.", front.streams);
    figures.one("trustd_requests_waiting", "gauge", "Requests that wait for their answer.",
                front.waiting);
    figures.one("trustd_buffered_bytes", "gauge", "Bytes of requests and answers in memory.",
                front.buffered_bytes);
    figures.one("trustd_requests_total", "counter", "Requests answered since the start.",
                front.requests);
    figures.one("trustd_requests_refused_total", "counter",
                "Requests refused before a route saw them.", front.refused);
  }
  if (service.report_counts) {
    const ReportCounts reports = service.report_counts();
    figures.one("trustd_reports_total", "counter", "Mismatches that programs claimed to have met.",
                reports.received);
    figures.one("trustd_reports_refused_total", "counter", "Datagrams that are no report.",
                reports.refused);
    figures.one("trustd_reported", "gauge", "Claims that are remembered.", reports.kept);
  }
  if (service.sinks != nullptr) sink_figures(figures, service.sinks->states());
  const std::chrono::duration<double> uptime = std::chrono::steady_clock::now() - service.started;
  figures.one("trustd_uptime_seconds", "gauge", "Since the start.", uptime.count());
  figures.one("process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes());
  Response response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = figures.take() + watched.take();
  return response;
}

} // namespace

std::vector<Route> metrics_routes() {
  return {{"GET", "/metrics", Access::read, Route::Body::none, always, metrics}};
}

} // namespace trust
