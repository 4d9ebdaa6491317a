#include "libtrust/request.h"

#include <nlohmann/json.hpp>
#include <set>

#include "libtrust/absolute.h"
#include "libtrust/error.h"
#include "libtrust/label.h"
#include "libtrust/tcp.h"

namespace trust {
namespace {

using Value = nlohmann::json; // sorted: many members cost no more than their number

constexpr std::size_t kMaxTextBytes = 1000; // a reason, a note, a file's name
constexpr std::size_t kMaxPathBytes = 4096;
constexpr std::size_t kMaxHosts = 200;
constexpr std::size_t kMaxPins = 1000;
constexpr std::size_t kMaxAccept = 100'000;
// PEM of kMaxChainBytes has a third more, and there may be some text around the blocks.
constexpr std::size_t kMaxChainText = 2 * kMaxChainBytes;

std::string named(std::string_view name) { return "\"" + shown(name) + "\""; }

// One object, read member by member. What was not asked for when finish() is called is refused.
class Members {
 public:
  explicit Members(Value object) : object_(std::move(object)) {}

  static Members parse(std::string_view text) {
    // Depth is bounded before anything nested is kept, and a name that stands twice is refused:
    // two readers of one request must not see two values.
    std::set<std::string> seen;
    std::string twice;
    bool too_deep = false;
    const auto watch = [&](int depth, Value::parse_event_t event, Value& parsed) {
      if (depth > 3) too_deep = true;
      if (event == Value::parse_event_t::key && depth == 1) {
        const auto& name = parsed.get_ref<const std::string&>();
        if (!seen.insert(name).second && twice.empty()) twice = name;
      }
      return !too_deep;
    };
    Value object = Value::parse(text, watch, false);
    if (too_deep) throw Error(Code::usage, "the request's JSON is nested too deeply");
    if (!twice.empty())
      throw Error(Code::usage, "the field " + named(twice) + " stands there twice");
    if (object.is_discarded()) throw Error(Code::usage, "the request's body is not JSON in UTF-8");
    if (!object.is_object()) throw Error(Code::usage, "the request's body is not a JSON object");
    return Members(std::move(object));
  }

  // None if it is not there, or null.
  std::optional<std::string> text(const std::string& name, std::size_t most) {
    const Value* value = take(name);
    if (value == nullptr || value->is_null()) return std::nullopt;
    if (!value->is_string()) throw wrong(name, "text");
    auto text = value->get<std::string>();
    if (text.size() > most) {
      throw Error(Code::too_large, "the field " + named(name) + " is longer than " +
                                       std::to_string(most) + " bytes");
    }
    return text;
  }

  std::vector<std::string> texts(const std::string& name, std::size_t most) {
    const Value* value = take(name);
    std::vector<std::string> texts;
    if (value == nullptr || value->is_null()) return texts;
    if (!value->is_array()) throw wrong(name, "a list of texts");
    if (value->size() > most) {
      throw Error(Code::too_large,
                  "the field " + named(name) + " has more than " + std::to_string(most) + " items");
    }
    for (const Value& item : *value) {
      if (!item.is_string()) throw wrong(name, "a list of texts");
      texts.push_back(item.get<std::string>());
    }
    return texts;
  }

  bool flag(const std::string& name) {
    const Value* value = take(name);
    if (value == nullptr || value->is_null()) return false;
    if (!value->is_boolean()) throw wrong(name, "true or false");
    return value->get<bool>();
  }

