#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <exception>
#include <utility>

#include <spdlog/spdlog.h>

#include "daemon/loop.h"

// What happens on one connection. Nothing here destroys a connection but advance(), which is the
// last to touch it; all else says `finished`.

namespace trust {
namespace {

// Then others get their turn.
constexpr int kStepsPerTurn = 4;
constexpr int kRequestsPerStep = 16;

// Closing while bytes are unread can cost the peer the refusal; taking in all that it sends would
// be a service to those who mean harm. A usual body is let pass.
constexpr std::size_t kMostThrownAway = std::size_t{1} << 20;

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::string_view kLastChunk = "0\r\n\r\n";
constexpr std::string_view kComment = ": keep-alive\n\n";

void append_chunk(std::string& out, std::string_view data) {
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), data.size(), 16);
  out.append(digits.data(), end.ptr);
  out += "\r\n";
  out += data;
  out += "\r\n";
}

Response failure() {
  return problem(500, "internal", "the request failed inside trustd; the log says why");
}

// What the application makes of a head; what it throws becomes `otherwise(Response)`.
template <typename Ask>
std::optional<Response> guarded(const Request& request, Ask ask) {
  try {
    return ask();
  } catch (const Error& error) {
    return problem(error);
  } catch (const std::exception& error) {
    spdlog::error("{} {}: {}", request.method, request.path, error.what());
    return failure();
  }
}

Refusal too_busy(Room room, std::string_view of_uid, std::string_view of_all) {
  if (room == Room::too_many_of_uid) return {429, "busy", of_uid};
  return {503, "busy", of_all};
}

Response response_to(const Refusal& refusal) {
  Response response = problem(refusal.status, refusal.code, refusal.detail);
  if (refusal.status == 429 || refusal.status == 503) {
    response.headers.emplace_back("Retry-After", "1");
  }
  return response;
}

} // namespace

void Loop::advance(ClientConnection& connection) {
  for (int step = 0; step < kStepsPerTurn; ++step) {
    bool more = false;
    if (!connection.finished) {
      switch (connection.state) {
        case State::reading: more = read_more(connection); break;
        case State::waiting: break;
        case State::writing: more = write_more(connection); break;
        case State::streaming: more = stream_more(connection); break;
        case State::lingering: more = throw_away(connection); break;
      }
    }
    if (connection.finished) {
      drop(connection);
      return;
    }
    if (!more) {
      count_bytes(connection);
      return;
    }
  }
  count_bytes(connection);
  come_back_to(connection);
}

void Loop::come_back_to(ClientConnection& connection) {
  if (!std::exchange(connection.queued, true)) again_.push_back(connection.id);
}

void Loop::count_bytes(ClientConnection& connection) {
  const std::size_t held = connection.held_bytes() + connection.in_work_bytes;
  if (held > connection.counted_bytes) {
    quota_.take(connection.tally, Resource::buffered_bytes, held - connection.counted_bytes);
  } else if (held < connection.counted_bytes) {
    quota_.give_back(connection.tally, Resource::buffered_bytes, connection.counted_bytes - held);
  }
  connection.counted_bytes = held;
}

// Reading.

bool Loop::read_more(ClientConnection& connection) {
  if (!connection.unread.empty()) {
    const std::string kept = std::exchange(connection.unread, {});
    read_bytes(connection, kept);
    return true;
  }
  if (connection.readable) {
    const std::string_view bytes = connection.receive(buffer_);
    if (!bytes.empty()) {
      read_bytes(connection, bytes);
      return connection.state != State::reading || connection.readable ||
             !connection.unread.empty() || stopping_;
    }
  }
  if (connection.ended && !connection.reader.idle()) {
    refuse(connection, {400, "malformed", "the request ended before it was complete"});
    return true;
  }
  if (connection.ended || (stopping_ && connection.reader.idle() && !connection.readable)) {
    connection.finished = true;
  }
  return connection.readable;
}

void Loop::read_bytes(ClientConnection& connection, std::string_view bytes) {
  using Step = RequestReader::Step;
  RequestReader& reader = connection.reader;
  for (int requests = 0; requests < kRequestsPerStep && !bytes.empty() &&
                         connection.state == State::reading && !connection.finished;) {
    const bool first_bytes = reader.idle();
    Step step = reader.take(bytes, head_limits_);
    if (step == Step::head) {
      step = on_head(connection, !bytes.empty());
      if (step == Step::head) { // answered by it alone
        ++requests;
        continue;
      }
    }
    if (step == Step::refused) {
      refuse(connection, reader.refusal());
    } else if (step == Step::ready) {
      ++requests;
      if (has_room(connection)) on_request(connection, bytes.empty());
    } else {
      if (first_bytes) set_deadline(connection, request_deadlines_);
      count_bytes(connection);
      has_room(connection);
    }
  }
  if (bytes.empty() || connection.linger_after) return;
  connection.unread = bytes;
}

