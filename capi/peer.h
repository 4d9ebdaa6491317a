#pragma once
// A trust_peer: what a peer presented and how it was judged. It never changes, and any thread may
// read it; texts are made when they are first asked for, since most are never.

#include <memory>
#include <string>

#include "capi/handle.h"
#include "capi/trust.h"
#include "libtrust/guarded.h"
#include "libtrust/peer.h"

namespace trust {

class JudgedPeer {
 public:
  explicit JudgedPeer(std::shared_ptr<const Peer> peer) : peer_(std::move(peer)) {}

  const Peer& peer() const noexcept { return *peer_; }
  const Judgement& judgement() const noexcept { return peer_->judgement; }
  // Null if nothing was presented that can be read.
  const Certificate* leaf() const noexcept;

  // Null when there is no memory for it.
  const char* fingerprint() const noexcept;
  const char* pin() const noexcept;
  const char* json() const noexcept;

 private:
  struct Texts {
    std::string fingerprint, pin, json;
  };
  template <typename Make>
  const char* text(std::string Texts::*which, Make&& make) const noexcept;

  const std::shared_ptr<const Peer> peer_;
  mutable Guarded<Texts> texts_;
};

} // namespace trust

struct trust_peer : trust::Handle<trust::JudgedPeer> {
  using Handle::Handle;
};
