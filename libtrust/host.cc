#include "libtrust/host.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "libtrust/error.h"

namespace trust {
namespace {

constexpr std::size_t kMaxNameBytes = 253;
constexpr std::size_t kMaxLabelBytes = 63;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex_digit(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lowered(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

std::string quoted(std::string_view text) { return '"' + shown(text) + '"'; }

// Decimal digits without leading zeros, at most `most`.
std::optional<int> read_decimal(std::string_view text, int most) {
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text.front() == '0')) return {};
  if (!std::all_of(text.begin(), text.end(), is_digit)) return {};
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  if (number > most) return {};
  return number;
}

struct Address {
  std::array<std::uint8_t, 16> bytes{};
  std::uint8_t length = 0;
  bool mapped = false; // written as an IPv4-mapped IPv6 address
};

std::optional<Address> read_ipv4(std::string_view text) {
  Address out;
  out.length = 4;
  for (std::size_t i = 0; i < 4; ++i) {
    const std::size_t end = i < 3 ? text.find('.') : text.size();
    if (end == std::string_view::npos) return {};
    const auto number = read_decimal(text.substr(0, end), 255);
    if (!number) return {};
    out.bytes[i] = static_cast<std::uint8_t>(*number);
    text.remove_prefix(std::min(text.size(), end + 1));
  }
  return out;
}

constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

void unmap(Address& address) {
  if (address.length != 16 ||
      !std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), address.bytes.begin())) {
    return;
  }
  std::copy_n(address.bytes.begin() + 12, 4, address.bytes.begin());
  std::fill(address.bytes.begin() + 4, address.bytes.end(), std::uint8_t{0});
  address.length = 4;
  address.mapped = true;
}

std::optional<Address> read_ipv6(std::string_view text) {
  if (text.find(':') == std::string_view::npos || text.size() >= INET6_ADDRSTRLEN) return {};
  const bool fits = std::all_of(text.begin(), text.end(), [](char c) {
    return is_hex_digit(lower(c)) || c == ':' || c == '.';
  });
  if (!fits) return {};
  Address out;
  out.length = 16;
  if (inet_pton(AF_INET6, std::string(text).c_str(), out.bytes.data()) != 1) return {};
  unmap(out);
  return out;
}

std::optional<Address> read_address(std::string_view text) {
  if (auto v4 = read_ipv4(text)) return v4;
  return read_ipv6(text);
}

// RFC 5952: the longest run of two or more zero groups, the first of equals, becomes "::".
// glibc's inet_ntop writes ::1234:5678 as ::18.52.86.120.
std::string ipv6_text(std::span<const std::uint8_t> bytes) {
  std::array<unsigned, 8> groups{};
  for (std::size_t i = 0; i < 8; ++i) groups[i] = (bytes[2 * i] * 256U) + bytes[2 * i + 1];
  std::size_t run_begin = 8;
  std::size_t run_length = 1;
  for (std::size_t i = 0; i < 8;) {
    std::size_t end = i;
    while (end < 8 && groups[end] == 0) ++end;
    if (end - i > run_length) {
      run_begin = i;
      run_length = end - i;
    }
    i = std::max(end, i + 1);
  }
  std::string out;
  for (std::size_t i = 0; i < 8; ++i) {
    if (i == run_begin) {
      out += "::";
      i += run_length - 1;
      continue;
    }
    if (!out.empty() && out.back() != ':') out += ':';
    std::array<char, 4> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + 4, groups[i], 16).ptr;
    out.append(digits.data(), end);
  }
  return out;
}

std::string address_text(std::span<const std::uint8_t> bytes) {
  if (bytes.size() == 16) return ipv6_text(bytes);
  std::string out;
  for (const std::uint8_t byte : bytes) {
    if (!out.empty()) out += '.';
    out += std::to_string(byte);
  }
  return out;
}

// Why a lower-case text without trailing dot is no DNS name; null if it is one.
const char* name_fault(std::string_view name) {
  if (name.empty()) return "it is empty";
  if (name.size() > kMaxNameBytes) return "a name has at most 253 characters";
  if (name.front() == '.') return "a name does not begin with a dot";
  // It would be read as an option by the programs that it is passed to.
  if (name.front() == '-') return "a name does not begin with a hyphen";
  std::string_view label;
  for (std::string_view rest = name;;) {
    const std::size_t dot = rest.find('.');
    label = rest.substr(0, dot);
    if (label.empty()) return "a label of it is empty";
    if (label.size() > kMaxLabelBytes) return "a label has at most 63 characters";
    for (const char c : label) {
      if (static_cast<unsigned char>(c) >= 0x80) {
        return "international names are written as A-labels (xn--…)";
      }
      if (c == '%') return "an address has no zone here";
      if (c == '*') return "a host has no wildcard";
      if (c == ':') return "a colon stands in IPv6 addresses only";
      if (!is_digit(c) && (c < 'a' || c > 'z') && c != '-' && c != '_') {
        return "a name has letters, digits, hyphens, underscores and dots only";
      }
    }
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  // The last label decides whether resolvers would read it as a number (127.1, 0x7f000001).
  const bool hexadecimal =
      label.substr(0, 2) == "0x" && std::all_of(label.begin() + 2, label.end(), is_hex_digit);
  if (hexadecimal || std::all_of(label.begin(), label.end(), is_digit)) {
    return "the last label of a name is no number, and an IPv4 address is four decimal numbers "
           "from 0 to 255 without leading zeros";
  }
  return nullptr;
}

} // namespace

