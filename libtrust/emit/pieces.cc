#include "libtrust/emit/pieces.h"

#include <set>

#include "libtrust/emit/bundle.h"
#include "libtrust/emit/truststore.h"

namespace trust {
namespace {

// What a machine's own CAs and some hundreds of certificates need.
constexpr std::size_t kMostKept = std::size_t{1} << 20;

} // namespace

const Bytes& bytes_of(const std::vector<StoredEntry>& same_pair, const EmittedAnchor& anchor) {
  return anchor.shadow ? *anchor.shadow : same_pair[anchor.entry].der;
}

Pieces pieces_of(const std::vector<StoredEntry>& same_pair, const Emission& emission) {
  Pieces pieces;
  std::set<std::string> aliases; // a shadow may stand beside what it is the shadow of
  for (const EmittedAnchor& anchor : emission.anchors) {
    const Entry& entry = same_pair[anchor.entry].entry;
    const Bytes& der = bytes_of(same_pair, anchor);
    const std::string block = bundle_block(entry, der, anchor.shadow.has_value());
    pieces.bundle += block;
    if (anchor.in_extra) pieces.extra += block;
    // Others cannot have it: a label is no fingerprint, and both are lower-case.
    const bool labelled = entry.layer == Layer::own && !entry.label.empty();
    std::string alias = labelled ? entry.label : entry.certificate.fingerprint.text();
    while (!aliases.insert(alias).second) alias += "-2";
    const Bytes bag = truststore_bag(alias, der);
    pieces.bags.insert(pieces.bags.end(), bag.begin(), bag.end());
  }
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
