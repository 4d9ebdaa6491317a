#include "libtrust/pin_index.h"

#include <algorithm>
#include <charconv>

#include "libtrust/error.h"
#include "libtrust/little_endian.h"
#include "libtrust/row_form.h"

namespace trust {
namespace {

// One whose row is too large for a page is there by its number alone, eight bytes.
constexpr std::size_t kPinReference = 8;

std::string_view key_in_index(std::string_view pattern) {
  return pin_shape_of(pattern) == kNetworkShape ? kNetworks : pattern;
}

// What packed_pin() wrote, one after the other; what is not there is 0: the row's hash tells.
class Cursor {
 public:
  explicit Cursor(ByteView bytes) : rest_(bytes) {}

  template <typename Number>
  Number number() {
    std::uint8_t bytes[sizeof(Number)] = {};
    const ByteView taken = take(sizeof bytes);
    std::copy(taken.begin(), taken.end(), bytes);
    return little_at<Number>(bytes);
  }
  template <typename Kind>
  Kind kind() {
    return static_cast<Kind>(number<std::uint8_t>());
  }
  Digest digest() {
    const ByteView bytes = take(Digest{}.size());
    Digest digest{};
    std::copy(bytes.begin(), bytes.end(), digest.begin());
    return digest;
  }
  std::string rest() const { return {rest_.begin(), rest_.end()}; }

 private:
  ByteView take(std::size_t size) {
    const ByteView taken = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }

  ByteView rest_;
};

void append(std::string& to, const Digest& digest) { to.append(digest.begin(), digest.end()); }

std::string packed_pin(const PinRow& pin) {
  std::string bytes;
  append_little(bytes, pin.id);
  append_little(bytes, static_cast<std::uint8_t>(pin.layer));
  append_little(bytes, static_cast<std::uint8_t>(pin.mode));
  append_little(bytes, static_cast<std::uint8_t>(pin.role));
  append_little(bytes, static_cast<std::uint8_t>(pin.position));
  append_little(bytes, static_cast<std::uint8_t>(pin.expires_at.has_value()));
  append_little(bytes, pin.expires_at.value_or(0));
  append_little(bytes, pin.pattern.port);
  append_little(bytes, pin.owner);
  append_little(bytes, pin.added_at);
  append_little(bytes, pin.since);
  append(bytes, pin.pin.spki_hash);
  append(bytes, pin_hash(pin));
  return bytes + pin.note;
}

PinRow unpacked_pin(std::string_view pattern, ByteView bytes, const std::string& name) {
  Cursor cursor(bytes);
  PinRow pin;
  pin.id = cursor.number<std::int64_t>();
  pin.layer = cursor.kind<Layer>();
  pin.mode = cursor.kind<PinRow::Mode>();
  pin.role = cursor.kind<PinRow::Role>();
  pin.position = cursor.kind<PinRow::Position>();
  const bool ends = cursor.number<std::uint8_t>() != 0;
  const auto end = cursor.number<UnixTime>();
  if (ends) pin.expires_at = end;
  pin.pattern.pattern = Pattern::parse(pattern);
  pin.pattern.port = cursor.number<Port>();
  pin.owner = cursor.number<uid_t>();
  pin.added_at = cursor.number<UnixTime>();
  pin.since = cursor.number<GenerationNumber>();
  pin.pin.spki_hash = cursor.digest();
  const Digest hash = cursor.digest();
  pin.note = cursor.rest();
  if (pin_hash(pin) != hash) refuse_row(name, "pin " + std::to_string(pin.id));
  return pin;
}

} // namespace

std::optional<int> pin_shape_of(std::string_view pattern) {
  if (pattern.find('/') != std::string_view::npos) return kNetworkShape;
  if (!pattern.starts_with('*')) return std::nullopt;
  const auto labels = std::count(pattern.begin(), pattern.end(), '.');
  return static_cast<int>(2 * labels) + (pattern.starts_with("**") ? 1 : 0);
}

std::string text_of(const PinShapes& shapes) {
  std::string text;
  for (const auto& [shape, count] : shapes)
    text += (text.empty() ? "" : " ") + std::to_string(shape) + ':' + std::to_string(count);
  return text;
}

PinShapes shapes_of(std::string_view text) {
  PinShapes shapes;
  const char* const end = text.data() + text.size();
  for (const char* at = text.data(); at < end;) {
    int shape = 0;
    std::uint64_t count = 0;
    at = std::from_chars(at, end, shape).ptr;
    if (at == end || *at != ':') break; // cannot be: the header's hash is checked
    at = std::from_chars(at + 1, end, count).ptr;
    shapes[shape] = count;
    if (at < end) ++at; // the space
  }
  return shapes;
}

Digest pin_hash(const PinRow& pin) {
  RowForm form("pin");
  form.add(pin.id);
  form.add(static_cast<std::int64_t>(pin.layer));
  form.add(pin.pin.spki_hash);
  form.add(std::string_view(pin.pattern.pattern.text()));
  form.add(static_cast<std::int64_t>(pin.pattern.port));
  form.add(static_cast<std::int64_t>(pin.mode));
  form.add(static_cast<std::int64_t>(pin.role));
  form.add(static_cast<std::int64_t>(pin.position));
  form.add(pin.expires_at);
  form.add(std::string_view(pin.note));
  form.add(static_cast<std::int64_t>(pin.owner));
  form.add(pin.added_at);
  form.add(static_cast<std::int64_t>(pin.since));
  return form.digest();
}

void index_pin(HashFileWriter& index, const PinRow& pin) {
  const std::string_view key = key_in_index(pin.pattern.pattern.text());
  std::string bytes = packed_pin(pin);
  // Of a network the key does not say which.
  if (key == kNetworks || !HashFileWriter::fits(key, view_of(bytes))) bytes.resize(kPinReference);
  index.insert(key, view_of(bytes));
}

void unindex_pin(HashFileWriter& index, std::string_view pattern, std::int64_t id) {
  const bool was = index.remove(key_in_index(pattern), [&](ByteView value) {
    return Cursor(value).number<std::int64_t>() == id;
  });
  if (!was) throw Error(Code::store_invalid, "pin " + std::to_string(id) + " is not in its index");
}

std::variant<PinRow, std::int64_t> indexed_pin(std::string_view key, ByteView value,
                                               const std::string& name) {
  if (value.size() == kPinReference) return Cursor(value).number<std::int64_t>();
  return unpacked_pin(key, value, name);
}

} // namespace trust
