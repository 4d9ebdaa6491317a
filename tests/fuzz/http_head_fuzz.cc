// A whole connection as the reader of requests sees it: the first byte says how the rest is cut
// into pieces. However it is cut, the same requests come out, and the same refusal.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "daemon/request_reader.h"

namespace {

constexpr std::size_t kMaxBody = 4096;
constexpr trust::HeadLimits kLimits{1024, 8};

std::string read_all(std::string_view bytes, std::size_t piece) {
  using Step = trust::RequestReader::Step;
  trust::RequestReader reader;
  std::string seen;
  while (!bytes.empty()) {
    std::string_view part = bytes.substr(0, piece);
    bytes.remove_prefix(part.size());
    while (!part.empty()) {
      Step step = reader.take(part, kLimits);
      if (step == Step::head) step = reader.begin_body(kMaxBody);
      if (step == Step::refused) {
        return seen + "refused " + std::to_string(reader.refusal().status);
      }
      if (step != Step::ready) continue;
      const trust::Request& request = reader.head().request;
      if (request.body.size() > kMaxBody) std::abort();
      for (const std::string& segment : request.segments) {
        if (segment.empty() || segment == "." || segment == "..") std::abort();
        if (segment.find('/') != std::string::npos) std::abort();
      }
      seen += request.method + " " + request.path + " " + request.host + "\n" + request.body + "\n";
      reader.reset();
    }
  }
  return seen;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = read_all(bytes, size);
  const std::string cut = read_all(bytes, std::size_t{1} + data[0] % 32);
  // What is refused late in one piece may be refused earlier, by its first line, in several; so
  // only what was accepted before is compared.
  const std::string_view before = std::string_view(whole).substr(0, whole.find("refused"));
  if (!std::string_view(cut).starts_with(before)) std::abort();
  return 0;
}
