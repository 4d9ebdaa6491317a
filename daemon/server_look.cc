#include "daemon/server_look.h"

#include <algorithm>

#include "libtrust/dial.h"
#include "libtrust/error.h"
#include "libtrust/judge.h"
#include "libtrust/pinning.h"
#include "libtrust/snapshot.h"
#include "libtrust/view.h"

namespace trust {
namespace {

Ending ending_of(const Certificate& certificate) {
  return Ending::of(certificate.fingerprint(), certificate.subject(),
                    {certificate.not_before(), certificate.not_after()});
}

// What of a path that is trusted ends first: one of its certificates, or the decision that trusts
// it. Of one that is not, only the server's own certificate counts: the rest may be anything.
Ending first_end(const Certificate& leaf, const Judgement& judgement) {
  if (!judgement.trusted() && judgement.verdict != Verdict::expired) return ending_of(leaf);
  const Certificate* first = &leaf;
  for (const Certificate& certificate : judgement.path) {
    if (certificate.not_after() < first->not_after()) first = &certificate;
  }
  Ending ending = ending_of(*first);
  const auto& entry = judgement.entry;
  if (judgement.trusted() && entry && entry->expires_at &&
      *entry->expires_at < ending.lifetime.ends_at) {
    // As the entry's own row is called, so that both are one alert.
    ending =
        Ending::of(entry->certificate.fingerprint, entry->certificate.subject,
                   {std::max(entry->added_at, entry->certificate.not_before), *entry->expires_at});
    ending.cause = "entry:" + std::to_string(entry->id);
    ending.planned = true;
  }
  return ending;
}

// A chain that is not trusted is not compared with the pins before it is refused. Whether it holds
// a pinned key is what people want to know of a server whose key changed all the same.
PinStatus pins_of(const Presented& presented, const Judgement& judgement, const View& view,
                  UnixTime now) {
  if (judgement.trusted() || judgement.pin_status != PinStatus::none) return judgement.pin_status;
  const auto rows = view.pins_for(presented.endpoint.host, presented.endpoint.port);
  const PinStatus found = decide_pins(*rows, presented.chain, {}, now).status;
  const bool differs = found == PinStatus::mismatch || found == PinStatus::reported;
  return differs ? found : PinStatus::none;
}

} // namespace

Seen ServerLook::operator()(const Endpoint& endpoint, UnixTime now) const {
  DialOptions options;
  options.deadline = deadline_;
  options.refused = local_or_many;
  options.stop_fd = stop_fd_;
  const Presented presented = dial(endpoint, options);
  const Certificate& leaf = presented.chain.front();
  Seen seen;
  seen.certificate = CertificateFacts::of(leaf);
  seen.weakness = leaf.weakness();
  const View view(Snapshot::open(store_));
  const Judgement judgement = judge(presented.chain, endpoint.host, endpoint.port, view, {}, now);
  seen.verdict = facts(judgement.verdict).name;
  seen.detail = judgement.detail;
  seen.hint = judgement.hint;
  seen.trusted_by = name_of(judgement.trusted_by);
  seen.pin_status = name_of(pins_of(presented, judgement, view, now));
  if (judgement.trusted() && !judgement.path.empty()) {
    seen.anchor = judgement.path.back().spki_hash();
  }
  seen.first_end = first_end(leaf, judgement);
  return seen;
}

} // namespace trust
