#pragma once
// What a server might say, fed to a connection in memory, whatever it is.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "libtrust/connection.h"
#include "libtrust/error.h"

namespace trust::testing {

// In pieces of `piece` bytes, then the end of the transport. Every answer is an Error of the peer's
// fault or "more, please"; nobody is trusted, nothing is read, and what is drained is bounded. A
// violation ends the process. Whether it was refused for its certificates.
inline bool feed_flight(const Connector& connector, std::span<const std::uint8_t> flight,
                        std::size_t piece) {
  const auto demand = [](bool holds) {
    if (!holds) std::abort();
  };
  ConnectionConfig config;
  config.alpn = {"h2", "http/1.1"};
  const auto connection = connector.start_memory(Endpoint::parse("dev.test", 443), config);
  std::array<std::uint8_t, 4096> buffer{};
  std::size_t drained = 0;
  bool ended = false;
  for (;;) {
    bool is_over = false;
    bool was_refused = false;
    try {
      demand(connection->handshake() != Progress::done);
    } catch (const Refused& refused) {
      demand(!refused.peer()->judgement.trusted());
      demand(!refused.message().empty());
      is_over = was_refused = true;
    } catch (const Error& error) {
      demand(error.code() == Code::tls || error.code() == Code::timeout);
      is_over = true;
    }
    while (const std::size_t count = connection->drain(buffer)) drained += count;
    demand(drained < 100'000);
    try {
      connection->read(buffer);
      std::abort();
    } catch (const Error& error) {
      demand(error.code() == Code::state);
    }
    demand(connection->pending() == 0);
    if (is_over) return was_refused;
    if (ended) return false; // it was said to be over, and still waits
    const std::size_t count = std::min(piece, flight.size());
    const std::size_t taken = connection->feed(flight.first(count));
    demand(taken <= count);
    flight = flight.subspan(taken);
    ended = count == 0;
  }
}

} // namespace trust::testing
