#pragma once
// One client's connection: its socket, what it has sent that is not used up, and what it is still
// to be sent. Belongs to the loop's thread, which decides; here is only what it holds and how
// bytes move.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "daemon/deadlines.h"
#include "daemon/message.h"
#include "daemon/quota.h"
#include "daemon/request_reader.h"
#include "daemon/semantics.h"
#include "libtrust/handles.h"

namespace trust {

class ClientConnection {
 public:
  enum class State {
    reading,   // a request, or the wait for one
    waiting,   // for a worker or a Later
    writing,   // an answer
    streaming, // events, for as long as both like
    lingering, // refused and told so: what still comes is thrown away until the peer has read
  };
  enum class Moved { all, some, failed };

  ClientConnection(std::uint64_t connection_id, Fd socket, std::shared_ptr<const Caller> who,
                   Quota::Tally& of_uid);

  // Reads into `buffer`; what came is empty when there is nothing now, the end, or a failure.
  std::string_view receive(std::span<char> buffer);
  // Sends of `out` what the socket takes.
  Moved send();
  // No more will be sent.
  void finish_sending() noexcept;

  std::size_t unsent() const noexcept { return out.size() - sent; }
  // What counts as buffered here, apart from a request that is being answered.
  std::size_t held_bytes() const noexcept;

  const std::uint64_t id;
  const Fd fd;
  const std::shared_ptr<const Caller> peer;
  Quota::Tally& tally;
  State state = State::reading;

  RequestReader reader;
  std::string unread;    // after the request that is being answered
  bool readable = false; // bytes or the end may be there
  bool near_end = false; // the end is among what can be read
  bool ended = false;    // the peer sends no more
  bool finished = false; // to be closed

  std::string out;
  std::size_t sent = 0;
  bool blocked = false; // the loop waits for room to send

  Semantics::Form form; // of the answer that is awaited or being written
  bool linger_after = false;
  bool refused_at_door = false; // one too many: not counted among the connections of its uid
  std::size_t thrown_away = 0;  // while lingering
  bool queued = false;          // has more to do in the next turn

  std::unique_ptr<EventStream> stream;
  bool pull_due = false;

  std::size_t in_work_bytes = 0; // of the request that is being answered
  std::size_t counted_bytes = 0; // in the quota

  LoopDeadline deadline;
};

} // namespace trust