std::optional<Host> Host::read(std::string_view text, const char*& fault) {
  fault = nullptr;
  if (const auto address = read_address(text)) {
    return from_address({address->bytes.data(), address->length});
  }
  Host host;
  host.text_ = lowered(text);
  if (host.text_.size() > 1 && host.text_.back() == '.') host.text_.pop_back();
  fault = name_fault(host.text_);
  if (fault != nullptr) return {};
  return host;
}

Host Host::parse(std::string_view text) {
  const char* fault = nullptr;
  if (auto host = read(text, fault)) return *std::move(host);
  throw Error(Code::invalid, quoted(text) + " is not a host: " + fault);
}

std::optional<Host> Host::try_parse(std::string_view text) noexcept {
  const char* fault = nullptr;
  return read(text, fault);
}

Host Host::from_address(std::span<const std::uint8_t> address) {
  if (address.size() != 4 && address.size() != 16) {
    throw Error(Code::invalid, "an address of " + std::to_string(address.size()) +
                                   " bytes is neither IPv4 nor IPv6");
  }
  Address held;
  held.length = static_cast<std::uint8_t>(address.size());
  std::copy(address.begin(), address.end(), held.bytes.begin());
  unmap(held);
  Host host;
  host.address_ = held.bytes;
  host.address_length_ = held.length;
  host.text_ = address_text(host.address());
  return host;
}

Port parse_port(std::string_view text) {
  if (const auto number = read_decimal(text, 65535); number && *number > 0) {
    return static_cast<Port>(*number);
  }
  throw Error(Code::invalid, quoted(text) + " is not a port: a port is a number from 1 to 65535");
}

Endpoint Endpoint::parse(std::string_view text, Port default_port) {
  std::string_view rest = text;
  const std::size_t scheme_end = rest.find("://");
  if (scheme_end != std::string_view::npos) {
    if (lowered(rest.substr(0, scheme_end)) != "https") {
      throw Error(Code::invalid, quoted(text) + " is not an https:// address",
                  "write HOST:PORT or https://HOST:PORT");
    }
    default_port = 443;
    rest.remove_prefix(scheme_end + 3);
    rest = rest.substr(0, rest.find_first_of("/?#\\"));
    if (rest.find('@') != std::string_view::npos) {
      throw Error(Code::invalid, "an address with a user name or password in it is not taken",
                  "write https://HOST:PORT");
    }
  }
  if (!rest.empty() && rest.front() == '[') {
    const std::size_t close = rest.find(']');
    const auto address =
        close == std::string_view::npos ? std::nullopt : read_ipv6(rest.substr(1, close - 1));
    if (!address) {
      throw Error(Code::invalid, quoted(text) + " is not [IPV6] or [IPV6]:PORT");
    }
    Host host = Host::from_address({address->bytes.data(), address->length});
    rest.remove_prefix(close + 1);
    if (rest.empty()) return {std::move(host), default_port};
    if (rest.front() != ':') {
      throw Error(Code::invalid, quoted(text) + " is not [IPV6] or [IPV6]:PORT");
    }
    return {std::move(host), parse_port(rest.substr(1))};
  }
  const std::size_t colon = rest.rfind(':');
  const bool has_port = colon != std::string_view::npos && rest.find(':') == colon;
  if (!has_port) return {Host::parse(rest), default_port};
  return {Host::parse(rest.substr(0, colon)), parse_port(rest.substr(colon + 1))};
}

std::string Endpoint::text() const {
  const bool v6 = host.address().size() == 16;
  return (v6 ? '[' + host.text() + ']' : host.text()) + ':' + std::to_string(port);
}

namespace {

[[noreturn]] void refuse_pattern(std::string_view text, std::string_view why) {
  throw Error(Code::invalid, quoted(text) + " is not a host pattern: " + std::string(why),
              "write HOST, *.NAME, **.NAME or ADDRESS/PREFIX");
}

// Clears the bits of `address` past the prefix.
void mask(std::span<std::uint8_t> address, int prefix_length) {
  for (std::size_t i = 0; i < address.size(); ++i) {
    const int kept = std::clamp(prefix_length - 8 * static_cast<int>(i), 0, 8);
    address[i] = static_cast<std::uint8_t>(address[i] & (0xFF00U >> kept));
  }
}

} // namespace

