#include "libtrust/emit/constraints.h"

#include <algorithm>
#include <bit>
#include <string_view>

#include "libtrust/der.h"
#include "libtrust/emit/der_write.h"
#include "libtrust/error.h"

namespace trust {
namespace {

constexpr std::uint8_t kDnsName = der::primitive(2);
constexpr std::uint8_t kAddress = der::primitive(7);
constexpr std::size_t kFamilies[] = {4, 16}; // bytes of an address

// A name and what is below it, or only what is below it. The empty name is every name.
struct NameTree {
  std::string name;
  bool below_only = false;
  bool operator==(const NameTree&) const = default;
};

struct Network {
  Bytes address; // host bits zero
  int prefix_length = 0;
  bool operator==(const Network&) const = default;
};

bool strictly_below(std::string_view name, std::string_view above) {
  if (above.empty()) return !name.empty();
  return name.size() > above.size() && name.ends_with(above) &&
         name[name.size() - above.size() - 1] == '.';
}

bool covers(const NameTree& outer, const NameTree& inner) {
  if (outer.name == inner.name) return !outer.below_only || inner.below_only;
  return strictly_below(inner.name, outer.name);
}

bool covers(const Network& outer, const Network& inner) {
  if (outer.address.size() != inner.address.size()) return false;
  if (outer.prefix_length > inner.prefix_length) return false;
  const auto whole = static_cast<std::size_t>(outer.prefix_length / 8);
  const int bits = outer.prefix_length % 8;
  if (!std::equal(outer.address.begin(), outer.address.begin() + static_cast<std::ptrdiff_t>(whole),
                  inner.address.begin())) {
    return false;
  }
  return bits == 0 || (outer.address[whole] ^ inner.address[whole]) >> (8 - bits) == 0;
}

template <typename Tree>
bool any_covers(const std::vector<Tree>& outer, const Tree& inner) {
  return std::any_of(outer.begin(), outer.end(), [&](const Tree& o) { return covers(o, inner); });
}

// Without those that another one covers.
template <typename Tree>
std::vector<Tree> minimal(const std::vector<Tree>& trees) {
  std::vector<Tree> kept;
  for (const Tree& tree : trees) {
    if (any_covers(kept, tree)) continue;
    std::erase_if(kept, [&](const Tree& other) { return covers(tree, other); });
    kept.push_back(tree);
  }
  return kept;
}

// One list of subtrees as the CA has it, by type.
struct Subtrees {
  std::vector<NameTree> names;
  std::vector<Network> networks;
  std::vector<Bytes> others; // whole GeneralSubtrees
};

std::optional<NameTree> parse_name(ByteView bytes) {
  NameTree tree{std::string(der::text(bytes)), false};
  if (tree.name.starts_with('.')) {
    tree.below_only = true;
    tree.name.erase(0, 1);
    if (tree.name.empty()) return std::nullopt;
  }
  char before = '.';
  for (char& c : tree.name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const bool of_label = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (!of_label && (c != '.' || before == '.')) return std::nullopt;
    before = c;
  }
  if (!tree.name.empty() && before == '.') return std::nullopt;
  return tree;
}

// Address and mask; none if the mask is not a prefix.
std::optional<Network> parse_network(ByteView bytes) {
  const std::size_t half = bytes.size() / 2;
  if (bytes.size() != 8 && bytes.size() != 32) return std::nullopt;
  Network network{Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(half)), 0};
  bool ended = false;
  for (std::size_t i = 0; i < half; ++i) {
    const std::uint8_t mask = bytes[half + i];
    const int ones = std::countl_one(mask);
    if ((ended && mask != 0) || std::popcount(mask) != ones) return std::nullopt;
    ended = ended || ones != 8;
    network.prefix_length += ones;
    network.address[i] &= mask;
  }
  return network;
}

// False: something in it cannot be intersected.
bool parse_subtrees(ByteView list, Subtrees& to) {
  DerReader reader(list);
  while (!reader.done()) {
    const auto subtree = reader.next(der::kSequence);
    if (!subtree) return false;
    DerReader inside(subtree->content);
    const auto base = inside.next();
    if (!base) return false;
    if (base->tag != kDnsName && base->tag != kAddress) {
      to.others.emplace_back(subtree->whole.begin(), subtree->whole.end());
      continue;
    }
    if (!inside.done()) return false; // minimum or maximum: RFC 5280 has no use for them
    if (base->tag == kDnsName) {
      const auto name = parse_name(base->content);
      if (!name) return false;
      to.names.push_back(*name);
    } else {
      const auto network = parse_network(base->content);
      if (!network) return false;
      to.networks.push_back(*network);
    }
  }
  return true;
}

bool parse_own(ByteView own, Subtrees& permitted, Subtrees& excluded) {
  DerReader outer(own);
  const auto sequence = outer.next(der::kSequence);
  if (!sequence || !outer.done()) return false;
  DerReader lists(sequence->content);
  if (const auto list = lists.next(der::constructed(0))) {
    if (!parse_subtrees(list->content, permitted)) return false;
  }
  if (const auto list = lists.next(der::constructed(1))) {
    if (!parse_subtrees(list->content, excluded)) return false;
  }
  return lists.done();
}

// What of the pattern lies in the tree, as the least tree; none if nothing does.
std::optional<NameTree> intersect(const Pattern& pattern, const NameTree& own) {
  const std::string& name = pattern.base().text();
  const NameTree whole{name, false};
  if (covers(own, whole)) return whole;
  if (name == own.name) { // the tree has only what is below it
    return pattern.kind() == Pattern::Kind::host ? std::nullopt : std::optional(own);
  }
  if (!strictly_below(own.name, name)) return std::nullopt;
  if (pattern.kind() == Pattern::Kind::subtree) return own;
  if (pattern.kind() == Pattern::Kind::host || own.below_only) return std::nullopt;
  const std::string_view more =
      std::string_view(own.name).substr(0, own.name.size() - name.size() - 1);
  return more.find('.') == std::string_view::npos ? std::optional(own) : std::nullopt;
}

Network network_of(const Pattern& pattern) {
  const auto address = pattern.base().address();
  return {Bytes(address.begin(), address.end()), pattern.kind() == Pattern::Kind::network
                                                     ? pattern.prefix_length()
                                                     : static_cast<int>(address.size() * 8)};
}

// What the tree admits and no pattern does, in words.
std::optional<std::string> wider_by(const NameTree& tree, const std::vector<Pattern>& scope) {
  const auto host = Host::try_parse(tree.name);
  bool itself = tree.below_only, one_label = false, deeper = false;
  for (const Pattern& pattern : scope) {
    if (pattern.base().is_address()) continue;
    const std::string& base = pattern.base().text();
    const bool here = base == tree.name;
    const bool everything =
        pattern.kind() == Pattern::Kind::subtree && (here || strictly_below(tree.name, base));
    itself = itself || (host && pattern.matches(*host));
    one_label = one_label || everything || (here && pattern.kind() == Pattern::Kind::one_label);
    deeper = deeper || everything;
  }
  if (deeper) return std::nullopt;
  if (!one_label) return "names below " + tree.name;
  if (itself) return "names more than one label below " + tree.name;
  return tree.name + " itself and names more than one label below it";
}

Bytes dns_subtree(const NameTree& tree) {
  const std::string name = (tree.below_only ? "." : "") + tree.name;
  return der::wrap(der::kSequence, der::wrap(kDnsName, view_of(name)));
}

Bytes address_subtree(const Network& network) {
  Bytes bytes = network.address;
  for (std::size_t i = 0; i < network.address.size(); ++i) {
    const int bits = std::clamp(network.prefix_length - static_cast<int>(i) * 8, 0, 8);
    bytes.push_back(static_cast<std::uint8_t>(0xff << (8 - bits)));
  }
  return der::wrap(der::kSequence, der::wrap(kAddress, bytes));
}

// IPv4 addresses as names that no host has. OpenSSL and GnuTLS read a common name as a DNS name
// where the SAN has none, and "CN=10.0.0.1" beside that very address in the SAN is how devices
// name themselves; with all names excluded they would be refused. Permitted, these names exclude
// every real one just as well. Constraints are suffixes, so of a wide network it is the last
// number alone. Only where no real name is permitted: NSS and rustls take a numeric name in a
// constraint for malformed, which they notice when there is a name to compare.
std::vector<NameTree> address_texts(const std::vector<Network>& networks) {
  constexpr int kLeastEnumerated = 24; // prefix length
  std::vector<NameTree> texts;
  for (const Network& network : networks) {
    const Bytes& address = network.address;
    if (address.size() != kFamilies[0]) continue;
    const bool is_wide = network.prefix_length < kLeastEnumerated;
    const std::string front = is_wide
                                  ? ""
                                  : std::to_string(address[0]) + "." + std::to_string(address[1]) +
                                        "." + std::to_string(address[2]) + ".";
    const int first = is_wide ? 0 : address[3];
    const int count = is_wide ? 256 : 1 << (32 - network.prefix_length);
    for (int last = first; last < first + count; ++last) {
      texts.push_back({front + std::to_string(last), false});
    }
  }
  return minimal(texts);
}

std::string texts_of(const std::vector<Pattern>& scope) {
  constexpr std::size_t kShown = 4;
  std::string text;
  for (std::size_t i = 0; i < scope.size() && i < kShown; ++i) {
    text += (i == 0 ? "" : ", ") + scope[i].text();
  }
  return scope.size() > kShown ? text + ", …" : text;
}

} // namespace

