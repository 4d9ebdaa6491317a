#pragma once
// The secret that TCP clients show: 256 random bits, in a file that only the daemon's own uid
// reads, made anew at each start and removed at stop. Immutable; any thread may compare.

#include <string>
#include <string_view>

#include "libtrust/handles.h"

namespace trust {

class Token {
 public:
  // Writes <directory>/token, 0600 from its first byte. To be called once the port is bound, so
  // that nobody who took the port first is shown a token that is valid.
  explicit Token(const std::string& directory);
  ~Token();
  Token(const Token&) = delete;
  Token& operator=(const Token&) = delete;

  // Removes what a daemon that was killed left there.
  static void remove_stale(const std::string& directory) noexcept;

  const std::string& text() const noexcept { return text_; }

 private:
  Fd directory_;
  std::string text_;
};

} // namespace trust
