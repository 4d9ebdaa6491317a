#include "libtrust/json.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace trust {
namespace {

// `text` as a JSON string, quotes included. Bytes that are not ASCII go through the library,
// which replaces what is not UTF-8.
void append_string(std::string& to, std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7E || c == '"' ||
        c == '\\') {
      to += Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
      return;
    }
  }
  to += '"';
  to += text;
  to += '"';
}

// An object, written member by member: what the C library gives must not be a Json, which ends the
// process where there is no memory to destroy it.
class ObjectText {
 public:
  explicit ObjectText(std::string& to) : to_(to) { to_ += '{'; }

  ObjectText& text(std::string_view name, std::string_view value) {
    append_string(begin(name), value);
    return *this;
  }
  ObjectText& plain(std::string_view name, std::string_view number_or_bool) {
    begin(name) += number_or_bool;
    return *this;
  }
  template <typename Items, typename Append>
  ObjectText& array(std::string_view name, const Items& items, Append&& append) {
    begin(name) += '[';
    bool first = true;
    for (const auto& item : items) {
      if (!std::exchange(first, false)) to_ += ',';
      append(to_, item);
    }
    to_ += ']';
    return *this;
  }
  void end() { to_ += '}'; }

 private:
  std::string& begin(std::string_view name) {
    if (to_.back() != '{') to_ += ',';
    append_string(to_, name);
    to_ += ':';
    return to_;
  }

  std::string& to_;
};

void append_certificate(std::string& to, const Certificate& certificate) {
  std::vector<std::string> names = certificate.dns_names();
  for (const Host& address : certificate.addresses()) names.push_back(address.text());
  ObjectText(to)
      .text("fingerprint", certificate.fingerprint().text())
      .text("subject", certificate.subject())
      .text("issuer", certificate.issuer())
      .text("serial", certificate.serial())
      .text("not_before", rfc3339(certificate.not_before()))
      .text("not_after", rfc3339(certificate.not_after()))
      .array("names", names, append_string)
      .text("key", certificate.key_kind())
      .text("signature", certificate.signature_kind())
      .text("pin", Pin::of(certificate).text())
      .end();
}

void add_judgement(ObjectText& object, const Judgement& judgement) {
  object.plain("trusted", judgement.trusted() ? "true" : "false")
      .text("code", facts(judgement.verdict).name)
      .text("detail", judgement.detail)
      .text("hint", judgement.hint)
      .text("trusted_by", name_of(judgement.trusted_by))
      .text("pin_status", name_of(judgement.pin_status))
      .array("path", judgement.path, append_certificate)
      .text("path_not_after", rfc3339(judgement.path_not_after))
      .plain("generation", std::to_string(judgement.generation));
}

Json texts(const std::vector<Pattern>& patterns) {
  Json array = Json::array();
  for (const Pattern& pattern : patterns) array.push_back(pattern.text());
  return array;
}

template <typename Row>
Json array_of(const std::vector<Row>& rows) {
  Json array = Json::array();
  for (const Row& row : rows) array.push_back(json_of(row));
  return array;
}

// What a person needs to know of something that a rollback would widen.
std::string what_widens(const RollbackPlan& plan, const std::string& id) {
  for (const Entry& entry : plan.difference.added) {
    if (entry.certificate.fingerprint.text() != id) continue;
    return "trusts " + (entry.label.empty() ? entry.certificate.subject : entry.label) +
           " again as " + std::string(name_of(entry.trust));
  }
  for (const Entry& entry : plan.difference.removed) {
    if (entry.certificate.fingerprint.text() != id) continue;
    return "no longer distrusts " + entry.certificate.subject;
  }
  for (const PinRow& pin : plan.difference.pins_removed) {
    if ("pin:" + std::to_string(pin.id) != id) continue;
    return "no longer pins " + pin.pattern.text() + " to " + pin.pin.text();
  }
  return "would be trusted more widely";
}

} // namespace

Json json_of(const std::optional<UnixTime>& time) {
  return time ? Json(rfc3339(*time)) : Json(nullptr);
}

Json json_of(const Entry& entry) {
  const CertificateFacts& facts = entry.certificate;
  return {
      {"fingerprint", facts.fingerprint.text()},
      {"trust", name_of(entry.trust)},
      {"layer", name_of(entry.layer)},
      {"base", entry.layer != Layer::own},
      {"label", entry.label},
      {"hosts", texts(entry.hosts)},
      {"reason", entry.reason},
      {"owner", entry.owner},
      {"added_at", rfc3339(entry.added_at)},
      {"expires_at", json_of(entry.expires_at)},
      {"only_this_certificate", entry.only_this_certificate},
      {"emit_signing", entry.emit_signing},
      {"since", entry.since},
      {"subject", facts.subject},
      {"issuer", facts.issuer},
      {"serial", facts.serial},
      {"not_before", rfc3339(facts.not_before)},
      {"not_after", rfc3339(facts.not_after)},
      {"names", facts.names},
      {"key", facts.key_kind},
      {"signature", facts.signature_kind},
      {"pin", Pin{facts.spki_hash}.text()},
      {"is_ca", facts.is_ca},
      {"could_sign", facts.could_sign},
      {"self_signed", facts.is_self_signed},
  };
}

