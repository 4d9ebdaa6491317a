#include "daemon/sinks/formats.h"

#include <nlohmann/json.hpp>

namespace trust {
namespace {

constexpr std::size_t kMostOfPrograms = 100;
constexpr std::size_t kMostAttachments = 20; // Slack shows no more
constexpr UnixTime kAlertmanagerEnd = 3600;

// What Slack takes for markup of its own: without it nothing from outside can be a mention or a
// link.
std::string slack_text(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '&': safe += "&amp;"; break;
      case '<': safe += "&lt;"; break;
      case '>': safe += "&gt;"; break;
      default: safe += c;
    }
  }
  return safe;
}

std::string_view color_of(const Notice& notice) {
  if (notice.what == Notice::What::resolved) return "good";
  switch (notice.alert.severity) {
    case Severity::info: return "#439FE0";
    case Severity::warning: return "warning";
    case Severity::critical: return "danger";
  }
  return "warning";
}

Json slack_of(const Delivery& delivery) {
  Json attachments = Json::array();
  const auto order = worst_first(delivery);
  for (std::size_t i = 0; i < order.size() && i < kMostAttachments; ++i) {
    attachments.push_back({{"color", color_of(*order[i])},
                           {"text", slack_text(lines_of(*order[i]))},
                           {"fallback", slack_text(order[i]->alert.summary)}});
  }
  std::string text = delivery.source + ": " + title_of(delivery);
  if (order.size() > kMostAttachments) {
    text +=
        " (" + std::to_string(order.size() - kMostAttachments) + " are not shown: trustctl alerts)";
  }
  return {{"text", slack_text(text)}, {"attachments", std::move(attachments)}};
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string alert_name(AlertKind kind) {
  std::string name = "Trust";
  bool upper = true;
  for (const char c : name_of(kind)) {
    if (c == '_') {
      upper = true;
    } else {
      name += upper ? static_cast<char>(c - 'a' + 'A') : c;
      upper = false;
    }
  }
  return name;
}

// Its labels are what makes it this alert, so nothing that changes meanwhile is one.
Json alertmanager_of(const Delivery& delivery, const Notice& notice) {
  const Alert& alert = notice.alert;
  const bool open =
      notice.what != Notice::What::resolved && alert.open() && !alert.acknowledged(delivery.at);
  Json labels{{"alertname", delivery.test ? "TrustTest" : alert_name(alert.kind)},
              {"job", "trustd"},
              {"instance", delivery.source},
              {"kind", name_of(alert.kind)},
              {"severity", name_of(alert.severity)},
              {"target", alert.target}};
  if (alert.fingerprint) labels["fingerprint"] = alert.fingerprint->text();
  Json annotations{{"summary", alert.summary}};
  const auto annotate = [&annotations](const char* name, const std::string& text) {
    if (!text.empty()) annotations[name] = text;
  };
  annotate("hint", alert.hint);
  annotate("threshold", alert.threshold);
  if (alert.ends_at) annotate("ends_at", rfc3339(*alert.ends_at));
  annotate("labels", joined(alert.labels));
  annotate("hosts", joined(alert.hosts));
  annotate("files", joined(alert.files));
  annotate("alert", std::to_string(alert.id));
  const UnixTime end = open ? delivery.at + kAlertmanagerEnd : delivery.at;
  return {{"labels", std::move(labels)},
          {"annotations", std::move(annotations)},
          {"startsAt", rfc3339(std::min(alert.raised_at, end))},
          {"endsAt", rfc3339(end)}};
}

} // namespace

std::string webhook_body(SinkConfig::Format format, const Delivery& delivery) {
  switch (format) {
    case SinkConfig::Format::json: return text_of(json_of(delivery, kMostOfPrograms));
    case SinkConfig::Format::slack: return text_of(slack_of(delivery));
    case SinkConfig::Format::alertmanager: {
      Json alerts = Json::array();
      for (const Notice& notice : delivery.notices) {
        alerts.push_back(alertmanager_of(delivery, notice));
      }
      return text_of(alerts);
    }
  }
  return {};
}

} // namespace trust
