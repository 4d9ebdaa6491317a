#pragma once
// MANIFEST.json: what a generation is and the SHA-256 of each of its files. Written piece by piece,
// since it lists every certificate. What writes the form and what reads it share this file. Pure
// but for the sink.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "libtrust/certificate.h"
#include "libtrust/snapshot_row.h"

namespace trust {

class ManifestWriter {
 public:
  using Sink = std::function<void(std::string_view text)>;

  ManifestWriter(Sink sink, const SnapshotHeader& header);
  // Names are ASCII without quotes and backslashes, each once.
  void file(std::string_view name, const Digest& digest);
  void end();

 private:
  Sink sink_;
  bool first_ = true;
  std::string line_;
};

// The manifest's beginning is enough: kManifestHeadBytes of it. None if it is not of this form.
inline constexpr std::size_t kManifestHeadBytes = 1024;
std::optional<SnapshotHeader> read_manifest_head(std::string_view beginning);

} // namespace trust
