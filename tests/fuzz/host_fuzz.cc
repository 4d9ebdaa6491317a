// A name that is accepted has one text, and that text is accepted as the same name.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "libtrust/error.h"
#include "libtrust/host.h"

namespace {

template <typename Parse>
void has_one_text(Parse parse, std::string_view input) {
  std::string text;
  try {
    text = parse(input).text();
  } catch (const trust::Error&) {
    return;
  }
  if (parse(text).text() != text) std::abort(); // what throws here is a finding too
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  has_one_text([](std::string_view text) { return trust::Host::parse(text); }, input);
  has_one_text([](std::string_view text) { return trust::Pattern::parse(text); }, input);
  has_one_text([](std::string_view text) { return trust::Endpoint::parse(text, 443); }, input);
  return 0;
}
