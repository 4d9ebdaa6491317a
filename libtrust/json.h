#pragma once
// Every JSON form that is written, once: the rows of the store and what is answered about
// changes. Members are `snake_case` and stand in the order of the documents; times are RFC 3339
// in UTC, digests lower-case hex. Pure; nothing throws but for lack of memory, and text that is
// not UTF-8 is replaced, not refused.

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>

#include "libtrust/alert.h"
#include "libtrust/error.h"
#include "libtrust/judge.h"
#include "libtrust/record.h"
#include "libtrust/store.h"

namespace trust {

using Json = nlohmann::ordered_json;

Json json_of(const Entry& entry);
Json json_of(const PinRow& pin);
Json json_of(const Identity& identity); // with the paths of its files, and nothing that is in them
Json json_of(const AuditRecord& record);
Json json_of(const GenerationRow& row);
// {"number","at","kind"} and the members of its data.
Json json_of(const Event& event);
// {"generation", "audit_head"}, which every answer to a change carries.
Json json_of(const Change& change);
// With "from" and "to" before it where they are generations.
Json json_of(const Difference& difference);
Json json_of(const Difference& difference, GenerationNumber from, GenerationNumber to);
// {"target", "difference", "accept": [ids], "widens": [{"id", "what"}]}
Json json_of(const RollbackPlan& plan);
Json json_of(const Counts& counts);
Json json_of(const Alert& alert);
Json json_of(const Watch& watch);
Json json_of(const Sighting& sighting);
// {"number", "at", "what", "alert"}
Json json_of(const Notice& notice);
// One of a path: what names it, its ends, and its key as a pin.
Json json_of(const Certificate& certificate);
// {"host", "port", "trusted", "code", "detail", "hint", "trusted_by", "pin_status", "path", …}:
// what `POST /v1/verify` answers and trust_peer_json gives; without host and port those two are
// left out.
Json json_of(const Judgement& judgement);
Json json_of(const Judgement& judgement, const Host& host, Port port);
Json json_of(const std::optional<UnixTime>& time); // null if there is none

// Problem details (RFC 9457); a caller may add members of its own.
Json problem_json(const Error& error);

// On one line, with LF.
std::string text_of(const Json& json);

// json_of(judgement, host, port) with LF; where there is no memory for it, std::bad_alloc.
std::string judgement_text(const Judgement& judgement, const Host& host, Port port);

// {"host","port","pins":[…]} of the pins in force, with LF; written directly, since it is asked
// more often than all the rest together.
std::string pins_in_force_text(const Host& host, Port port, std::span<const PinRow> pins);

} // namespace trust
