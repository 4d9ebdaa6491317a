#pragma once
// The event loop behind Front: accepts, reads, asks the application, writes, and lets nobody take
// more than their part. All of it runs on the thread of run(), but for what goes through the
// mailbox and the counts.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "daemon/connection.h"
#include "daemon/deadlines.h"
#include "daemon/front_limits.h"
#include "daemon/listener.h"
#include "daemon/mailbox.h"
#include "daemon/message.h"
#include "daemon/quota.h"
#include "daemon/semantics.h"
#include "daemon/workers.h"
#include "libtrust/handles.h"

namespace trust {

class Loop {
 public:
  // As Front says.
  Loop(Application& application, std::vector<Listener> listeners, const FrontLimits& limits);
  ~Loop();

  void run();
  Mailbox& mailbox() noexcept { return *mailbox_; }
  FrontCounts counts() const noexcept;

 private:
  using State = ClientConnection::State;

  // loop.cc: turns, arrivals, deadlines, the end
  void turn();
  int patience_ms(LoopTime now) const;
  void on_event(std::uint64_t tag, std::uint32_t events);
  void accept_from(const Listener& listener);
  void admit_connection(Fd socket);
  void watch_listeners(bool watched);
  void collect_mail();
  void forget_ended_streams();
  void expire();
  void begin_stop();
  void publish_counts() noexcept;
  ClientConnection* find(std::uint64_t id) noexcept;
  void drop(ClientConnection& connection);

  // loop_requests.cc: what happens on one connection
  void advance(ClientConnection& connection);
  void come_back_to(ClientConnection& connection);
  void count_bytes(ClientConnection& connection);
  bool has_room(ClientConnection& connection);
  bool read_more(ClientConnection& connection);
  void read_bytes(ClientConnection& connection, std::string_view bytes);
  RequestReader::Step on_head(ClientConnection& connection, bool body_has_begun);
  void on_request(ClientConnection& connection, bool is_last_here);
  bool await(ClientConnection& connection, std::size_t request_bytes);
  void on_outcome(ClientConnection& connection, Semantics::Outcome outcome);
  void answer(ClientConnection& connection, const Response& response);
  void turn_away(ClientConnection& connection, const Response& response);
  void refuse(ClientConnection& connection, const Refusal& refusal);
  void begin_writing(ClientConnection& connection, std::string bytes);
  bool write_more(ClientConnection& connection);
  bool throw_away(ClientConnection& connection);
  void wait_for_room(ClientConnection& connection, bool wait);
  void begin_stream(ClientConnection& connection, EventStream stream);
  bool pull(ClientConnection& connection);
  bool stream_more(ClientConnection& connection);
  void comment(ClientConnection& connection);
  void end_stream(ClientConnection& connection);
  void set_deadline(ClientConnection& connection, Deadlines& list) {
    list.set(connection.deadline, now_);
  }

  Application& application_;
  const FrontLimits limits_;
  const HeadLimits head_limits_;
  std::vector<Listener> listeners_;
  std::shared_ptr<Mailbox> mailbox_;
  Semantics semantics_;
  Quota quota_;
  Fd epoll_;
  std::vector<char> buffer_;
  LoopTime now_;

  // A connection's id: its place here, and a number that no other connection at this place had.
  std::vector<std::unique_ptr<ClientConnection>> connections_;
  std::vector<std::uint32_t> free_places_;
  std::uint32_t next_number_ = 1;
  std::size_t open_ = 0;
  std::size_t refused_at_door_ = 0;

  Deadlines request_deadlines_, idle_deadlines_, write_deadlines_, linger_deadlines_;
  Deadlines stall_deadlines_, comment_deadlines_;
  std::vector<std::uint64_t> again_;   // what did not fit into this turn
  std::vector<std::uint64_t> streams_; // may hold some that have ended
  bool pull_all_ = false;

  std::optional<LoopTime> accept_again_at_;
  std::optional<LoopTime> stop_until_;
  bool stopping_ = false;
  int looks_before_sleep_ = 0;

  std::uint64_t requests_ = 0;
  std::uint64_t refused_ = 0;
  struct Published {
    std::atomic<std::size_t> connections{0}, streams{0}, waiting{0}, buffered{0};
    std::atomic<std::uint64_t> requests{0}, refused{0};
  } published_;

  std::optional<Workers> workers_; // last: ends first, while all the rest is still there
};

} // namespace trust
