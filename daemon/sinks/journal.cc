#include "daemon/sinks/journal.h"

#include <spdlog/spdlog.h>
#include <sys/uio.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "libtrust/error.h"

namespace trust {
namespace {

constexpr const char* kSocket = "/run/systemd/journal/socket";

int priority_of(const Notice& notice) {
  if (notice.what == Notice::What::resolved) return LOG_INFO;
  switch (notice.alert.severity) {
    case Severity::info: return LOG_NOTICE;
    case Severity::warning: return LOG_WARNING;
    case Severity::critical: return LOG_CRIT;
  }
  return LOG_WARNING;
}

std::string message_of(const Notice& notice) {
  switch (notice.what) {
    case Notice::What::raised: return notice.alert.summary;
    case Notice::What::reminded: return "still: " + notice.alert.summary;
    case Notice::What::resolved: return "resolved: " + notice.alert.summary;
  }
  return notice.alert.summary;
}

std::vector<std::string> fields_of(const Delivery& delivery, const Notice& notice) {
  const Alert& alert = notice.alert;
  std::vector<std::string> fields{
      "MESSAGE=" + message_of(notice),
      "MESSAGE_ID=" + std::string(kAlertMessageId),
      "PRIORITY=" + std::to_string(priority_of(notice)),
      "SYSLOG_IDENTIFIER=trustd",
      "TRUSTD_DELIVERY=" + delivery.id,
      "TRUSTD_NOTICE=" + std::to_string(notice.number),
      "TRUSTD_WHAT=" + std::string(name_of(notice.what)),
      "TRUSTD_ALERT=" + std::to_string(alert.id),
      "TRUSTD_KIND=" + std::string(name_of(alert.kind)),
      "TRUSTD_SEVERITY=" + std::string(name_of(alert.severity)),
      "TRUSTD_TARGET=" + alert.target,
      "TRUSTD_TEST=" + std::string(delivery.test ? "1" : "0"),
  };
  if (alert.fingerprint) fields.push_back("TRUSTD_FINGERPRINT=" + alert.fingerprint->text());
  if (!alert.threshold.empty()) fields.push_back("TRUSTD_THRESHOLD=" + alert.threshold);
  if (alert.ends_at) fields.push_back("TRUSTD_ENDS_AT=" + rfc3339(*alert.ends_at));
  if (!alert.hint.empty()) fields.push_back("TRUSTD_HINT=" + alert.hint);
  for (const std::string& label : alert.labels) fields.push_back("TRUSTD_LABEL=" + label);
  for (const std::string& host : alert.hosts) fields.push_back("TRUSTD_HOST=" + host);
  for (const std::string& file : alert.files) fields.push_back("TRUSTD_FILE=" + file);
  return fields;
}

void log_it(const Notice& notice) {
  const std::string line = "alert " + std::to_string(notice.alert.id) + ": " + message_of(notice);
  if (priority_of(notice) <= LOG_CRIT) {
    spdlog::error("{}", line);
  } else if (priority_of(notice) == LOG_WARNING) {
    spdlog::warn("{}", line);
  } else {
    spdlog::info("{}", line);
  }
}

} // namespace

void JournalSink::deliver(const Delivery& delivery, int) {
  // libsystemd is silent where there is no journal.
  const bool is_there = ::access(kSocket, F_OK) == 0;
  for (const Notice& notice : delivery.notices) {
    if (!is_there) {
      log_it(notice);
      continue;
    }
    std::vector<std::string> fields = fields_of(delivery, notice);
    std::vector<iovec> parts;
    for (std::string& field : fields) parts.push_back({field.data(), field.size()});
    const int result = ::sd_journal_sendv(parts.data(), static_cast<int>(parts.size()));
    if (result < 0) throw system_error("the journal", -result);
  }
}

} // namespace trust