// What clients make the front hold, by sending slowly or by not taking answers, is bounded for a
// uid and in all. Refuses and says false when it is too much already.
bool Loop::has_room(ClientConnection& connection) {
  const Room room = quota_.check(connection.tally, Resource::buffered_bytes, 0);
  if (room == Room::granted) return true;
  refuse(connection, too_busy(room, "this user's requests and answers hold too much memory",
                              "the requests and answers of all users hold too much memory"));
  return false;
}

RequestReader::Step Loop::on_head(ClientConnection& connection, bool body_has_begun) {
  using Step = RequestReader::Step;
  Head& head = connection.reader.head();
  head.request.peer = connection.peer;
  connection.form = {head.framing.head_only, head.framing.close};
  std::size_t max_body = 0;
  const std::optional<Response> refusal = guarded(head.request, [&]() -> std::optional<Response> {
    std::optional<Response> refused = application_.admit(head.request);
    if (!refused) max_body = application_.max_body(head.request);
    return refused;
  });
  if (refusal) {
    if (head.framing.has_body()) {
      turn_away(connection, *refusal); // its body is not read
    } else {
      connection.reader.reset();
      ++refused_;
      answer(connection, *refusal);
    }
    return Step::head;
  }
  const bool wants_continue = head.framing.expect_continue && !body_has_begun;
  const Step step = connection.reader.begin_body(max_body);
  if (step == Step::more && wants_continue) {
    connection.out += kContinue;
    if (connection.send() == ClientConnection::Moved::failed) connection.finished = true;
  }
  return step;
}

// Answering.

void Loop::on_request(ClientConnection& connection, bool is_last_here) {
  Head& head = connection.reader.head();
  if (stopping_ && is_last_here) connection.form.close = true;
  bool on_worker = false;
  std::optional<Response> failed = guarded(head.request, [&]() -> std::optional<Response> {
    on_worker = application_.may_block(head.request);
    return std::nullopt;
  });
  if (failed) {
    connection.reader.reset();
    answer(connection, *failed);
    return;
  }
  if (!on_worker) {
    Semantics::Outcome outcome = semantics_.run(head.request, connection.form);
    connection.reader.reset();
    on_outcome(connection, std::move(outcome));
    return;
  }
  const auto request = std::make_shared<Request>(std::move(head.request));
  connection.reader.reset();
  if (!await(connection, request->body.capacity())) return;
  workers_->submit([mailbox = mailbox_, id = connection.id, form = connection.form,
                    request](Semantics& semantics) {
    Semantics::Outcome outcome = semantics.run(*request, form);
    if (outcome.later) {
      start_later(mailbox, id, *outcome.later);
    } else {
      mailbox->post({id, std::move(outcome)});
    }
  });
}

// Whether there is room for one more that waits; else it is answered here.
bool Loop::await(ClientConnection& connection, std::size_t request_bytes) {
  const Room room = quota_.check(connection.tally, Resource::waiting, 1);
  if (room != Room::granted) {
    ++refused_;
    answer(connection, response_to(too_busy(room, "this user has too many requests waiting",
                                            "there are too many requests waiting")));
    return false;
  }
  quota_.take(connection.tally, Resource::waiting, 1);
  connection.state = State::waiting;
  connection.in_work_bytes = request_bytes;
  connection.deadline.clear();
  return true;
}

void Loop::on_outcome(ClientConnection& connection, Semantics::Outcome outcome) {
  if (outcome.later) {
    if (!await(connection, 0)) return;
    workers_->submit([mailbox = mailbox_, id = connection.id, later = std::move(*outcome.later)](
                         Semantics&) { start_later(mailbox, id, later); });
  } else if (outcome.stream) {
    begin_stream(connection, std::move(*outcome.stream));
  } else {
    begin_writing(connection, std::move(outcome.bytes));
  }
}

void Loop::answer(ClientConnection& connection, const Response& response) {
  begin_writing(connection, semantics_.write(response, connection.form));
}

void Loop::turn_away(ClientConnection& connection, const Response& response) {
  ++refused_;
  connection.reader.reset();
  connection.unread.clear();
  connection.form.close = true;
  connection.linger_after = true;
  answer(connection, response);
}

void Loop::refuse(ClientConnection& connection, const Refusal& refusal) {
  turn_away(connection, response_to(refusal));
}

