#include "daemon/sinks/exec.h"

#include <nlohmann/json.hpp>

#include "libtrust/error.h"

namespace trust {
namespace {

constexpr std::size_t kMostInText = 20;
constexpr std::size_t kMostValueBytes = std::size_t{32} << 10; // command.h takes 64 KiB
constexpr std::size_t kMostInJson = 50;

std::string json_text(const Delivery& delivery) {
  for (std::size_t most = kMostInJson;; most /= 2) {
    std::string text = text_of(json_of(delivery, most));
    text.pop_back(); // LF
    if (text.size() <= kMostValueBytes || most == 0) return text;
  }
}

} // namespace

Variables variables_of(const Delivery& delivery) {
  const Notice& first = *worst_first(delivery).front();
  const Alert& alert = first.alert;
  return {
      {"TRUSTD_DELIVERY", delivery.id},
      {"TRUSTD_SOURCE", delivery.source},
      {"TRUSTD_TEST", delivery.test ? "1" : "0"},
      {"TRUSTD_COUNT", std::to_string(delivery.notices.size())},
      {"TRUSTD_TITLE", title_of(delivery)},
      {"TRUSTD_TEXT", text_of(delivery, kMostInText).substr(0, kMostValueBytes)},
      {"TRUSTD_JSON", json_text(delivery)},
      {"TRUSTD_SEVERITY", std::string(name_of(severity_of(delivery)))},
      // Of the worst:
      {"TRUSTD_ALERT", std::to_string(alert.id)},
      {"TRUSTD_WHAT", std::string(name_of(first.what))},
      {"TRUSTD_KIND", std::string(name_of(alert.kind))},
      {"TRUSTD_TARGET", alert.target},
      {"TRUSTD_FINGERPRINT", alert.fingerprint ? alert.fingerprint->text() : ""},
      {"TRUSTD_THRESHOLD", alert.threshold},
      {"TRUSTD_ENDS_AT", alert.ends_at ? rfc3339(*alert.ends_at) : ""},
      {"TRUSTD_HINT", alert.hint},
  };
}

void ExecSink::deliver(const Delivery& delivery, int stop_fd) {
  const CommandEnd end = commands_.run(CommandKind::sink, name_, variables_of(delivery), stop_fd);
  if (!end.succeeded()) {
    throw Error(end.how == CommandEnd::How::out_of_time ? Code::timeout : Code::io,
                commands_.sentence_of(CommandKind::sink, name_, end));
  }
}

} // namespace trust
