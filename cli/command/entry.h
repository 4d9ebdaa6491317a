#pragma once
// Entries, pins and times of the daemon's answers as text for people. Everything that came from a
// certificate, a label or a peer goes through shown(). Pure but for find_entry and list_all.

#include <string>
#include <string_view>
#include <vector>

#include "cli/context.h"
#include "cli/table.h"
#include "libtrust/instant.h"

namespace trust {

inline constexpr int kDigitsToRead = 6;
inline constexpr int kDigitsToChange = 16;

// Members of an object; "", false, 0 or nothing where they are missing or of another type.
std::string text_at(const Json& object, const char* name);
bool flag_at(const Json& object, const char* name);
std::uint64_t number_at(const Json& object, const char* name);
std::vector<std::string> texts_at(const Json& object, const char* name);
const Json& array_at(const Json& object, const char* name); // an empty one where there is none

// The one entry that an ID names, the layers beneath included. Error{not_found}; two matches are
// Error{conflict} that names both.
Json find_entry(Context& context, const std::string& id, int least_digits);

// Every page of a list, joined: the first answer with all items and no cursor.
Json list_all(Context& context, const std::string& path, const char* member,
              const Parameters& query);

// "2027-01-31 (in 12 days)"; "" for null.
std::string when(const std::string& time, UnixTime now);

std::string how_long_to(const std::string& time, UnixTime now); // "in 12 days"

std::string short_fingerprint(const std::string& fingerprint); // what a table shows
std::string colon_fingerprint(const std::string& fingerprint); // as openssl prints it

// The scope, or "every name it is valid for"; more than a few are counted.
std::string scope_text(const Json& entry);

Table entry_table();
void add_entry_row(Table& table, const Json& entry, UnixTime now);
std::string entry_text(const Json& entry, const Terminal& terminal, UnixTime now);

// "root corp-ca for *.corp.test (1234abcd…)", one line.
std::string entry_line(const Json& entry);
std::string pin_line(const Json& pin);

// "generation 42", which every answer to a change carries.
std::string generation_text(const Json& answer);

}  // namespace trust