Constraints constraints_for(std::optional<ByteView> own, const std::vector<Pattern>& scope) {
  Subtrees own_permitted, own_excluded;
  if (own && !parse_own(*own, own_permitted, own_excluded)) {
    return {std::nullopt, "its own name constraints are of a form that cannot be narrowed", {}};
  }

  std::vector<NameTree> names;
  std::vector<Network> networks;
  for (const Pattern& pattern : scope) {
    if (!pattern.base().is_address()) {
      const std::vector<NameTree> everything{NameTree{}};
      for (const NameTree& tree : own_permitted.names.empty() ? everything : own_permitted.names) {
        const auto common = intersect(pattern, tree);
        if (!common) continue;
        // What the pattern itself wants of it: of "*.x" with "x" only what is below.
        NameTree wanted = *common;
        if (pattern.kind() == Pattern::Kind::one_label && wanted.name == pattern.base().text()) {
          wanted.below_only = true;
        }
        if (!any_covers(own_excluded.names, wanted)) names.push_back(*common);
      }
      continue;
    }
    const Network network = network_of(pattern);
    if (own_permitted.networks.empty()) networks.push_back(network);
    for (const Network& of_own : own_permitted.networks) {
      if (covers(of_own, network))
        networks.push_back(network);
      else if (covers(network, of_own))
        networks.push_back(of_own);
    }
  }
  std::erase_if(networks,
                [&](const Network& net) { return any_covers(own_excluded.networks, net); });
  names = minimal(names);
  networks = minimal(networks);
  if (names.empty() && networks.empty()) {
    return {std::nullopt, "its own name constraints admit nothing of " + texts_of(scope), {}};
  }

  Constraints result;
  Bytes permitted, excluded;
  for (const Bytes& other : own_permitted.others) der::append(permitted, other);
  for (const Bytes& other : own_excluded.others) der::append(excluded, other);
  for (const NameTree& tree : names) {
    der::append(permitted, dns_subtree(tree));
    if (const auto words = wider_by(tree, scope);
        words && !any_covers(own_excluded.names, NameTree{tree.name, true})) {
      result.wider_by.push_back(*words);
    }
  }
  for (const Network& network : networks) der::append(permitted, address_subtree(network));

  // A type of name that no permitted subtree mentions is free: it has to be excluded.
  if (names.empty()) {
    const auto texts =
        own_permitted.names.empty() ? address_texts(networks) : std::vector<NameTree>{};
    for (const NameTree& text : texts) der::append(permitted, dns_subtree(text));
    if (texts.empty()) own_excluded.names = {NameTree{}};
  }
  for (const NameTree& tree : own_excluded.names) der::append(excluded, dns_subtree(tree));
  for (const std::size_t size : kFamilies) {
    const auto is_of_family = [&](const Network& network) {
      return network.address.size() == size;
    };
    if (std::any_of(networks.begin(), networks.end(), is_of_family)) continue;
    std::erase_if(own_excluded.networks, is_of_family);
    own_excluded.networks.push_back({Bytes(size, 0), 0});
  }
  for (const Network& network : own_excluded.networks) {
    der::append(excluded, address_subtree(network));
  }

  Bytes lists;
  der::append(lists, der::wrap(der::constructed(0), permitted));
  if (!excluded.empty()) der::append(lists, der::wrap(der::constructed(1), excluded));
  result.der = der::wrap(der::kSequence, lists);
  return result;
}