Json json_of(const Identity& identity) {
  const CertificateFacts& facts = identity.certificate;
  const auto file = [&](const char* name) {
    return identity.directory.empty() ? Json(nullptr) : Json(identity.directory + "/" + name);
  };
  return {
      {"fingerprint", facts.fingerprint.text()},
      {"label", identity.label},
      {"kind", name_of(identity.kind)},
      {"names", texts(identity.names)},
      {"key", name_of(identity.key)},
      {"digest", name_of(identity.digest)},
      {"key_format", name_of(identity.key_format)},
      {"days", identity.days},
      {"ca", identity.ca || identity.kind == Identity::Kind::ca},
      {"from_ca", identity.from_ca},
      {"subject", facts.subject},
      {"serial", facts.serial},
      {"not_before", rfc3339(facts.not_before)},
      {"not_after", rfc3339(facts.not_after)},
      {"pin", Pin{facts.spki_hash}.text()},
      {"directory", identity.directory.empty() ? Json(nullptr) : Json(identity.directory)},
      {"key_path", file("key.pem")},
      {"certificate_path", file("cert.pem")},
      {"renews", identity.renews},
      {"next_at", json_of(identity.next_at)},
      {"after_renew", identity.after_renew},
      {"pending", identity.pending},
      {"problem", identity.problem},
      {"owner", identity.owner},
      {"made_at", rfc3339(identity.made_at)},
  };
}

Json json_of(const PinRow& pin) {
  return {
      {"id", pin.id},
      {"pin", pin.pin.text()},
      {"pattern", pin.pattern.pattern.text()},
      {"port", pin.pattern.port},
      {"mode", name_of(pin.mode)},
      {"role", name_of(pin.role)},
      {"position", name_of(pin.position)},
      {"expires_at", json_of(pin.expires_at)},
      {"note", pin.note},
      {"layer", name_of(pin.layer)},
      {"owner", pin.owner},
      {"added_at", rfc3339(pin.added_at)},
      {"since", pin.since},
  };
}

Json json_of(const AuditRecord& record) {
  Json detail = Json::parse(record.detail, nullptr, false);
  if (!detail.is_object()) detail = Json::object();
  return {
      {"number", record.number},
      {"at", rfc3339(record.at)},
      {"uid", record.actor.uid},
      {"pid", record.actor.pid},
      {"executable", record.actor.executable},
      {"action", record.action},
      {"detail", std::move(detail)},
      {"reason", record.reason},
      {"before", record.before},
      {"after", record.after},
      {"previous", hex(record.previous)},
      {"hash", hex(record.hash)},
  };
}

Json json_of(const GenerationRow& row) {
  return {
      {"number", row.number}, {"created_at", rfc3339(row.created_at)},
      {"action", row.action}, {"summary", row.summary},
      {"uid", row.actor},
  };
}

Json json_of(const Event& event) {
  Json json = {{"number", event.number}, {"at", rfc3339(event.at)}, {"kind", event.kind}};
  const Json data = Json::parse(event.data, nullptr, false);
  if (data.is_object()) json.update(data);
  return json;
}

Json json_of(const Change& change) {
  return {{"generation", change.generation}, {"audit_head", change.audit_head}};
}

Json json_of(const Difference& difference) {
  return {
      {"added", array_of(difference.added)},
      {"removed", array_of(difference.removed)},
      {"pins_added", array_of(difference.pins_added)},
      {"pins_removed", array_of(difference.pins_removed)},
      {"base_added", difference.base_added},
      {"base_removed", difference.base_removed},
  };
}

Json json_of(const Difference& difference, GenerationNumber from, GenerationNumber to) {
  Json json = {{"from", from}, {"to", to}};
  json.update(json_of(difference));
  return json;
}

Json json_of(const Certificate& certificate) {
  std::string text;
  append_certificate(text, certificate);
  return Json::parse(text);
}

Json json_of(const Judgement& judgement) {
  std::string text;
  ObjectText object(text);
  add_judgement(object, judgement);
  object.end();
  return Json::parse(text);
}

Json json_of(const Judgement& judgement, const Host& host, Port port) {
  return Json::parse(judgement_text(judgement, host, port));
}

Json json_of(const RollbackPlan& plan) {
  Json widens = Json::array();
  for (const std::string& id : plan.widens) {
    widens.push_back(Json{{"id", id}, {"what", what_widens(plan, id)}});
  }
  return {
      {"target", plan.target},
      {"difference", json_of(plan.difference)},
      {"accept", plan.widens},
      {"widens", std::move(widens)},
  };
}

Json json_of(const Counts& counts) {
  return {
      {"roots", counts.roots}, {"leaves", counts.leaves}, {"distrusted", counts.distrusted},
      {"base", counts.base},   {"pins", counts.pins},
  };
}

