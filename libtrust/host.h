#pragma once
// Names of servers: hosts, endpoints and the patterns that match hosts. Parsed once, at the
// edge, into values that cannot be wrong; the same value is dialled, sent as SNI, matched,
// scoped and pinned. Immutable values; failure is Error{invalid} naming the text.
// Sources: RFC 1123, RFC 4291, RFC 5280 section 4.2.1.6, RFC 6125.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace trust {

using Port = std::uint16_t;

// A DNS name (ASCII, lower case, no trailing dot, last label not numeric) or an IP literal
// in its canonical form (RFC 5952; an IPv4-mapped address is the IPv4 address). A default
// constructed one is no host and matches none.
class Host {
 public:
  static Host parse(std::string_view text);
  static std::optional<Host> try_parse(std::string_view text) noexcept;
  // 4 or 16 bytes in network order.
  static Host from_address(std::span<const std::uint8_t> address);

  bool is_address() const noexcept { return address_length_ != 0; }
  const std::string& text() const noexcept { return text_; }
  std::span<const std::uint8_t> address() const noexcept {
    return {address_.data(), address_length_};
  }

  friend bool operator==(const Host& a, const Host& b) noexcept { return a.text_ == b.text_; }

 private:
  friend class Pattern;
  // None, and why not in `fault`.
  static std::optional<Host> read(std::string_view text, const char*& fault);

  std::string text_;
  std::array<std::uint8_t, 16> address_{};
  std::uint8_t address_length_ = 0;
};

// A host and a port. Text form "host:port", "[v6]:port".
struct Endpoint {
  Host host;
  Port port;

  // "HOST", "HOST:PORT", "[V6]", "[V6]:PORT", a bare IPv6 literal, or "https://HOST[:PORT][/…]".
  static Endpoint parse(std::string_view text, Port default_port);
  std::string text() const;
};

// Port 1 to 65535 in decimal without sign or leading zeros; Error{invalid} otherwise.
Port parse_port(std::string_view text);

// What a scope or a pin holds for: a host; "*.name" (exactly one label more); "**.name" (name
// and everything below); an address with a prefix length. "*" alone is refused.
class Pattern {
 public:
  enum class Kind { host, one_label, subtree, network };

  static Pattern parse(std::string_view text);

  Kind kind() const noexcept { return kind_; }
  // Canonical text; a network's host bits are zero.
  const std::string& text() const noexcept { return text_; }
  // The name under the stars, or the host itself; an address for networks.
  const Host& base() const noexcept { return base_; }
  int prefix_length() const noexcept { return prefix_length_; }

  bool matches(const Host& host) const noexcept;
  // Of two patterns that match a host, the more specific has the greater value: host, then
  // the one with the longest name or prefix, then "*." before "**.".
  int specificity() const noexcept;

  friend bool operator==(const Pattern& a, const Pattern& b) noexcept { return a.text_ == b.text_; }

 private:
  Kind kind_ = Kind::host;
  std::string text_;
  Host base_;
  int prefix_length_ = 0;
};

// A pattern with an optional port (0: any), as a pin has it: "*.dev.test:8443", "[::1]:443".
struct PortPattern {
  Pattern pattern;
  Port port = 0;

  static PortPattern parse(std::string_view text);
  std::string text() const;
};

// The texts of all patterns that match `host`, most specific first, networks excluded: for an
// indexed look-up ("a.b.test" -> "a.b.test", "**.a.b.test", "*.b.test", "**.b.test",
// "**.test").
std::vector<std::string> candidate_patterns(const Host& host);

} // namespace trust