Pattern Pattern::parse(std::string_view text) {
  if (text == "*" || text == "**") {
    refuse_pattern(text, "it would hold for every host; leave the pattern out for that");
  }
  Pattern out;
  if (const std::size_t slash = text.find('/'); slash != std::string_view::npos) {
    auto address = read_address(text.substr(0, slash));
    if (!address) refuse_pattern(text, "an address stands before the prefix length");
    const int bits = address->mapped ? 128 : 8 * address->length;
    const auto prefix = read_decimal(text.substr(slash + 1), bits);
    if (!prefix) {
      refuse_pattern(text, "the prefix length is a number from 0 to " + std::to_string(bits));
    }
    out.prefix_length_ = address->mapped ? *prefix - 96 : *prefix;
    if (out.prefix_length_ < 0) {
      refuse_pattern(text, "a network of IPv4-mapped addresses has a prefix of 96 to 128");
    }
    mask({address->bytes.data(), address->length}, out.prefix_length_);
    out.kind_ = Kind::network;
    out.base_ = Host::from_address({address->bytes.data(), address->length});
    out.text_ = out.base_.text() + '/' + std::to_string(out.prefix_length_);
    return out;
  }
  std::string_view name = text;
  if (name.substr(0, 3) == "**.") {
    out.kind_ = Kind::subtree;
    name.remove_prefix(3);
  } else if (name.substr(0, 2) == "*.") {
    out.kind_ = Kind::one_label;
    name.remove_prefix(2);
  }
  const char* fault = nullptr;
  auto base = Host::read(name, fault);
  if (!base) refuse_pattern(text, fault);
  if (out.kind_ != Kind::host && base->is_address()) {
    refuse_pattern(text, "a wildcard stands before a name, not an address");
  }
  out.base_ = *std::move(base);
  out.text_ = std::string(text.substr(0, text.size() - name.size())) + out.base_.text();
  return out;
}

bool Pattern::matches(const Host& host) const noexcept {
  const std::string_view name = host.text();
  const std::string_view base = base_.text();
  switch (kind_) {
    case Kind::host: return host == base_;
    case Kind::one_label:
    case Kind::subtree: {
      if (host.is_address()) return false;
      if (kind_ == Kind::subtree && name == base) return true;
      if (name.size() <= base.size() + 1 || !name.ends_with(base)) return false;
      const std::size_t dot = name.size() - base.size() - 1;
      if (name[dot] != '.') return false;
      return kind_ == Kind::subtree || name.find('.') == dot;
    }
    case Kind::network: {
      if (host.address().size() != base_.address().size()) return false;
      std::array<std::uint8_t, 16> bytes{};
      std::copy(host.address().begin(), host.address().end(), bytes.begin());
      mask({bytes.data(), host.address().size()}, prefix_length_);
      return std::equal(base_.address().begin(), base_.address().end(), bytes.begin());
    }
  }
  return false;
}

int Pattern::specificity() const noexcept {
  constexpr int kExact = 1000; // above every length
  switch (kind_) {
    case Kind::host: return kExact;
    case Kind::one_label: return 2 * static_cast<int>(base_.text().size()) + 1;
    case Kind::subtree: return 2 * static_cast<int>(base_.text().size());
    case Kind::network: return prefix_length_;
  }
  return 0;
}

PortPattern PortPattern::parse(std::string_view text) {
  if (!text.empty() && text.front() == '[') {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) refuse_pattern(text, "a bracket is not closed");
    Pattern pattern = Pattern::parse(text.substr(1, close - 1));
    if (pattern.text().find(':') == std::string::npos &&
        text.substr(1, close - 1).find(':') == std::string_view::npos) {
      refuse_pattern(text, "brackets stand around IPv6 addresses only");
    }
    const std::string_view rest = text.substr(close + 1);
    if (rest.empty()) return {std::move(pattern), 0};
    if (rest.front() != ':') refuse_pattern(text, "a port follows the bracket after a colon");
    return {std::move(pattern), parse_port(rest.substr(1))};
  }
  const std::size_t colon = text.rfind(':');
  const bool has_port = colon != std::string_view::npos && text.find(':') == colon;
  if (!has_port) return {Pattern::parse(text), 0};
  return {Pattern::parse(text.substr(0, colon)), parse_port(text.substr(colon + 1))};
}

std::string PortPattern::text() const {
  if (port == 0) return pattern.text();
  const bool v6 = pattern.base().address().size() == 16;
  return (v6 ? '[' + pattern.text() + ']' : pattern.text()) + ':' + std::to_string(port);
}

std::vector<std::string> candidate_patterns(const Host& host) {
  std::vector<std::string> out{host.text()};
  if (host.is_address()) return out;
  out.push_back("**." + host.text());
  const std::string_view name = host.text();
  bool parent = true;
  for (std::size_t dot = name.find('.'); dot != std::string_view::npos;
       dot = name.find('.', dot + 1)) {
    const std::string below(name.substr(dot));
    if (parent) out.push_back('*' + below);
    out.push_back("**" + below);
    parent = false;
  }
  return out;
}

} // namespace trust
