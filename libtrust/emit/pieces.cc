#include "libtrust/emit/pieces.h"

#include <set>

#include "libtrust/emit/bundle.h"
#include "libtrust/emit/truststore.h"

namespace trust {
namespace {

// What a machine's own CAs and a thousand certificates need.
constexpr std::size_t kMostKept = std::size_t{4} << 20;

} // namespace

const Bytes& bytes_of(const std::vector<StoredEntry>& same_pair, const EmittedAnchor& anchor) {
  return anchor.shadow ? *anchor.shadow : same_pair[anchor.entry].der;
}

Pieces pieces_of(const std::vector<StoredEntry>& same_pair, const Emission& emission) {
  Pieces pieces;
  std::string not_extra;
  std::set<std::string> aliases; // a shadow may stand beside what it is the shadow of
  for (const EmittedAnchor& anchor : emission.anchors) {
    const Entry& entry = same_pair[anchor.entry].entry;
    const Bytes& der = bytes_of(same_pair, anchor);
    (anchor.in_extra ? pieces.bundle : not_extra) +=
        bundle_block(entry, der, anchor.shadow.has_value());
    // Others cannot have it: a label is no fingerprint, and both are lower-case.
    const bool labelled = entry.layer == Layer::own && !entry.label.empty();
    std::string alias = labelled ? entry.label : entry.certificate.fingerprint.text();
    while (!aliases.insert(alias).second) alias += "-2";
    const Bytes bag = truststore_bag(alias, der);
    pieces.bags.insert(pieces.bags.end(), bag.begin(), bag.end());
  }
  pieces.extra_size = pieces.bundle.size();
  pieces.bundle += not_extra;
  return pieces;
}

bool KeptPieces::are_few() const noexcept { return size_ <= kMostKept; }

void KeptPieces::clear() {
  generation_.reset();
  pieces_.clear();
  size_ = 0;
  bags_size_ = 0;
}

bool KeptPieces::put(const CertificateFacts& of, Pieces pieces) {
  size_ += pieces.size();
  bags_size_ += pieces.bags.size();
  pieces_.insert_or_assign({of.spki_hash, of.subject_hash}, std::move(pieces));
  return are_few();
}

void KeptPieces::remove(std::uint32_t subject_hash) {
  std::erase_if(pieces_, [&](const auto& each) {
    if (each.first.second != subject_hash) return false;
    size_ -= each.second.size();
    bags_size_ -= each.second.bags.size();
    return true;
  });
}

void KeptPieces::complete(const SnapshotHeader& generation) {
  if (are_few()) {
    generation_ = generation;
  } else {
    clear();
  }
}

void KeptPieces::each(const std::function<void(const Pieces& pieces)>& visit) const {
  for (const auto& [key, pieces] : pieces_) visit(pieces);
}

} // namespace trust
