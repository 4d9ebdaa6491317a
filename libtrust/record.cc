#include "libtrust/record.h"

#include <algorithm>
#include <array>

#include "libtrust/error.h"

namespace trust {
namespace {

template <typename Enum, std::size_t Size>
Enum parse_name(std::string_view text, const std::array<std::string_view, Size>& names,
                std::string_view what) {
  for (std::size_t i = 0; i < Size; ++i)
    if (names[i] == text) return static_cast<Enum>(i);
  std::string expected;
  for (const std::string_view name : names) {
    if (!expected.empty()) expected += ", ";
    expected += name;
  }
  throw Error(Code::invalid, "\"" + shown(text) + "\" is not a " + std::string(what) + "; one of " +
                                 expected + " is expected");
}

constexpr std::array<std::string_view, 3> kTrustNames{"root", "leaf", "distrusted"};
constexpr std::array<std::string_view, 3> kLayerNames{"own", "machine", "base"};
constexpr std::array<std::string_view, 2> kModeNames{"enforce", "report"};
constexpr std::array<std::string_view, 2> kRoleNames{"active", "backup"};
constexpr std::array<std::string_view, 2> kPositionNames{"path", "leaf"};

} // namespace

std::string_view name_of(Trust trust) noexcept {
  return kTrustNames[static_cast<std::size_t>(trust)];
}
std::string_view name_of(Layer layer) noexcept {
  return kLayerNames[static_cast<std::size_t>(layer)];
}
std::string_view name_of(PinRow::Mode mode) noexcept {
  return kModeNames[static_cast<std::size_t>(mode)];
}
std::string_view name_of(PinRow::Role role) noexcept {
  return kRoleNames[static_cast<std::size_t>(role)];
}
std::string_view name_of(PinRow::Position position) noexcept {
  return kPositionNames[static_cast<std::size_t>(position)];
}

Trust parse_trust(std::string_view text) {
  return parse_name<Trust>(text, kTrustNames, "kind of trust");
}
PinRow::Mode parse_pin_mode(std::string_view text) {
  return parse_name<PinRow::Mode>(text, kModeNames, "pin mode");
}
PinRow::Role parse_pin_role(std::string_view text) {
  return parse_name<PinRow::Role>(text, kRoleNames, "pin role");
}
PinRow::Position parse_pin_position(std::string_view text) {
  return parse_name<PinRow::Position>(text, kPositionNames, "pin position");
}

std::vector<PinRow> pins_that_count(std::vector<PinRow> matching, UnixTime now) {
  const auto enforced = [](const PinRow& pin) { return pin.mode == PinRow::Mode::enforce; };
  const auto rank = [](const PinRow& pin) {
    return std::pair(pin.pattern.pattern.specificity(), pin.pattern.port != 0);
  };
  std::erase_if(matching,
                [&](const PinRow& pin) { return pin.expires_at && *pin.expires_at <= now; });
  std::stable_sort(matching.begin(), matching.end(),
                   [&](const PinRow& a, const PinRow& b) { return rank(a) > rank(b); });
  const auto first = std::find_if(matching.begin(), matching.end(), enforced);
  if (first != matching.end()) {
    const auto most_specific = rank(*first);
    std::erase_if(matching,
                  [&](const PinRow& pin) { return enforced(pin) && rank(pin) < most_specific; });
  }
  return matching;
}

CertificateFacts CertificateFacts::of(const Certificate& certificate) {
  CertificateFacts facts;
  facts.fingerprint = certificate.fingerprint();
  facts.spki_hash = certificate.spki_hash();
  facts.subject_hash = certificate.subject_hash();
  facts.subject = certificate.subject();
  facts.issuer = certificate.issuer();
  facts.serial = certificate.serial();
  facts.not_before = certificate.not_before();
  facts.not_after = certificate.not_after();
  facts.names = certificate.dns_names();
  for (const Host& address : certificate.addresses()) facts.names.push_back(address.text());
  facts.key_kind = certificate.key_kind();
  facts.signature_kind = certificate.signature_kind();
  facts.is_ca = certificate.is_ca();
  facts.could_sign = certificate.could_sign();
  facts.is_self_signed = certificate.is_self_signed();
  return facts;
}

} // namespace trust
