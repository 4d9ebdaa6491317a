// A request means the same whether it comes at once or in two parts: the first byte of the input
// says where it is cut.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "daemon/http_body.h"
#include "daemon/http_head.h"

namespace {

// Which of several faults a refusal tells of depends on what has come: that it is one does not.
struct Outcome {
  bool refused = false;
  std::size_t head_bytes = 0;
  std::string path;
  std::string body;
  bool complete = false;

  bool operator==(const Outcome&) const = default;
};

Outcome read(std::string_view input, std::size_t cut) {
  Outcome outcome;
  const auto refused = [] { return Outcome{.refused = true}; };
  trust::HeadScan scan;
  std::optional<trust::Refusal> refusal = trust::scan_head(input.substr(0, cut), {}, scan);
  if (!refusal && !scan.complete) refusal = trust::scan_head(input, {}, scan);
  if (refusal) return refused();
  if (!scan.complete) return outcome;

  auto parsed = trust::parse_head(input.substr(0, scan.seen));
  if (std::holds_alternative<trust::Refusal>(parsed)) return refused();
  outcome.head_bytes = scan.seen;
  const auto& head = std::get<trust::Head>(parsed);
  outcome.path = head.request.path;

  trust::HttpBody body(head.framing, 4096);
  std::string_view first = input.substr(scan.seen);
  std::string_view second = first;
  if (cut > scan.seen) {
    first = first.substr(0, cut - scan.seen);
    second.remove_prefix(first.size());
    refusal = body.take(first);
    if (!refusal && !first.empty() && !body.complete()) std::abort(); // bytes left behind
  }
  if (!refusal && !body.complete()) refusal = body.take(second);
  if (refusal) return refused();
  outcome.complete = body.complete();
  if (outcome.complete) outcome.body = body.release();
  return outcome;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::size_t cut = std::min<std::size_t>(data[0], input.size());
  if (read(input, cut) != read(input, 0)) std::abort();
  return 0;
}