  std::int64_t number(const std::string& name, std::int64_t least, std::int64_t most,
                      std::int64_t otherwise) {
    const Value* value = take(name);
    if (value == nullptr || value->is_null()) return otherwise;
    const bool fits = value->is_number_integer() &&
                      (!value->is_number_unsigned() ||
                       value->get<std::uint64_t>() <= static_cast<std::uint64_t>(most)) &&
                      value->get<std::int64_t>() >= least && value->get<std::int64_t>() <= most;
    if (!fits) {
      throw wrong(name,
                  "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    }
    return value->get<std::int64_t>();
  }

  // 0 to 65535; none if it is not there, or null.
  std::optional<Port> port(const std::string& name) {
    const Value* value = take(name);
    if (value == nullptr || value->is_null()) return std::nullopt;
    if (!value->is_number_unsigned() || value->get<std::uint64_t>() > 0xFFFF) {
      throw wrong(name, "a port, a number from 0 to 65535");
    }
    return value->get<Port>();
  }

  Host host(const std::string& name) {
    const auto value = text(name, kMaxTextBytes);
    if (!value) throw Error(Code::usage, "the request needs the field " + named(name));
    return Host::parse(*value);
  }

  std::vector<Pattern> patterns(const std::string& name) {
    std::vector<Pattern> patterns;
    for (const std::string& text : texts(name, kMaxHosts)) patterns.push_back(Pattern::parse(text));
    return patterns;
  }

  bool has(const std::string& name) const { return object_.contains(name); }

  void finish() const {
    for (const auto& [name, value] : object_.items()) {
      if (taken_.count(name) != 0) continue;
      std::string known;
      for (const std::string& one : taken_) known += (known.empty() ? "" : ", ") + one;
      throw Error(Code::usage, "the field " + named(name) + " is not known", "known are " + known);
    }
  }

 private:
  const Value* take(const std::string& name) {
    taken_.insert(name);
    const auto found = object_.find(name);
    return found == object_.end() ? nullptr : &*found;
  }

  static Error wrong(const std::string& name, const std::string& expected) {
    return Error(Code::usage, "the field " + named(name) + " is not " + expected);
  }

  Value object_;
  std::set<std::string> taken_;
};

std::optional<UnixTime> time_of(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  return parse_time(*text);
}

// What the JSON and the raw form have in common.
AddRequest read_add(Members& members) {
  AddRequest request;
  if (const auto trust = members.text("trust", kMaxTextBytes)) request.trust = parse_trust(*trust);
  request.hosts = members.patterns("hosts");
  request.label = members.text("label", kMaxLabelBytes).value_or("");
  request.reason = members.text("reason", kMaxTextBytes).value_or("");
  request.expires_at = time_of(members.text("expires_at", kMaxTextBytes));
  request.replace = members.flag("replace");
  request.skip_invalid = members.flag("skip_invalid");
  request.only_this_certificate = members.flag("only_this_certificate");
  request.emit_signing = members.flag("emit_signing");
  request.pin = members.flag("pin");
  request.source = members.text("source", kMaxTextBytes).value_or("");
  return request;
}

} // namespace

AddRequest AddRequest::parse(std::string_view json) {
  Members members = Members::parse(json);
  AddRequest request = read_add(members);
  const auto pem = members.text("pem", json.size());
  const auto fingerprint = members.text("fingerprint", kMaxTextBytes);
  const std::vector<std::string> pins = members.texts("pins", kMaxPins);
  const auto pin_for = members.text("pin_for", kMaxTextBytes);
  members.finish();
  if (pins.empty() == pin_for.has_value()) {
    throw Error(Code::usage, "the fields \"pins\" and \"pin_for\" go together");
  }
  for (const std::string& pin : pins) {
    PinRow row;
    row.pin = Pin::parse(pin);
    row.pattern = PortPattern::parse(*pin_for);
    row.position = PinRow::Position::leaf;
    request.pins.push_back(std::move(row));
  }
  if (pem.has_value() == fingerprint.has_value()) {
    throw Error(Code::usage, "the request needs one of the fields \"pem\" and \"fingerprint\"");
  }
  if (pem) request.pem = *pem;
  if (fingerprint) request.fingerprint = Fingerprint::parse(*fingerprint);
  return request;
}

AddRequest AddRequest::parse_raw(std::string body, const QueryPairs& query) {
  static const std::set<std::string> kFlags = {"replace", "skip_invalid", "only_this_certificate",
                                               "emit_signing", "pin"};
  Value object = Value::object();
  Value hosts = Value::array();
  for (const auto& [name, value] : query) {
    if (name == "host") {
      hosts.push_back(value);
    } else if (name == "hosts" || name == "pem" || name == "fingerprint") {
      throw Error(Code::usage, "the parameter " + named(name) + " is not known");
    } else if (object.contains(name)) {
      throw Error(Code::usage, "the parameter " + named(name) + " stands there twice");
    } else if (kFlags.count(name) == 0) {
      object[name] = value;
    } else if (value == "true" || value == "1" || value.empty()) {
      object[name] = true;
    } else if (value == "false" || value == "0") {
      object[name] = false;
    } else {
      throw Error(Code::usage, "the parameter " + named(name) + " is not true or false");
    }
  }
  object["hosts"] = std::move(hosts);
  Members members(std::move(object));
  AddRequest request = read_add(members);
  members.finish();
  request.pem = std::move(body);
  return request;
}

EntryPatch parse_patch(std::string_view json) {
  Members members = Members::parse(json);
  EntryPatch patch;
  if (const auto label = members.text("label", kMaxLabelBytes)) patch.label = parse_label(*label);
  if (members.has("hosts")) patch.hosts = members.patterns("hosts");
  patch.reason = members.text("reason", kMaxTextBytes);
  if (members.has("expires_at"))
    patch.expires_at = time_of(members.text("expires_at", kMaxTextBytes));
  if (const auto trust = members.text("trust", kMaxTextBytes)) patch.trust = parse_trust(*trust);
  members.finish();
  return patch;
}

PinsRequest PinsRequest::parse(std::string_view json) {
  Members members = Members::parse(json);
  PinsRequest request;
  const auto pattern = members.text("pattern", kMaxTextBytes);
  if (!pattern) throw Error(Code::usage, "the request needs the field \"pattern\"");
  PinRow row;
  row.pattern = PortPattern::parse(*pattern);
  const std::vector<std::string> pins = members.texts("pins", kMaxPins);
  if (const auto mode = members.text("mode", kMaxTextBytes)) row.mode = parse_pin_mode(*mode);
  if (const auto role = members.text("role", kMaxTextBytes)) row.role = parse_pin_role(*role);
  if (const auto at = members.text("position", kMaxTextBytes))
    row.position = parse_pin_position(*at);
  row.expires_at = time_of(members.text("expires_at", kMaxTextBytes));
  row.note = members.text("note", kMaxTextBytes).value_or("");
  request.reason = members.text("reason", kMaxTextBytes).value_or("");
  members.finish();
  if (pins.empty()) throw Error(Code::usage, "the field \"pins\" is missing or empty");
  for (const std::string& pin : pins) {
    row.pin = Pin::parse(pin);
    request.rows.push_back(row);
  }
  return request;
}

IdentityRequest IdentityRequest::parse(std::string_view json) {
  Members members = Members::parse(json);
  IdentityRequest request;
  const std::vector<std::string> names = members.texts("names", kMaxHosts);
  if (const auto key = members.text("key", kMaxTextBytes)) request.key = parse_key_kind(*key);
  if (const auto digest = members.text("digest", kMaxTextBytes))
    request.digest = parse_signing_digest(*digest);
  if (const auto format = members.text("key_format", kMaxTextBytes))
    request.key_format = parse_key_format(*format);
  request.days = members.number("days", 1, kMostDays, kDefaultDays);
  request.ca = members.flag("ca");
  request.from_ca = members.flag("from_ca");
  request.trust = members.flag("trust");
  request.renew = members.flag("renew");
  request.after_renew = members.text("after_renew", kMaxTextBytes).value_or("");
  request.replace = members.flag("replace");
  request.emit_signing = members.flag("emit_signing");
  if (const auto label = members.text("label", kMaxLabelBytes)) request.label = parse_label(*label);
  request.directory = members.text("directory", kMaxPathBytes).value_or("");
  const auto key_text = members.text("public_key", kMaxPathBytes * 2);
  request.reason = members.text("reason", kMaxTextBytes).value_or("");
  members.finish();
  request.names = parse_names(names);
  if (!request.directory.empty() && request.directory[0] != '/')
    throw Error(Code::invalid, "the field \"directory\" is not an absolute path");
  if (key_text) {
    request.public_key = parse_base64(*key_text);
    if (!request.public_key)
      throw Error(Code::invalid, "the field \"public_key\" is not base64 of a public key's DER");
  }
  check_key_form(request.key, request.key_format, false);
  return request;
}

CaRequest CaRequest::parse(std::string_view json) {
  Members members = Members::parse(json);
  CaRequest request;
  request.permit = members.patterns("permit");
  if (const auto key = members.text("key", kMaxTextBytes)) request.key = parse_key_kind(*key);
  if (const auto digest = members.text("digest", kMaxTextBytes))
    request.digest = parse_signing_digest(*digest);
  request.days = members.number("days", 1, kMostDays, kDefaultCaDays);
  request.name = members.text("name", kMaxTextBytes).value_or("");
  if (const auto label = members.text("label", kMaxLabelBytes)) request.label = parse_label(*label);
  request.reason = members.text("reason", kMaxTextBytes).value_or("");
  members.finish();
  if (request.permit.empty())
    throw Error(Code::usage, "the field \"permit\" is missing or empty",
                "a local CA is limited to names and addresses: \"**.test\", \"127.0.0.0/8\"");
  return request;
}

std::string parse_reason(std::string_view json) {
  Members members = json.empty() ? Members(Value::object()) : Members::parse(json);
  std::string reason = members.text("reason", kMaxTextBytes).value_or("");
  members.finish();
  return reason;
}

VerifyRequest VerifyRequest::parse(std::string_view json) {
  Members members = Members::parse(json);
  VerifyRequest request;
  request.host = members.host("host");
  request.port = members.port("port").value_or(0);
  const auto chain = members.text("chain_pem", kMaxChainText);
  request.at = time_of(members.text("at", kMaxTextBytes));
  members.finish();
  if (!chain) throw Error(Code::usage, "the request needs the field \"chain_pem\"");
  request.chain_pem = *chain;
  return request;
}

ProbeRequest ProbeRequest::parse(std::string_view json) {
  Members members = Members::parse(json);
  ProbeRequest request;
  request.host = members.host("host");
  request.port = members.port("port");
  request.starttls = members.text("starttls", kMaxTextBytes);
  members.finish();
  if (request.port == Port{0}) {
    throw Error(Code::usage, "the field \"port\" is 0, which no server listens at");
  }
  return request;
}

AcknowledgeRequest AcknowledgeRequest::parse(std::string_view json) {
  Members members = json.empty() ? Members(Value::object()) : Members::parse(json);
  AcknowledgeRequest request;
  if (const auto span = members.text("for", kMaxTextBytes)) request.for_s = parse_duration_s(*span);
  request.until = time_of(members.text("until", kMaxTextBytes));
  request.reason = members.text("reason", kMaxTextBytes).value_or("");
  members.finish();
  if (request.for_s && request.until) {
    throw Error(Code::usage, "the fields \"for\" and \"until\" exclude each other");
  }
  return request;
}

WatchRequest WatchRequest::parse(std::string_view json) {
  constexpr std::size_t kMaxPath = 4096;
  Members members = Members::parse(json);
  WatchRequest request;
  const auto endpoint = members.text("endpoint", kMaxTextBytes);
  const auto file = members.text("file", kMaxPath);
  const auto directory = members.text("directory", kMaxPath);
  request.reason = members.text("reason", kMaxTextBytes).value_or("");
  members.finish();
  if (endpoint.has_value() + file.has_value() + directory.has_value() != 1) {
    throw Error(Code::usage,
                "the request needs one of the fields \"endpoint\", \"file\" and \"directory\"");
  }
  if (endpoint) {
    const Endpoint parsed = Endpoint::parse(*endpoint, 443);
    if (const auto kind = local_or_many(parsed.host)) {
      throw Error(Code::invalid,
                  parsed.host.text() + " is not watched: it is " + std::string(*kind));
    }
    request.target = parsed.text();
    return request;
  }
  request.kind = file ? WatchKind::file : WatchKind::directory;
  const std::string& path = file ? *file : *directory;
  if (!path.starts_with('/') || path.find('\0') != std::string::npos) {
    throw Error(Code::invalid, std::string(file ? "\"file\"" : "\"directory\"") +
                                   " is no absolute path: " + shown(path));
  }
  request.target = absolute_path(path);
  return request;
}

RollbackRequest RollbackRequest::parse(std::string_view json) {
  Members members = json.empty() ? Members(Value::object()) : Members::parse(json);
  RollbackRequest request;
  request.accept = members.texts("accept", kMaxAccept);
  request.reason = members.text("reason", kMaxTextBytes).value_or("");
  request.plan = members.flag("plan");
  members.finish();
  return request;
}

} // namespace trust
