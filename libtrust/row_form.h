#pragma once
// What the hash of a published row is over. Pure; throws std::bad_alloc, and refuse_row what it
// says.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libtrust/certificate.h"
#include "libtrust/error.h"
#include "libtrust/little_endian.h"

namespace trust {

// Values one after the other, each with its kind and its length before it, so that no two rows
// have the same form.
class RowForm {
 public:
  explicit RowForm(std::string_view table) { add(table); }
  void add(std::string_view text) { piece('t', text); }
  void add(ByteView bytes) {
    piece('b', {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  void add(const Digest& digest) { add(ByteView(digest)); }
  void add(std::int64_t value) {
    std::string bytes;
    append_little(bytes, value);
    piece('i', bytes);
  }
  void add(const std::optional<std::int64_t>& value) {
    if (value) {
      add(*value);
    } else {
      piece('n', {});
    }
  }
  Digest digest() const { return sha256(view_of(form_)); }

 private:
  void piece(char kind, std::string_view bytes) {
    form_ += kind;
    append_little(form_, static_cast<std::uint64_t>(bytes.size()));
    form_ += bytes;
  }
  std::string form_;
};

// `row`: "pin 7", of the file `name`.
[[noreturn]] inline void refuse_row(const std::string& name, std::string_view row) {
  throw Error(Code::store_invalid,
              name + " is damaged: " + std::string(row) + " does not match its hash");
}

} // namespace trust
