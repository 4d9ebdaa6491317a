#pragma once
// The form of pins.index, beside trust.db if there is a pin: the rows of its table `pin` by
// pattern, in a hash_file.h. A look-up through SQLite reads two of its pages or three of a large
// table; one here reads a quarter of one. Pure but for the file that a writer has. Failure:
// Error{store_invalid} for a row that does not match its hash, or is not there.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "libtrust/hash_file.h"
#include "libtrust/record.h"

namespace trust {

inline constexpr const char* kPinIndex = "pins.index";

// How many pins there are of each kind that is looked for apart, so that it is not where there is
// none: of patterns with stars, by how many labels follow them and how many stars; of networks.
using PinShapes = std::map<int, std::uint64_t>;
inline constexpr int kNetworkShape = -1;
std::optional<int> pin_shape_of(std::string_view pattern); // none of a host
std::string text_of(const PinShapes& shapes);              // "4:1 7:20", shapes and how many
PinShapes shapes_of(std::string_view text);

// What networks lie under, for none is found by its text.
inline constexpr std::string_view kNetworks = "/";

Digest pin_hash(const PinRow& pin); // over its columns

void index_pin(HashFileWriter& index, const PinRow& pin);
void unindex_pin(HashFileWriter& index, std::string_view pattern, std::int64_t id);
// What a value under `key` stands for: the pin, or, of a network and of one that is too large for a
// page, the number of its row.
std::variant<PinRow, std::int64_t> indexed_pin(std::string_view key, ByteView value,
                                               const std::string& name);

} // namespace trust
