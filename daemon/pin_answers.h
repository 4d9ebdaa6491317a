#pragma once
// Answers to "which pins are in force for this host and port", kept for one generation and no
// longer, bounded in bytes. Any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "libtrust/guarded.h"
#include "libtrust/record.h"

namespace trust {

class PinAnswers {
 public:
  explicit PinAnswers(std::size_t most_bytes) : most_bytes_(most_bytes) {}

  // The answer kept for a question as of that generation.
  std::optional<std::string> find(std::string_view question, GenerationNumber generation);
  // What is kept of other generations is dropped; so is everything, once there is too much.
  void keep(std::string_view question, GenerationNumber generation, std::string_view answer);

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };
  struct Kept {
    GenerationNumber generation = 0;
    std::size_t bytes = 0;
    std::unordered_map<std::string, std::string, Hash, std::equal_to<>> answers;
  };

  const std::size_t most_bytes_;
  Guarded<Kept> kept_;
};

} // namespace trust
