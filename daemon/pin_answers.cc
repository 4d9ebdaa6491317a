#include "daemon/pin_answers.h"

namespace trust {
namespace {

constexpr std::size_t kOverhead = 128; // of one kept answer, roughly

} // namespace

std::optional<std::string> PinAnswers::find(std::string_view question,
                                            GenerationNumber generation) {
  return kept_.with([&](const Kept& kept) -> std::optional<std::string> {
    if (kept.generation != generation) return std::nullopt;
    const auto found = kept.answers.find(question);
    if (found == kept.answers.end()) return std::nullopt;
    return found->second;
  });
}

void PinAnswers::keep(std::string_view question, GenerationNumber generation,
                      std::string_view answer) {
  const std::size_t bytes = question.size() + answer.size() + kOverhead;
  kept_.with([&](Kept& kept) {
    if (kept.generation > generation || bytes > most_bytes_) return;
    if (kept.generation < generation || kept.bytes + bytes > most_bytes_) {
      kept.answers.clear();
      kept.bytes = 0;
      kept.generation = generation;
    }
    if (kept.answers.emplace(question, answer).second) kept.bytes += bytes;
  });
}

} // namespace trust
