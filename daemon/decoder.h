#pragma once
// Reads the certificates of a file in a process without rights: no file can be opened, no socket
// made, no process started, no signal sent; little memory, little time, bounded output; of root
// also another user. What a hostile file can gain there is certificates that are told of, and a
// reason out of a list.

#include <chrono>
#include <string>
#include <vector>

#include "libtrust/certificate.h"
#include "libtrust/extract.h"

namespace trust {

inline constexpr std::chrono::milliseconds kDecoderTime{5'000};

struct DecodedFile {
  std::vector<Certificate> certificates;
  std::vector<std::string> problems; // "LINE: reason", "reason"
};

// `fd`: a regular file, read from where it stands. Any thread; waits at most `time`. What goes
// wrong is a problem; Error{io} only when the system gives no process.
DecodedFile decode_apart(int fd, std::chrono::milliseconds time = kDecoderTime);

// What the process runs when its only argument is kDecoderArgument; does not return to the
// daemon's own beginning. Its status.
inline constexpr const char* kDecoderArgument = "--decode-standard-input";
int decoder_main() noexcept;

} // namespace trust
