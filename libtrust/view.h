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

// Roots with one subject that are looked at; of more, those that were added last.
inline constexpr std::size_t kMaxAnchorsOfSubject = 64;

// Certificates that were presented and parsed, kept for the next time they are (bounded). Any
// number of threads; nothing of it depends on a generation.
class ParsedCertificates {
 public:
  ParsedCertificates();
  ParsedCertificates(const ParsedCertificates&) = delete;
  ParsedCertificates& operator=(const ParsedCertificates&) = delete;
  ~ParsedCertificates();

  // As Certificate::to_verify and Certificate::of, which are not asked again for bytes that are
  // held.
  Certificate get(ByteView der);
  Certificate get(X509* x509, ByteView der);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  template <typename Read>
  Certificate held_or(ByteView der, const Read& read);
};

class View {
 public:
  // `parsed`: those of the generation before, to go on with.
  explicit View(Snapshot snapshot, std::shared_ptr<ParsedCertificates> parsed = nullptr);
  View(const View&) = delete;
  View& operator=(const View&) = delete;
  ~View();

  const SnapshotHeader& header() const noexcept;

  // `root` entries and base roots with that subject (hash), those that ended included; entries
  // before the base.
  std::shared_ptr<const std::vector<Anchor>> anchors(std::uint32_t subject_hash) const;
  // `leaf` entries for a fingerprint, those that ended included.
  std::vector<Entry> leaves(const Fingerprint& fingerprint) const;
  // The entry that forbids a certificate: its key's, or its own.
  std::optional<Entry> distrusting(const Fingerprint& fingerprint, const Digest& spki_hash) const;
  // As Snapshot::pins_for.
  std::shared_ptr<const std::vector<PinRow>> pins_for(const Host& host, Port port) const;

  // A presented certificate; Error as of Certificate::from_der.
  Certificate certificate(ByteView der) const { return parsed_->get(der); }
  Certificate certificate(X509* x509, ByteView der) const { return parsed_->get(x509, der); }
  const std::shared_ptr<ParsedCertificates>& parsed() const noexcept { return parsed_; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::shared_ptr<ParsedCertificates> parsed_;
};

} // namespace trust
