#pragma once
// What is told to a sink at once: the notices of one moment as one message, and its forms for
// people. Pure values and functions.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libtrust/alert.h"
#include "libtrust/json.h"

namespace trust {

struct Delivery {
  // The same whenever the same notices are sent again: a receiver that has it has them.
  std::string id;
  std::string source; // the machine's name
  UnixTime at = 0;
  bool test = false;
  std::vector<Notice> notices; // in order of number; never empty
};

// Leaves out what nobody needs to hear any more: of an alert that was raised and is over, both; of
// one that a person has acknowledged, what was not told yet; of several about one alert all but the
// last. `everything_open`: what is resolved is left out too, for a sink that never heard of it.
std::vector<Notice> worth_telling(std::vector<Notice> notices, UnixTime now, bool everything_open);

// The worst of those that are not resolved; info if all are.
Severity severity_of(const Delivery& delivery) noexcept;

// One line: the summary of a single notice, else how many of what.
std::string title_of(const Delivery& delivery);

// For people: the title's line, then a line or more for each notice, the worst first and `most` at
// most, and how many are left out.
std::string text_of(const Delivery& delivery, std::size_t most);

// "critical: dev.test ends in 2 days", with what breaks and the hint on lines of their own.
std::string lines_of(const Notice& notice);

// The worst first; of equals the older.
std::vector<const Notice*> worst_first(const Delivery& delivery);

// {"id","source","at","test","title","severity","notices":[…],"more"}: `most` notices at most, and
// how many more there are.
Json json_of(const Delivery& delivery, std::size_t most);

// Of trustctl alerts test: one that looks like the others and says that it is none.
Delivery test_delivery(std::string id, std::string source, UnixTime now);

} // namespace trust
