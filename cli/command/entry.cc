#include "cli/command/entry.h"

#include <nlohmann/json.hpp>

#include "libtrust/error.h"

namespace trust {
namespace {

constexpr const char* kPageSize = "1000";
constexpr std::size_t kFewPatterns = 4;
constexpr std::int64_t kSoon_s = 30 * 86'400;

std::string joined(const std::vector<std::string>& texts, std::size_t most) {
  std::string result;
  for (std::size_t i = 0; i < texts.size() && i < most; ++i) {
    if (i != 0) result += ", ";
    result += shown(texts[i]);
  }
  if (texts.size() > most) result += " and " + std::to_string(texts.size() - most) + " more";
  return result;
}

// The earlier of the certificate's and the entry's own end.
std::string end_of(const Json& entry) {
  const std::string not_after = text_at(entry, "not_after");
  const std::string expires_at = text_at(entry, "expires_at");
  if (expires_at.empty()) return not_after;
  try {
    return parse_time(expires_at) < parse_time(not_after) ? expires_at : not_after;
  } catch (const Error&) {
    return not_after;
  }
}

Style style_of_end(const std::string& time, UnixTime now) {
  try {
    const UnixTime end = parse_time(time);
    if (end <= now) return Style::bad;
    return end - now < kSoon_s ? Style::warning : Style::plain;
  } catch (const Error&) {
    return Style::plain;
  }
}

Style style_of_trust(const std::string& trust) {
  if (trust == "distrusted") return Style::bad;
  return trust == "root" ? Style::strong : Style::plain;
}

}  // namespace

std::string text_at(const Json& object, const char* name) {
  if (!object.is_object()) return {};
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool flag_at(const Json& object, const char* name) {
  if (!object.is_object()) return false;
  const auto found = object.find(name);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

std::uint64_t number_at(const Json& object, const char* name) {
  if (!object.is_object()) return 0;
  const auto found = object.find(name);
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

const Json& array_at(const Json& object, const char* name) {
  static const Json kEmpty = Json::array();
  if (!object.is_object()) return kEmpty;
  const auto found = object.find(name);
  return found != object.end() && found->is_array() ? *found : kEmpty;
}

std::vector<std::string> texts_at(const Json& object, const char* name) {
  std::vector<std::string> result;
  for (const Json& item : array_at(object, name)) {
    if (item.is_string()) result.push_back(item.get<std::string>());
  }
  return result;
}

Json find_entry(Context& context, const std::string& id, int least_digits) {
  const Json answer = context.client().get("/v1/certificates",
                                           {{"id", id}, {"digits", std::to_string(least_digits)}});
  const Json& items = array_at(answer, "certificates");
  if (items.empty()) {
    throw Error(Code::not_found, "nothing stored is called " + shown(id), "trustctl list");
  }
  return items.front();
}

Json list_all(Context& context, const std::string& path, const char* member,
              const Parameters& query) {
  Parameters page = query;
  page.emplace_back("limit", kPageSize);
  Json all = context.client().get(path, page);
  std::string cursor = text_at(all, "next_cursor");
  while (!cursor.empty()) {
    Parameters next = page;
    next.emplace_back("cursor", cursor);
    const Json more = context.client().get(path, next);
    for (const Json& item : array_at(more, member)) all[member].push_back(item);
    cursor = text_at(more, "next_cursor");
  }
  if (all.contains("next_cursor")) all["next_cursor"] = nullptr;
  return all;
}

std::string when(const std::string& time, UnixTime now) {
  if (time.empty()) return {};
  try {
    const UnixTime point = parse_time(time);
    return rfc3339(point).substr(0, 10) + " (" + relative(point, now) + ")";
  } catch (const Error&) {
    return shown(time);
  }
}

std::string how_long_to(const std::string& time, UnixTime now) {
  try {
    return relative(parse_time(time), now);
  } catch (const Error&) {
    return shown(time);
  }
}

std::string short_fingerprint(const std::string& fingerprint) {
  return shown(fingerprint.substr(0, 16));
}

std::string colon_fingerprint(const std::string& fingerprint) {
  std::string result;
  for (std::size_t i = 0; i < fingerprint.size(); ++i) {
    if (i != 0 && i % 2 == 0) result += ':';
    const char c = fingerprint[i];
    result += c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c;
  }
  return result;
}

std::string scope_text(const Json& entry) {
  const std::vector<std::string> hosts = texts_at(entry, "hosts");
  if (text_at(entry, "trust") == "distrusted") return "everything";
  return hosts.empty() ? "every name it is valid for" : joined(hosts, kFewPatterns);
}

Table entry_table() { return Table({"LABEL", "TRUST", "FOR", "ENDS", "FINGERPRINT", "SUBJECT"}); }

void add_entry_row(Table& table, const Json& entry, UnixTime now) {
  const std::string label = text_at(entry, "label");
  const std::string trust = text_at(entry, "trust");
  const std::string layer = text_at(entry, "layer");
  const std::string end = end_of(entry);
  const bool has_scope = !texts_at(entry, "hosts").empty();
  table.row({Cell(label.empty() ? "-" : shown(label), Style::strong),
             Cell(layer == "own" || layer.empty() ? trust : trust + " (" + layer + ")",
                  style_of_trust(trust)),
             Cell(has_scope ? scope_text(entry) : "*"),
             Cell(how_long_to(end, now), style_of_end(end, now)),
             Cell(short_fingerprint(text_at(entry, "fingerprint")), Style::dim),
             Cell(shown(text_at(entry, "subject")))});
}

std::string entry_text(const Json& entry, const Terminal& terminal, UnixTime now) {
  constexpr std::size_t kMostNames = 20;
  const Json emitted = entry.is_object() && entry.contains("emitted") ? entry["emitted"] : Json();
  std::string trust = text_at(entry, "trust");
  if (flag_at(entry, "only_this_certificate")) trust += " (this certificate only, not its key)";
  std::string in_files = text_at(emitted, "as");
  if (!text_at(emitted, "why").empty()) in_files += ": " + printable(text_at(emitted, "why"));
  return fields_text({{"label", shown(text_at(entry, "label"))},
                      {"trust", trust},
                      {"for", trust.empty() ? "" : scope_text(entry)},
                      {"ends", when(text_at(entry, "expires_at"), now)},
                      {"layer", text_at(entry, "layer")},
                      {"reason", shown(text_at(entry, "reason"))},
                      {"added", when(text_at(entry, "added_at"), now)},
                      {"in files", in_files},
                      {"in files wider by", joined(texts_at(emitted, "wider_by"), kMostNames)},
                      {"subject", shown(text_at(entry, "subject"))},
                      {"issuer", shown(text_at(entry, "issuer"))},
                      {"names", joined(texts_at(entry, "names"), kMostNames)},
                      {"valid from", when(text_at(entry, "not_before"), now)},
                      {"valid to", when(text_at(entry, "not_after"), now)},
                      {"key", shown(text_at(entry, "key"))},
                      {"signature", shown(text_at(entry, "signature"))},
                      {"kind", flag_at(entry, "is_ca")        ? "CA"
                               : flag_at(entry, "could_sign") ? "server, but could sign like a CA"
                                                              : "server"},
                      {"serial", shown(text_at(entry, "serial"))},
                      {"pin", shown(text_at(entry, "pin"))},
                      {"fingerprint", shown(text_at(entry, "fingerprint"))}},
                     terminal);
}

std::string entry_line(const Json& entry) {
  const std::string label = text_at(entry, "label");
  std::string line = text_at(entry, "trust") + " " +
                     (label.empty() ? shown(text_at(entry, "subject")) : shown(label));
  if (!texts_at(entry, "hosts").empty()) line += " for " + scope_text(entry);
  return line + " (" + short_fingerprint(text_at(entry, "fingerprint")) + "…)";
}

std::string pin_line(const Json& pin) {
  const std::uint64_t port = number_at(pin, "port");
  std::string line = "pin " + shown(text_at(pin, "pin")) + " for " + shown(text_at(pin, "pattern"));
  if (port != 0) line += ":" + std::to_string(port);
  if (text_at(pin, "mode") == "report") line += ", report only";
  if (text_at(pin, "role") == "backup") line += ", backup";
  if (text_at(pin, "position") == "leaf") line += ", leaf only";
  return line;
}

std::string generation_text(const Json& answer) {
  return "generation " + std::to_string(number_at(answer, "generation"));
}

}  // namespace trust
