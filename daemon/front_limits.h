#pragma once
// What the HTTP front lets its clients use, and what it tells of their use. Values.

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace trust {

struct FrontLimits {
  // Of one request. A head that is larger is answered 431, a body (Application::max_body) 413.
  std::size_t head_bytes = 16 * 1024;
  std::size_t fields = 64;

  // From the first byte of a request to its last, whatever trickles in between: 408.
  std::chrono::milliseconds request{20'000};
  // Between requests; closed without a word.
  std::chrono::milliseconds idle{600'000};
  // For an answer to be taken, from when it is ready: cut off.
  std::chrono::milliseconds write{30'000};
  // For an event stream to take anything at all while something waits: cut off.
  std::chrono::milliseconds stream_stall{60'000};
  // Without an event: a comment, so that a peer who has gone is noticed.
  std::chrono::milliseconds stream_comment{15'000};
  // After a refusal, for the peer to stop sending and read it.
  std::chrono::milliseconds linger{2'000};
  // How long stop() waits for answers.
  std::chrono::milliseconds stop{30'000};

  // One too many from one uid (all of TCP counts as one) is answered 429, in all 503, both with
  // Retry-After. 0: three quarters of, and as many as, the descriptors allow.
  std::size_t connections_per_uid = 0;
  std::size_t connections = 0;
  // Requests that wait for a worker or for their Later.
  std::size_t waiting_per_uid = 2'048;
  std::size_t waiting = 4'096;
  std::size_t streams_per_uid = 128;
  std::size_t streams = 1'024;
  // Bytes of unfinished requests and of answers not yet taken.
  std::size_t buffered_per_uid = std::size_t{48} << 20;
  std::size_t buffered = std::size_t{96} << 20;
  std::size_t stream_buffer = 64 * 1024;  // of one event stream

  std::size_t workers = 4;
};

struct FrontCounts {
  std::size_t connections = 0;
  std::size_t streams = 0;
  std::size_t waiting = 0; // requests on a worker or waiting for their Later
  std::size_t buffered_bytes = 0;
  std::uint64_t requests = 0; // answered since the start, refusals included
  std::uint64_t refused = 0;  // by the front, or by Application::admit
};

} // namespace trust
