#pragma once
// What a peer presented and how it was judged, and the failure that a refused one is. Immutable
// values. The C library's trust_peer.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libtrust/error.h"
#include "libtrust/judge.h"
#include "libtrust/published_store.h"

namespace trust {

struct Peer {
  Host host;     // that it was judged for: the server name where one was given
  Port port = 0; // 0: any port's pins
  std::vector<Certificate> presented; // its own first
  Judgement judgement;
};

// The peer was reached and is not trusted: code() is not_trusted, message() and hint() are the
// judgement's. Its C status is facts(peer()->judgement.verdict).c_status.
class Refused : public Error {
 public:
  explicit Refused(std::shared_ptr<const Peer> peer, int tls_alert = 0);
  const std::shared_ptr<const Peer>& peer() const noexcept { return peer_; }

 private:
  std::shared_ptr<const Peer> peer_;
};

// Judges by `view`, which is the store's, and reports a pin that does not match. Never null and no
// Refused: a refusal is a Peer whose judgement says so. Error as of judge().
std::shared_ptr<const Peer> judge_peer(const PublishedStore& store, const View& view,
                                       std::vector<Certificate> presented, const Host& host,
                                       Port port, const JudgeOptions& options, UnixTime now);

// What is said of a chain that cannot be read: `detail` names its host.
std::shared_ptr<const Peer> unreadable_peer(const View& view, const Host& host, Port port,
                                            std::string detail);

// For a program that speaks TLS itself: `chain` is what the peer presented, its own certificate
// first, in PEM or DER simply concatenated. Throws Refused unless it is trusted; bytes that are no
// certificates, or too many, are a bad chain: they came from the peer.
std::shared_ptr<const Peer> verify(const PublishedStore& store, const Host& host, Port port,
                                   std::string_view chain, const JudgeOptions& options);

} // namespace trust
