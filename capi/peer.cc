#include "capi/peer.h"

#include "libtrust/json.h"
#include "libtrust/pin.h"

namespace trust {

const Certificate* JudgedPeer::leaf() const noexcept {
  return judgement().path.empty() ? nullptr : &judgement().path.front();
}

template <typename Make>
const char* JudgedPeer::text(std::string Texts::*which, Make&& make) const noexcept {
  try {
    return texts_.with([&](Texts& texts) {
      std::string& text = texts.*which;
      if (text.empty()) text = make();
      return text.c_str();
    });
  } catch (...) {
    return nullptr;
  }
}

const char* JudgedPeer::fingerprint() const noexcept {
  return text(&Texts::fingerprint,
              [this] { return leaf() == nullptr ? std::string() : leaf()->fingerprint().text(); });
}

const char* JudgedPeer::pin() const noexcept {
  return text(&Texts::pin,
              [this] { return leaf() == nullptr ? std::string() : Pin::of(*leaf()).text(); });
}

const char* JudgedPeer::json() const noexcept {
  return text(&Texts::json,
              [this] { return judgement_text(judgement(), peer().host, peer().port); });
}

} // namespace trust

static_assert(TRUST_BY_NOTHING == static_cast<int>(trust::TrustedBy::nothing) &&
              TRUST_BY_SYSTEM_ROOT == static_cast<int>(trust::TrustedBy::system_root) &&
              TRUST_BY_ADDED_ROOT == static_cast<int>(trust::TrustedBy::added_root) &&
              TRUST_BY_ADDED_LEAF == static_cast<int>(trust::TrustedBy::added_leaf));
static_assert(TRUST_PIN_NONE == static_cast<int>(trust::PinStatus::none) &&
              TRUST_PIN_MATCH == static_cast<int>(trust::PinStatus::match) &&
              TRUST_PIN_MISMATCH == static_cast<int>(trust::PinStatus::mismatch) &&
              TRUST_PIN_LAPSED == static_cast<int>(trust::PinStatus::lapsed) &&
              TRUST_PIN_REPORTED == static_cast<int>(trust::PinStatus::reported));

extern "C" {

const char* trust_peer_host(const trust_peer* peer) {
  return peer == nullptr ? nullptr : peer->value.peer().host.text().c_str();
}

uint16_t trust_peer_port(const trust_peer* peer) {
  return peer == nullptr ? uint16_t{0} : peer->value.peer().port;
}

int32_t trust_peer_trusted_by(const trust_peer* peer) {
  return peer == nullptr ? TRUST_BY_NOTHING
                         : static_cast<int32_t>(peer->value.judgement().trusted_by);
}

int32_t trust_peer_pin_status(const trust_peer* peer) {
  return peer == nullptr ? TRUST_PIN_NONE
                         : static_cast<int32_t>(peer->value.judgement().pin_status);
}

uint64_t trust_peer_generation(const trust_peer* peer) {
  return peer == nullptr ? 0 : peer->value.judgement().generation;
}

const char* trust_peer_fingerprint(const trust_peer* peer) {
  return peer == nullptr ? nullptr : peer->value.fingerprint();
}

const char* trust_peer_pin(const trust_peer* peer) {
  return peer == nullptr ? nullptr : peer->value.pin();
}

const char* trust_peer_subject(const trust_peer* peer) {
  if (peer == nullptr) return nullptr;
  const trust::Certificate* leaf = peer->value.leaf();
  return leaf == nullptr ? "" : leaf->subject().c_str();
}

const char* trust_peer_issuer(const trust_peer* peer) {
  if (peer == nullptr) return nullptr;
  const trust::Certificate* leaf = peer->value.leaf();
  return leaf == nullptr ? "" : leaf->issuer().c_str();
}

int64_t trust_peer_not_before(const trust_peer* peer) {
  const trust::Certificate* leaf = peer == nullptr ? nullptr : peer->value.leaf();
  return leaf == nullptr ? 0 : leaf->not_before();
}

int64_t trust_peer_not_after(const trust_peer* peer) {
  const trust::Certificate* leaf = peer == nullptr ? nullptr : peer->value.leaf();
  return leaf == nullptr ? 0 : leaf->not_after();
}

int64_t trust_peer_path_not_after(const trust_peer* peer) {
  return peer == nullptr ? 0 : peer->value.judgement().path_not_after;
}

size_t trust_peer_cert_count(const trust_peer* peer) {
  return peer == nullptr ? 0 : peer->value.judgement().path.size();
}

const uint8_t* trust_peer_cert_der(const trust_peer* peer, size_t index, size_t* out_len) {
  if (out_len != nullptr) *out_len = 0;
  if (peer == nullptr || out_len == nullptr) return nullptr;
  const auto& path = peer->value.judgement().path;
  if (index >= path.size()) return nullptr;
  const trust::ByteView der = path[index].der();
  *out_len = der.size();
  return der.data();
}

const char* trust_peer_json(const trust_peer* peer) {
  return peer == nullptr ? nullptr : peer->value.json();
}

void trust_peer_free(trust_peer* peer) { trust::release(peer); }

} // extern "C"
