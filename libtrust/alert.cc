#include "libtrust/alert.h"

#include <array>

namespace trust {
namespace {

constexpr std::array kKinds{
    AlertKind::expiring,     AlertKind::expired,     AlertKind::not_yet_valid, AlertKind::changed,
    AlertKind::pin_mismatch, AlertKind::unreachable, AlertKind::weak,          AlertKind::lock_out,
    AlertKind::base,         AlertKind::delivery,    AlertKind::hook,          AlertKind::renewal,
    AlertKind::emitted,
};

} // namespace

std::string_view name_of(AlertKind kind) noexcept {
  switch (kind) {
    case AlertKind::expiring: return "expiring";
    case AlertKind::expired: return "expired";
    case AlertKind::not_yet_valid: return "not_yet_valid";
    case AlertKind::changed: return "changed";
    case AlertKind::pin_mismatch: return "pin_mismatch";
    case AlertKind::unreachable: return "unreachable";
    case AlertKind::weak: return "weak";
    case AlertKind::lock_out: return "lock_out";
    case AlertKind::base: return "base";
    case AlertKind::delivery: return "delivery";
    case AlertKind::hook: return "hook";
    case AlertKind::renewal: return "renewal";
    case AlertKind::emitted: return "emitted";
  }
  return "";
}

std::optional<AlertKind> alert_kind_named(std::string_view name) noexcept {
  for (const AlertKind kind : kKinds) {
    if (name_of(kind) == name) return kind;
  }
  return std::nullopt;
}

std::string_view name_of(Severity severity) noexcept {
  switch (severity) {
    case Severity::info: return "info";
    case Severity::warning: return "warning";
    case Severity::critical: return "critical";
  }
  return "";
}

std::string_view name_of(Notice::What what) noexcept {
  switch (what) {
    case Notice::What::raised: return "raised";
    case Notice::What::reminded: return "reminded";
    case Notice::What::resolved: return "resolved";
  }
  return "";
}

} // namespace trust
