#include "daemon/sinks/delivery.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

namespace trust {
namespace {

constexpr std::size_t kMostNamed = 8;

bool is_resolved(const Notice& notice) { return notice.what == Notice::What::resolved; }

std::string counted(std::size_t count, std::string_view word) {
  return std::to_string(count) + " " + std::string(word);
}

void list(std::string& lines, std::string_view what, const std::vector<std::string>& names) {
  if (names.empty()) return;
  lines += "\n  " + std::string(what) + ": ";
  for (std::size_t i = 0; i < names.size() && i < kMostNamed; ++i) {
    lines += (i == 0 ? "" : ", ") + names[i];
  }
  if (names.size() > kMostNamed) {
    lines += " and " + std::to_string(names.size() - kMostNamed) + " more";
  }
}

} // namespace

std::vector<Notice> worth_telling(std::vector<Notice> notices, UnixTime now, bool everything_open) {
  struct OfAlert {
    std::uint64_t last = 0;
    bool raised = false;
  };
  std::map<std::int64_t, OfAlert> alerts;
  for (const Notice& notice : notices) {
    OfAlert& seen = alerts[notice.alert.id];
    seen.last = notice.number;
    seen.raised = seen.raised || notice.what == Notice::What::raised;
  }
  std::erase_if(notices, [&](const Notice& notice) {
    const OfAlert& seen = alerts[notice.alert.id];
    if (notice.number != seen.last) return true;
    if (is_resolved(notice)) return seen.raised || everything_open;
    return !notice.alert.open() || notice.alert.acknowledged(now);
  });
  return notices;
}

Severity severity_of(const Delivery& delivery) noexcept {
  Severity worst = Severity::info;
  for (const Notice& notice : delivery.notices) {
    if (!is_resolved(notice)) worst = std::max(worst, notice.alert.severity);
  }
  return worst;
}

std::vector<const Notice*> worst_first(const Delivery& delivery) {
  std::vector<const Notice*> order;
  for (const Notice& notice : delivery.notices) order.push_back(&notice);
  std::stable_sort(order.begin(), order.end(), [](const Notice* a, const Notice* b) {
    if (is_resolved(*a) != is_resolved(*b)) return is_resolved(*b);
    return a->alert.severity > b->alert.severity;
  });
  return order;
}

std::string title_of(const Delivery& delivery) {
  if (delivery.notices.size() == 1) {
    const Notice& notice = delivery.notices.front();
    switch (notice.what) {
      case Notice::What::raised: return notice.alert.summary;
      case Notice::What::reminded: return "still: " + notice.alert.summary;
      case Notice::What::resolved: return "resolved: " + notice.alert.summary;
    }
  }
  std::map<Severity, std::size_t, std::greater<>> open;
  std::size_t resolved = 0;
  for (const Notice& notice : delivery.notices) {
    if (is_resolved(notice)) {
      ++resolved;
    } else {
      ++open[notice.alert.severity];
    }
  }
  std::string parts;
  for (const auto& [severity, count] : open) {
    parts += (parts.empty() ? "" : ", ") + counted(count, name_of(severity));
  }
  if (resolved > 0) parts += (parts.empty() ? "" : ", ") + counted(resolved, "resolved");
  return counted(delivery.notices.size(), "alerts: ") + parts;
}

std::string lines_of(const Notice& notice) {
  const Alert& alert = notice.alert;
  std::string lines = is_resolved(notice) ? "resolved" : std::string(name_of(alert.severity));
  lines += ": " + alert.summary;
  list(lines, "labels", alert.labels);
  list(lines, "hosts", alert.hosts);
  list(lines, "files", alert.files);
  if (!alert.hint.empty() && !is_resolved(notice)) lines += "\n  hint: " + alert.hint;
  return lines;
}

std::string text_of(const Delivery& delivery, std::size_t most) {
  std::string text = title_of(delivery) + "\n";
  const auto order = worst_first(delivery);
  for (std::size_t i = 0; i < order.size() && i < most; ++i) text += "\n" + lines_of(*order[i]);
  if (order.size() > most) {
    text += "\nand " + std::to_string(order.size() - most) + " more: trustctl alerts";
  }
  return text + "\n";
}

Json json_of(const Delivery& delivery, std::size_t most) {
  Json notices = Json::array();
  const std::size_t shown_count = std::min(most, delivery.notices.size());
  for (std::size_t i = 0; i < shown_count; ++i) notices.push_back(json_of(delivery.notices[i]));
  return {
      {"id", delivery.id},
      {"source", delivery.source},
      {"at", rfc3339(delivery.at)},
      {"test", delivery.test},
      {"title", title_of(delivery)},
      {"severity", name_of(severity_of(delivery))},
      {"notices", std::move(notices)},
      {"more", delivery.notices.size() - shown_count},
  };
}

Delivery test_delivery(std::string id, std::string source, UnixTime now) {
  Notice notice;
  notice.at = now;
  notice.alert.kind = AlertKind::delivery;
  notice.alert.severity = Severity::info;
  notice.alert.target = "test";
  notice.alert.summary = "This is a test of trustd's alerts: nothing is wrong";
  notice.alert.raised_at = now;
  return {std::move(id), std::move(source), now, true, {std::move(notice)}};
}

} // namespace trust