std::vector<std::string> names_outside(const std::vector<Pattern>& scope,
                                       const Certificate& server) {
  const auto admits_name = [&](const std::string& text) {
    const auto name = parse_name(view_of(text.starts_with("*.") ? text.substr(2) : text));
    return name && std::any_of(scope.begin(), scope.end(), [&](const Pattern& pattern) {
             if (pattern.base().is_address()) return false;
             return covers({pattern.base().text(), false}, {name->name, text.starts_with("*.")});
           });
  };
  const auto admits_address = [&](const Host& host) {
    return std::any_of(scope.begin(), scope.end(),
                       [&](const Pattern& pattern) { return pattern.matches(host); });
  };
  std::vector<std::string> outside;
  for (const std::string& name : server.dns_names()) {
    if (!admits_name(name)) outside.push_back(name);
  }
  for (const Host& address : server.addresses()) {
    if (!admits_address(address)) outside.push_back(address.text());
  }
  const std::string& common = server.common_name();
  const bool looks_like_a_name =
      common.find('.') != std::string::npos && parse_name(view_of(common));
  if (server.dns_names().empty() && looks_like_a_name && !admits_name(common)) {
    const bool names_are_admitted =
        std::any_of(scope.begin(), scope.end(),
                    [](const Pattern& pattern) { return !pattern.base().is_address(); });
    const auto host = Host::try_parse(common);
    const bool is_admitted_text =
        !names_are_admitted && host && host->is_address() && admits_address(*host);
    if (!is_admitted_text) outside.push_back(common);
  }
  return outside;
}

} // namespace trust
