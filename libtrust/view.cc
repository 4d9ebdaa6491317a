#include "libtrust/view.h"

#include <string>
#include <string_view>
#include <utility>

#include "libtrust/error.h"
#include "libtrust/guarded.h"
#include "libtrust/recent.h"

namespace trust {
namespace {

// A parsed certificate with its key is some 10 KiB; the whole may cost a client 2 MiB.
constexpr std::size_t kMostParsed = 48;
constexpr std::size_t kMostAnchors = 48;
constexpr std::size_t kMostFingerprints = 256;
constexpr std::size_t kMostPinsHeld = 512;

struct DigestHash {
  std::size_t operator()(const Digest& digest) const noexcept {
    return std::hash<std::string_view>()(
        {reinterpret_cast<const char*>(digest.data()), digest.size()});
  }
};

std::string_view text_of(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Anchor anchor_of(StoredEntry stored) {
  const std::string name = stored.entry.certificate.fingerprint.text();
  try {
    Certificate certificate = Certificate::to_verify(stored.der);
    if (certificate.fingerprint() == stored.entry.certificate.fingerprint)
      return {std::move(stored.entry), std::move(certificate)};
  } catch (const Error&) {
    // It was read when it was added.
  }
  throw Error(Code::store_invalid, "the published store is damaged: certificate " + name +
                                       " cannot be read or has another fingerprint");
}

template <typename T>
using Shared = std::shared_ptr<const T>;

} // namespace

// Keyed by the bytes, which the certificates hold themselves.
struct ParsedCertificates::Impl {
  Guarded<Recent<std::string_view, Certificate>> recent{kMostParsed};
};

ParsedCertificates::ParsedCertificates() : impl_(std::make_unique<Impl>()) {}
ParsedCertificates::~ParsedCertificates() = default;

template <typename Read>
Certificate ParsedCertificates::held_or(ByteView der, const Read& read) {
  auto held = impl_->recent.with([&](auto& recent) -> std::optional<Certificate> {
    const Certificate* found = recent.find(text_of(der));
    return found == nullptr ? std::nullopt : std::optional(*found);
  });
  if (held) return *std::move(held);
  Certificate parsed = read();
  impl_->recent.with([&](auto& recent) { recent.put(text_of(parsed.der()), parsed); });
  return parsed;
}

Certificate ParsedCertificates::get(ByteView der) {
  return held_or(der, [&] { return Certificate::to_verify(der); });
}

Certificate ParsedCertificates::get(X509* x509, ByteView der) {
  return held_or(der, [&] { return Certificate::of(x509, der); });
}

struct View::Impl {
  struct State {
    explicit State(Snapshot given) : snapshot(std::move(given)) {}

    Snapshot snapshot;
    Recent<std::uint32_t, Shared<std::vector<Anchor>>> anchors{kMostAnchors};
    Recent<Digest, Shared<std::vector<Entry>>, DigestHash> leaves{kMostFingerprints};
    Recent<Digest, Shared<Entry>, DigestHash> distrusting{kMostFingerprints};
    Recent<std::string, Shared<std::vector<PinRow>>> pins{kMostPinsHeld};
  };

  explicit Impl(Snapshot snapshot) : header(snapshot.header()), state(std::move(snapshot)) {}

  SnapshotHeader header;
  Guarded<State> state;
};

View::View(Snapshot snapshot, std::shared_ptr<ParsedCertificates> parsed)
    : impl_(std::make_unique<Impl>(std::move(snapshot))),
      parsed_(parsed ? std::move(parsed) : std::make_shared<ParsedCertificates>()) {}
View::~View() = default;

const SnapshotHeader& View::header() const noexcept { return impl_->header; }

std::shared_ptr<const std::vector<Anchor>> View::anchors(std::uint32_t subject_hash) const {
  return impl_->state.with([&](Impl::State& state) {
    if (const auto* held = state.anchors.find(subject_hash)) return *held;
    auto made = std::make_shared<std::vector<Anchor>>();
    for (StoredEntry& stored : state.snapshot.roots_of_subject(subject_hash, kMaxAnchorsOfSubject))
      made->push_back(anchor_of(std::move(stored)));
    Shared<std::vector<Anchor>> found = std::move(made);
    state.anchors.put(subject_hash, found, 1 + found->size() / 2);
    return found;
  });
}

std::vector<Entry> View::leaves(const Fingerprint& fingerprint) const {
  const auto found = impl_->state.with([&](Impl::State& state) {
    if (const auto* held = state.leaves.find(fingerprint.bytes)) return *held;
    auto made = std::make_shared<std::vector<Entry>>();
    for (Entry& entry : state.snapshot.by_fingerprint(fingerprint))
      if (entry.trust == Trust::leaf) made->push_back(std::move(entry));
    Shared<std::vector<Entry>> kept = std::move(made);
    state.leaves.put(fingerprint.bytes, kept);
    return kept;
  });
  return *found;
}

std::optional<Entry> View::distrusting(const Fingerprint& fingerprint,
                                       const Digest& spki_hash) const {
  const auto found = impl_->state.with([&](Impl::State& state) {
    if (const auto* held = state.distrusting.find(fingerprint.bytes)) return *held;
    Shared<Entry> kept;
    if (auto entry = state.snapshot.distrusting(fingerprint, spki_hash))
      kept = std::make_shared<const Entry>(*std::move(entry));
    state.distrusting.put(fingerprint.bytes, kept);
    return kept;
  });
  return found ? std::optional(*found) : std::nullopt;
}

std::shared_ptr<const std::vector<PinRow>> View::pins_for(const Host& host, Port port) const {
  const std::string key = host.text() + ' ' + std::to_string(port);
  return impl_->state.with([&](Impl::State& state) {
    if (const auto* held = state.pins.find(key)) return *held;
    Shared<std::vector<PinRow>> found =
        std::make_shared<const std::vector<PinRow>>(state.snapshot.pins_for(host, port));
    state.pins.put(key, found, 4 + found->size());
    return found;
  });
}

} // namespace trust