void Loop::begin_writing(ClientConnection& connection, std::string bytes) {
  connection.in_work_bytes = 0;
  connection.state = State::writing;
  if (connection.out.empty()) {
    connection.out = std::move(bytes);
  } else {
    connection.out += bytes;
  }
  if (!write_more(connection) && !connection.finished) set_deadline(connection, write_deadlines_);
}

bool Loop::write_more(ClientConnection& connection) {
  switch (connection.send()) {
    case ClientConnection::Moved::failed: connection.finished = true; return false;
    case ClientConnection::Moved::some: wait_for_room(connection, true); return false;
    case ClientConnection::Moved::all: break;
  }
  wait_for_room(connection, false);
  ++requests_;
  if (connection.linger_after) {
    connection.state = State::lingering;
    connection.finish_sending();
    connection.readable = true;
    set_deadline(connection, linger_deadlines_);
  } else if (connection.form.close) {
    connection.finished = true;
  } else {
    connection.state = State::reading;
    set_deadline(connection, idle_deadlines_);
  }
  return true;
}

bool Loop::throw_away(ClientConnection& connection) {
  if (connection.readable && !connection.ended) {
    const std::size_t got = connection.receive(buffer_).size();
    connection.thrown_away += got;
    if (connection.thrown_away > kMostThrownAway) connection.finished = true;
    if (got > 0) return connection.readable;
  }
  if (connection.ended) connection.finished = true;
  return false;
}

void Loop::wait_for_room(ClientConnection& connection, bool wait) {
  if (connection.blocked == wait) return;
  connection.blocked = wait;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP | EPOLLET | (wait ? std::uint32_t{EPOLLOUT} : 0);
  event.data.u64 = connection.id;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection.fd.get(), &event) != 0) {
    connection.finished = true;
  }
}

// Streaming.

void Loop::begin_stream(ClientConnection& connection, EventStream stream) {
  if (connection.form.head_only) {
    begin_writing(connection, Semantics::stream_head());
    return;
  }
  const Room room = quota_.check(connection.tally, Resource::streams, 1);
  if (room != Room::granted) {
    ++refused_;
    answer(connection, response_to(too_busy(room, "this user follows too many event streams",
                                            "there are too many event streams")));
    return;
  }
  quota_.take(connection.tally, Resource::streams, 1);
  connection.state = State::streaming;
  connection.stream = std::make_unique<EventStream>(std::move(stream));
  connection.pull_due = true;
  connection.out += Semantics::stream_head();
  if (streams_.size() >= 2 * limits_.streams) forget_ended_streams();
  streams_.push_back(connection.id);
  set_deadline(connection, comment_deadlines_);
  if (stopping_) end_stream(connection);
}

// Fills the stream's buffer up to its bound. False when the stream has failed.
bool Loop::pull(ClientConnection& connection) {
  while (connection.pull_due && connection.unsent() < limits_.stream_buffer) {
    std::string events;
    try {
      EventStream& stream = *connection.stream;
      events = stream.pull(stream.after, limits_.stream_buffer - connection.unsent());
    } catch (const std::exception& error) {
      spdlog::error("an event stream ends: {}", error.what());
      return false;
    }
    if (events.empty()) {
      connection.pull_due = false;
    } else {
      append_chunk(connection.out, events);
    }
  }
  return true;
}

bool Loop::stream_more(ClientConnection& connection) {
  if (!pull(connection)) {
    connection.finished = true; // without the last chunk: the client sees that it was cut
    return false;
  }
  if (connection.unsent() == 0) return false;
  const std::size_t before = connection.unsent();
  switch (connection.send()) {
    case ClientConnection::Moved::failed: connection.finished = true; return false;
    case ClientConnection::Moved::some: {
      const bool was_blocked = connection.blocked;
      wait_for_room(connection, true);
      if (!was_blocked || connection.unsent() < before) set_deadline(connection, stall_deadlines_);
      return false;
    }
    case ClientConnection::Moved::all: break;
  }
  wait_for_room(connection, false);
  set_deadline(connection, comment_deadlines_);
  return connection.pull_due;
}

void Loop::comment(ClientConnection& connection) {
  append_chunk(connection.out, kComment);
  advance(connection);
}

void Loop::end_stream(ClientConnection& connection) {
  const bool whole = pull(connection);
  quota_.give_back(connection.tally, Resource::streams, 1);
  connection.stream.reset();
  connection.form.close = true;
  begin_writing(connection, std::string(whole ? kLastChunk : std::string_view()));
}

} // namespace trust
