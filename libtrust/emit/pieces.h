#pragma once
// What each certificate gives to the three files that hold all anchors: bundle.pem, extra.pem and
// truststore.p12.
//
// Threads: none shared. Nothing throws but std::bad_alloc.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libtrust/emit/anchors.h"
#include "libtrust/snapshot.h"

namespace trust {

// Of the entries with one subject and key. Empty parts: they are not in that file.
struct Pieces {
  std::string bundle; // first what is in extra.pem too
  std::size_t extra_size = 0;
  Bytes bags;

  std::string_view extra() const noexcept { return std::string_view(bundle).substr(0, extra_size); }
  std::size_t size() const noexcept { return bundle.size() + bags.size(); }
};

const Bytes& bytes_of(const std::vector<StoredEntry>& same_pair, const EmittedAnchor& anchor);

Pieces pieces_of(const std::vector<StoredEntry>& same_pair, const Emission& emission);

// The pieces of all that is published, in the order of the files, while they are few: after a
// change only those of what it touched are made anew.
class KeptPieces {
 public:
  // Whether these are the pieces of that generation, all of them.
  bool are_of(const SnapshotHeader& generation) const { return generation_ == generation; }
  // From now on they are of none, until complete() says so.
  void open() { generation_.reset(); }
  void clear();
  // False when there are too many to be kept; they are put all the same.
  bool put(const CertificateFacts& of, Pieces pieces);
  void remove(std::uint32_t subject_hash);
  void complete(const SnapshotHeader& generation);

  std::size_t bags_size() const noexcept { return bags_size_; }
  void each(const std::function<void(const Pieces& pieces)>& visit) const;

 private:
  bool are_few() const noexcept;

  std::optional<SnapshotHeader> generation_;
  // As Snapshot::each_pair goes: by key, then by subject.
  std::map<std::pair<Digest, std::uint32_t>, Pieces> pieces_;
  std::size_t size_ = 0;
  std::size_t bags_size_ = 0;
};

} // namespace trust
