#pragma once
// Whether a chain is to be believed for a host: the one place that decides. A pure function of
// chain, host, port, view, options and time; the C library, the REST API and resumed sessions all
// call it, so that they cannot disagree. A verdict is a value; Error is thrown only when it cannot
// be found (the snapshot cannot be read, no memory), and whoever asked must refuse.
//
// Threads: any. Sources: RFC 5280 section 6, RFC 6125, RFC 7469 section 2.6.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libtrust/certificate.h"
#include "libtrust/host.h"
#include "libtrust/instant.h"
#include "libtrust/pin.h"
#include "libtrust/record.h"
#include "libtrust/view.h"

namespace trust {

enum class Verdict {
  ok,
  unknown_issuer, // no path to anything in the store
  self_signed,    // and not in the store
  expired,
  not_yet_valid,
  name_mismatch,
  pin_mismatch, // trusted, but not one of the pinned keys
  pin_missing,  // a pin was required and the host has none
  distrusted,   // the store forbids it or its issuer
  bad_chain,    // signature, constraint, purpose or depth; or it cannot be read
  weak,         // key or signature below the policy
  out_of_scope, // its root is trusted, but not for this host
};

struct VerdictFacts {
  std::string_view name; // as in JSON, "unknown_issuer"
  std::int32_t c_status; // of trust.h
};
const VerdictFacts& facts(Verdict verdict) noexcept;

enum class TrustedBy { nothing = 0, system_root = 1, added_root = 2, added_leaf = 3 };
std::string_view name_of(TrustedBy by) noexcept; // "added_root"

enum class PinStatus { none = 0, match = 1, mismatch = 2, lapsed = 3, reported = 4 };
std::string_view name_of(PinStatus status) noexcept;

// What a program may ask beyond the store. It only narrows.
struct JudgeOptions {
  std::vector<Pin> pins; // one of these must match too; none: no demand
  bool require_pin = false;
};

struct Judgement {
  Verdict verdict = Verdict::unknown_issuer;
  std::string detail; // one sentence that names host and certificate; "" if ok
  std::string hint;   // a command to paste, or ""
  TrustedBy trusted_by = TrustedBy::nothing;
  PinStatus pin_status = PinStatus::none;
  std::vector<Certificate> path; // leaf first, the anchor included; as presented if refused
  GenerationNumber generation = 0;
  UnixTime path_not_after = 0;   // when anything in the path, or the entry that trusts it, ends
  std::optional<Entry> entry;    // what trusted or forbade it
  std::vector<PinRow> pins;      // of the store, that count for this host and port

  bool trusted() const noexcept { return verdict == Verdict::ok; }
};

// `chain`: as presented, the peer's own first; empty, over kMaxChainCertificates or over
// kMaxChainBytes together is bad_chain. `port` 0: pins of any port.
Judgement judge(std::span<const Certificate> chain, const Host& host, Port port, const View& view,
                const JudgeOptions& options, UnixTime now);

} // namespace trust
