// The table of verdicts.

#include "libtrust/verdict.h"

#include <array>

namespace trust {
namespace {

// In order of the enum.
struct Row {
  Verdict verdict;
  VerdictFacts facts;
  int weight;
};

constexpr std::array kRows{
    Row{Verdict::ok, {"ok", 0}, 0},
    Row{Verdict::unknown_issuer, {"unknown_issuer", -600}, 1},
    Row{Verdict::self_signed, {"self_signed", -601}, 1},
    Row{Verdict::expired, {"expired", -602}, 4},
    Row{Verdict::not_yet_valid, {"not_yet_valid", -603}, 4},
    Row{Verdict::name_mismatch, {"name_mismatch", -604}, 5},
    Row{Verdict::pin_mismatch, {"pin_mismatch", -605}, 8},
    Row{Verdict::pin_missing, {"pin_missing", -606}, 7},
    Row{Verdict::distrusted, {"distrusted", -607}, 9},
    Row{Verdict::bad_chain, {"bad_chain", -608}, 2},
    Row{Verdict::weak, {"weak", -609}, 3},
    Row{Verdict::out_of_scope, {"out_of_scope", -610}, 6},
};

constexpr bool rows_follow_the_enum() {
  for (std::size_t i = 0; i < kRows.size(); ++i)
    if (static_cast<std::size_t>(kRows[i].verdict) != i) return false;
  return kRows.back().verdict == Verdict::out_of_scope;
}
static_assert(rows_follow_the_enum(), "every Verdict has its row, in order");

const Row& row_of(Verdict verdict) { return kRows[static_cast<std::size_t>(verdict)]; }

} // namespace

int weight_of(Verdict verdict) noexcept { return row_of(verdict).weight; }

const VerdictFacts& facts(Verdict verdict) noexcept { return row_of(verdict).facts; }

std::string_view name_of(TrustedBy by) noexcept {
  switch (by) {
    case TrustedBy::nothing: return "nothing";
    case TrustedBy::system_root: return "system_root";
    case TrustedBy::added_root: return "added_root";
    case TrustedBy::added_leaf: return "added_leaf";
  }
  return "";
}

std::string_view name_of(PinStatus status) noexcept {
  switch (status) {
    case PinStatus::none: return "none";
    case PinStatus::match: return "match";
    case PinStatus::mismatch: return "mismatch";
    case PinStatus::lapsed: return "lapsed";
    case PinStatus::reported: return "reported";
  }
  return "";
}

} // namespace trust