Json json_of(const Alert& alert) {
  const char* state = alert.resolved_at       ? "resolved"
                      : alert.acknowledged_at ? "acknowledged"
                                              : "open";
  return {
      {"id", alert.id},
      {"kind", name_of(alert.kind)},
      {"severity", name_of(alert.severity)},
      {"state", state},
      {"target", alert.target},
      {"fingerprint", alert.fingerprint ? Json(alert.fingerprint->text()) : Json(nullptr)},
      {"summary", alert.summary},
      {"hint", alert.hint},
      {"threshold", alert.threshold},
      {"ends_at", json_of(alert.ends_at)},
      {"labels", alert.labels},
      {"hosts", alert.hosts},
      {"files", alert.files},
      {"raised_at", rfc3339(alert.raised_at)},
      {"acknowledged_at", json_of(alert.acknowledged_at)},
      {"acknowledged_until", json_of(alert.acknowledged_until)},
      {"resolved_at", json_of(alert.resolved_at)},
  };
}

Json json_of(const Watch& watch) {
  const char* state = !watch.looked_at        ? "new"
                      : watch.failures > 0    ? "failing"
                      : watch.problem.empty() ? "ok"
                                              : "partly";
  Json json = {
      {"id", watch.id},
      {"kind", name_of(watch.kind)},
      {"target", watch.target},
      {"state", state},
      {"problem", watch.problem},
      {"failures", watch.failures},
      {"certificates", watch.certificates},
      {"ends_at", json_of(watch.ends_at)},
      {"first_seen_at", json_of(watch.first_seen_at)},
      {"last_seen_at", json_of(watch.last_seen_at)},
      {"looked_at", json_of(watch.looked_at)},
      {"owner", watch.owner},
      {"reason", watch.reason},
      {"added_at", rfc3339(watch.added_at)},
  };
  if (watch.kind != WatchKind::endpoint) return json;
  json["next_at"] = rfc3339(watch.next_at);
  json["fingerprint"] = watch.fingerprint ? Json(watch.fingerprint->text()) : Json(nullptr);
  json["not_before"] = json_of(watch.not_before);
  json["not_after"] = json_of(watch.not_after);
  json["code"] = watch.verdict;
  json["trusted_by"] = watch.trusted_by;
  json["pin_status"] = watch.pin_status;
  return json;
}

Json json_of(const Sighting& sighting) {
  return {
      {"fingerprint", sighting.fingerprint.text()},
      {"subject", sighting.subject},
      {"issuer", sighting.issuer},
      {"pin", Pin{sighting.facet.spki_hash}.text()},
      {"not_before", rfc3339(sighting.not_before)},
      {"not_after", rfc3339(sighting.not_after)},
      {"succession", name_of(sighting.succession)},
      {"trusted", sighting.facet.trusted},
      {"first_seen_at", rfc3339(sighting.first_seen_at)},
      {"last_seen_at", rfc3339(sighting.last_seen_at)},
  };
}

Json json_of(const Notice& notice) {
  return {
      {"number", notice.number},
      {"at", rfc3339(notice.at)},
      {"what", name_of(notice.what)},
      {"alert", json_of(notice.alert)},
  };
}

Json problem_json(const Error& error) {
  const CodeFacts& about = facts(error.code());
  return {
      {"type", "urn:trustd:problem:" + std::string(about.name)},
      {"title", about.title},
      {"status", about.http_status},
      {"detail", error.message()},
      {"code", about.name},
      {"hint", error.hint()},
  };
}

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

std::string judgement_text(const Judgement& judgement, const Host& host, Port port) {
  std::string text;
  ObjectText object(text);
  object.text("host", host.text()).plain("port", std::to_string(port));
  add_judgement(object, judgement);
  object.end();
  return text + '\n';
}

std::string pins_in_force_text(const Host& host, Port port, std::span<const PinRow> pins) {
  std::string text;
  text.reserve(64 + pins.size() * 256);
  text += "{\"host\":";
  append_string(text, host.text());
  text += ",\"port\":" + std::to_string(port) + ",\"pins\":[";
  bool first = true;
  for (const PinRow& pin : pins) {
    text += first ? "{\"id\":" : ",{\"id\":";
    first = false;
    text += std::to_string(pin.id);
    text += ",\"pin\":\"" + pin.pin.text() + "\",\"pattern\":";
    append_string(text, pin.pattern.pattern.text());
    text += ",\"port\":" + std::to_string(pin.pattern.port) + ",\"mode\":\"";
    text += name_of(pin.mode);
    text += "\",\"role\":\"";
    text += name_of(pin.role);
    text += "\",\"position\":\"";
    text += name_of(pin.position);
    text += "\",\"expires_at\":";
    text += pin.expires_at ? '"' + rfc3339(*pin.expires_at) + '"' : "null";
    text += ",\"note\":";
    append_string(text, pin.note);
    text += '}';
  }
  text += "]}\n";
  return text;
}

} // namespace trust
