#pragma once
// The parameters of one request, read name by name; one that is not known, or stands there twice,
// is refused by its name. Pure; failure is Error{usage} or Error{invalid}.

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "daemon/message.h"
#include "libtrust/instant.h"

namespace trust {

inline constexpr std::size_t kDefaultLimit = 100;
inline constexpr std::size_t kMostLimit = 1000;

class Parameters {
 public:
  // `request` outlives the Parameters.
  explicit Parameters(const Request& request) : request_(request) {}

  std::optional<std::string> text(std::string_view name);
  std::optional<std::uint64_t> number(std::string_view name);
  std::optional<UnixTime> time(std::string_view name);
  bool flag(std::string_view name); // "true" or "false"
  std::size_t limit();              // 1 to kMostLimit
  std::uint64_t cursor(std::uint64_t first); // what an earlier answer gave as "next_cursor"
  // Refuses what was not asked for.
  void finish() const;

 private:
  const Request& request_;
  std::set<std::string, std::less<>> taken_;
};

// Decimal digits and nothing else; none if they are not, or too many.
std::optional<std::uint64_t> parse_number(std::string_view text) noexcept;

} // namespace trust
