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

// The files that a manifest lists, one after the other, with little of it in memory at a time.
class ManifestReader {
 public:
  // `fd` is the caller's, open at the beginning.
  explicit ManifestReader(int fd);

  // None if it does not begin as a manifest does.
  const std::optional<SnapshotHeader>& header() const noexcept { return header_; }
  // False after the last, or where what follows is not of this form: see is_whole().
  bool next(std::string& name, Digest& digest);
  bool is_whole() const noexcept { return whole_; } // it ended as a manifest does

 private:
  bool line(std::string& into);

  int fd_;
  std::string buffer_;
  std::size_t at_ = 0;
  std::optional<SnapshotHeader> header_;
  bool whole_ = false;
};

} // namespace trust
