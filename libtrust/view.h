#pragma once
// One generation, as those who judge by it see it: a snapshot for any number of threads, with what
// was looked up and parsed kept (bounded) for the next time. Verdicts are not kept.
//
// Threads: any. Failure: Error as of snapshot.h: what cannot be read is never "not found".

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "libtrust/certificate.h"
#include "libtrust/host.h"
#include "libtrust/record.h"
#include "libtrust/snapshot.h"

namespace trust {

// A root that a path may end at: a `root` entry or one of the base.
struct Anchor {
  Entry entry;
  Certificate certificate;
};

class View {
 public:
  explicit View(Snapshot snapshot);
  View(const View&) = delete;
  View& operator=(const View&) = delete;
  ~View();

  const SnapshotHeader& header() const noexcept;

  // `root` entries and base roots with that subject (hash), those that ended included.
  std::shared_ptr<const std::vector<Anchor>> anchors(std::uint32_t subject_hash) const;
  // `leaf` entries for a fingerprint, those that ended included.
  std::vector<Entry> leaves(const Fingerprint& fingerprint) const;
  // The entry that forbids a certificate: its key's, or its own.
  std::optional<Entry> distrusting(const Fingerprint& fingerprint, const Digest& spki_hash) const;
  // As Snapshot::pins_for.
  std::shared_ptr<const std::vector<PinRow>> pins_for(const Host& host, Port port) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace trust
