#include "cli/command/audit.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "cli/command/entry.h"
#include "libtrust/error.h"

namespace trust {
namespace {

struct Head {
  std::uint64_t number = 0;
  std::string hash;
};

Head parse_head(const std::string& text) {
  Head head;
  const std::size_t colon = text.find(':');
  if (colon != std::string::npos) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + colon, head.number);
    head.hash = text.substr(colon + 1);
    const bool is_hex = std::all_of(head.hash.begin(), head.hash.end(), [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    });
    if (error == std::errc() && end == text.data() + colon && head.number > 0 && is_hex &&
        head.hash.size() == 64) {
      return head;
    }
  }
  throw Error(Code::usage,
              "--head wants NUMBER:HASH, as `trustctl log --verify` prints it, not " + shown(text));
}

// Whether the record that the head names has that hash today.
bool goes_through(Context& context, const Head& head, std::string& found) {
  const Json answer = context.client().get(
      "/v1/audit", {{"limit", "1"}, {"before", std::to_string(head.number + 1)}});
  for (const Json& record : array_at(answer, "audit")) {
    if (number_at(record, "number") == head.number) {
      found = text_at(record, "hash");
      return found == head.hash;
    }
  }
  return false;
}

// What a detail is about, by the shortest name that it has.
std::string name_of_detail(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  for (const char* name : {"label", "pattern", "host", "pin"}) {
    if (!text_at(value, name).empty()) return text_at(value, name);
  }
  const std::string fingerprint = text_at(value, "fingerprint");
  return fingerprint.empty() ? value.dump() : short_fingerprint(fingerprint);
}

std::string detail_text(const Json& record) {
  if (!record.contains("detail") || !record["detail"].is_object()) return {};
  std::string text;
  for (const auto& [name, value] : record["detail"].items()) {
    if (value.is_null() || (value.is_string() && value.get<std::string>().empty())) continue;
    constexpr std::size_t kMostNames = 5;
    std::string names;
    if (value.is_array() && value.size() > kMostNames) {
      names = std::to_string(value.size());
    } else if (value.is_array()) {
      for (const Json& item : value) names += (names.empty() ? "" : " ") + name_of_detail(item);
    } else {
      names = name_of_detail(value);
    }
    text += (text.empty() ? "" : ", ") + name + " " + names;
  }
  return text;
}

int verify_log(Context& context, const LogArguments& arguments) {
  const Head head = arguments.head.empty() ? Head() : parse_head(arguments.head);
  Json answer = context.client().get("/v1/audit", {{"limit", "1"}, {"verify", "true"}});
  bool whole = flag_at(answer, "verified");
  std::string message;
  if (!whole) {
    message = "the audit log does not verify: record " +
              std::to_string(number_at(answer, "first_bad")) + " is the first that does not fit";
  }
  if (!arguments.head.empty()) {
    std::string found;
    if (!goes_through(context, head, found)) {
      whole = false;
      if (message.empty()) {
        message = found.empty()
                      ? "the audit log has no record " + std::to_string(head.number)
                      : "record " + std::to_string(head.number) +
                            " of the audit log has the hash " + shown(found) + ", not " + head.hash;
      }
      answer["head_matches"] = false;
    } else {
      answer["head_matches"] = true;
    }
  }
  if (context.globals().json) context.print_json(answer);
  if (!whole) {
    context.terminal().finish();
    throw Error(Code::io, message);
  }
  if (!context.globals().json) {
    context.terminal().line("the audit log verifies; its head is " +
                            shown(text_at(answer, "audit_head")));
  }
  return 0;
}

}  // namespace

int log_command(Context& context, const LogArguments& arguments) {
  if (arguments.verify || !arguments.head.empty()) return verify_log(context, arguments);
  const std::uint64_t limit = std::clamp<std::uint64_t>(arguments.most, 1, 1000);
  const Json answer = context.client().get("/v1/audit", {{"limit", std::to_string(limit)}});
  if (context.globals().json) {
    context.print_json(answer);
    return 0;
  }
  Table table({"NUMBER", "AT", "BY", "ACTION", "GENERATION", "REASON", "WHAT"});
  for (const Json& record : array_at(answer, "audit")) {
    table.row({std::to_string(number_at(record, "number")), shown(text_at(record, "at")),
               "user " + std::to_string(number_at(record, "uid")), shown(text_at(record, "action")),
               std::to_string(number_at(record, "after")), shown(text_at(record, "reason")),
               shown(detail_text(record))});
  }
  context.terminal().out(table.text(context.terminal()));
  return 0;
}

int events_command(Context& context, bool follow) {
  // Every generation has its event, so that what was ends with the generation of now.
  const std::uint64_t last = number_at(context.client().get("/v1/status"), "generation");
  if (!follow && last == 0) return 0;
  context.client().events("/v1/events", "0", [&](const Client::Event& event) {
    const Json data = Json::parse(event.data, nullptr, false);
    if (context.globals().json) {
      context.print_json(data);
    } else {
      context.terminal().line(shown(text_at(data, "at")) + "  " + shown(event.kind) + " " +
                              std::to_string(number_at(data, "generation")) + "  " +
                              shown(text_at(data, "summary")));
    }
    context.terminal().finish();
    return follow || number_at(data, "generation") < last;
  });
  return 0;
}

}  // namespace trust
