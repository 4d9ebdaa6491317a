#include "daemon/loop.h"

#include <sched.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace trust {
namespace {

constexpr std::size_t kReceiveBuffer = 64 * 1024;
constexpr int kEventsPerTurn = 256;

// While several clients ask at once, the next request is mostly there before a sleeping thread
// could have been woken for it; so look some times more before sleeping, letting others run.
constexpr int kMostLooks = 32;
constexpr int kAcceptsPerTurn = 256;
constexpr std::chrono::milliseconds kAcceptPause{100};

// Tags of epoll below are ids of connections, whose upper half is never 0.
constexpr std::uint64_t kMailboxTag = 0xffffffff;

// Kept back from the descriptors: what the rest of the daemon opens, and connections that are
// only told that they are one too many.
constexpr std::size_t kDescriptorsForOthers = 256;
constexpr std::size_t kDescriptorsForRefusals = 256;
constexpr std::size_t kMostConnections = 65'536;

std::size_t raised_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  if (limit.rlim_cur != limit.rlim_max) {
    const rlimit raised{limit.rlim_max, limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  return limit.rlim_cur == RLIM_INFINITY ? kMostConnections * 2
                                         : static_cast<std::size_t>(limit.rlim_cur);
}

FrontLimits settled(FrontLimits limits) {
  const std::size_t descriptors = raised_descriptor_limit();
  const std::size_t reserved = kDescriptorsForOthers + kDescriptorsForRefusals;
  const std::size_t possible =
      descriptors > 2 * reserved ? descriptors - reserved : descriptors / 2;
  if (limits.connections == 0) limits.connections = kMostConnections;
  limits.connections = std::min(limits.connections, possible);
  if (limits.connections_per_uid == 0) limits.connections_per_uid = limits.connections / 4 * 3;
  limits.workers = std::max<std::size_t>(limits.workers, 1);
  return limits;
}

std::array<Quota::Limit, kResources> quota_limits(const FrontLimits& limits) {
  return {{{limits.connections_per_uid, limits.connections},
           {limits.waiting_per_uid, limits.waiting},
           {limits.streams_per_uid, limits.streams},
           {limits.buffered_per_uid, limits.buffered}}};
}

std::uint32_t place_of(std::uint64_t id) { return static_cast<std::uint32_t>(id & 0xffffffff); }

void watch(const Fd& epoll, int operation, int fd, std::uint32_t events, std::uint64_t tag) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = tag;
  if (epoll_ctl(epoll.get(), operation, fd, &event) != 0) {
    throw system_error("cannot watch a socket", errno);
  }
}

} // namespace

Loop::Loop(Application& application, std::vector<Listener> listeners, const FrontLimits& limits)
    : application_(application),
      limits_(settled(limits)),
      head_limits_{limits.head_bytes, limits.fields},
      listeners_(std::move(listeners)),
      mailbox_(std::make_shared<Mailbox>()),
      semantics_(application),
      quota_(quota_limits(limits_)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      buffer_(kReceiveBuffer),
      now_(std::chrono::steady_clock::now()),
      request_deadlines_(limits.request),
      idle_deadlines_(limits.idle),
      write_deadlines_(limits.write),
      linger_deadlines_(limits.linger),
      stall_deadlines_(limits.stream_stall),
      comment_deadlines_(limits.stream_comment) {
  if (!epoll_) throw system_error("cannot make an epoll instance", errno);
  watch(epoll_, EPOLL_CTL_ADD, mailbox_->fd(), EPOLLIN, kMailboxTag);
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    watch(epoll_, EPOLL_CTL_ADD, listeners_[i].fd(), EPOLLIN, i);
  }
  workers_.emplace(application, limits_.workers);
}

Loop::~Loop() = default;

void Loop::run() {
  while (!stopping_ || open_ > 0) {
    if (stop_until_ && now_ >= *stop_until_) {
      spdlog::warn("{} connections are closed with their requests unanswered", open_);
      break;
    }
    turn();
  }
  for (const auto& connection : connections_) {
    if (connection) drop(*connection);
  }
  publish_counts();
}

void Loop::turn() {
  std::array<epoll_event, kEventsPerTurn> events;
  int count = 0;
  for (int look = 0; look < looks_before_sleep_ && count == 0; ++look) {
    count = epoll_wait(epoll_.get(), events.data(), kEventsPerTurn, 0);
    if (count == 0) sched_yield();
  }
  if (count == 0) {
    count = epoll_wait(epoll_.get(), events.data(), kEventsPerTurn, patience_ms(now_));
  }
  looks_before_sleep_ = count > 1 ? kMostLooks : looks_before_sleep_ / 2;
  if (count < 0 && errno != EINTR) throw system_error("cannot wait for sockets", errno);
  now_ = std::chrono::steady_clock::now();

  // Taken before the events, so that what an event puts there waits for its turn.
  const std::vector<std::uint64_t> again = std::exchange(again_, {});
  for (int i = 0; i < count; ++i) {
    on_event(events[static_cast<std::size_t>(i)].data.u64,
             events[static_cast<std::size_t>(i)].events);
  }
  for (const std::uint64_t id : again) {
    ClientConnection* connection = find(id);
    if (connection == nullptr) continue;
    connection->queued = false;
    advance(*connection);
  }
  if (std::exchange(pull_all_, false)) {
    forget_ended_streams();
    for (const std::uint64_t id : std::vector(streams_)) {
      ClientConnection* connection = find(id);
      if (connection == nullptr) continue;
      connection->pull_due = true;
      advance(*connection);
    }
  }
  expire();
  publish_counts();
}

int Loop::patience_ms(LoopTime now) const {
  if (!again_.empty()) return 0;
  std::optional<LoopTime> first = stop_until_;
  const auto sooner = [&first](const std::optional<LoopTime>& other) {
    if (other && (!first || *other < *first)) first = other;
  };
  sooner(accept_again_at_);
  for (const Deadlines* list : {&request_deadlines_, &idle_deadlines_, &write_deadlines_,
                                &linger_deadlines_, &stall_deadlines_, &comment_deadlines_}) {
    sooner(list->next());
  }
  if (!first) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*first - now).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
}

void Loop::on_event(std::uint64_t tag, std::uint32_t events) {
  if (tag == kMailboxTag) {
    collect_mail();
    return;
  }
  if (tag < kMailboxTag) {
    if (tag < listeners_.size()) accept_from(listeners_[tag]);
    return;
  }
  ClientConnection* connection = find(tag);
  if (connection == nullptr) return; // closed earlier in this turn
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) connection->readable = true;
  if ((events & (EPOLLRDHUP | EPOLLHUP)) != 0) connection->near_end = true;
  if ((events & EPOLLERR) != 0) connection->finished = true;
  // The peer has gone altogether: there is nobody to send events to.
  if ((events & EPOLLHUP) != 0 && connection->state == State::streaming)
    connection->finished = true;
  advance(*connection);
}

void Loop::accept_from(const Listener& listener) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    Fd socket(accept4(listener.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket) {
      admit_connection(std::move(socket));
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    if (errno == EINTR || errno == ECONNABORTED || errno == EPERM || errno == EPROTO) continue;
    // Out of descriptors or memory: what waits makes the socket readable all the time, so look
    // away for a while.
    spdlog::warn("cannot accept a connection: {}", std::generic_category().message(errno));
    watch_listeners(false);
    accept_again_at_ = now_ + kAcceptPause;
    return;
  }
}

void Loop::watch_listeners(bool watched) {
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    const std::uint32_t events = watched ? std::uint32_t{EPOLLIN} : 0;
    watch(epoll_, EPOLL_CTL_MOD, listeners_[i].fd(), events, i);
  }
}

void Loop::admit_connection(Fd socket) {
  std::shared_ptr<const Caller> peer;
  try {
    peer = std::make_shared<const Caller>(peer_of(socket.get()));
  } catch (const Error&) {
    return; // it has gone again
  }
  Quota::Tally& tally = quota_.tally(peer->uid);
  const Room room = quota_.check(tally, Resource::connections, 1);
  if (room != Room::granted && refused_at_door_ >= kDescriptorsForRefusals) {
    quota_.forget_if_unused(peer->uid);
    return;
  }

  std::uint32_t place = 0;
  if (free_places_.empty()) {
    place = static_cast<std::uint32_t>(connections_.size());
    connections_.emplace_back();
  } else {
    place = free_places_.back();
    free_places_.pop_back();
  }
  const std::uint64_t id = (std::uint64_t{next_number_} << 32) | place;
  if (++next_number_ == 0) next_number_ = 1;
  connections_[place] =
      std::make_unique<ClientConnection>(id, std::move(socket), std::move(peer), tally);
  ClientConnection& connection = *connections_[place];
  ++open_;
  if (room == Room::granted) {
    quota_.take(tally, Resource::connections, 1);
  } else {
    connection.refused_at_door = true;
    ++refused_at_door_;
  }
  try {
    watch(epoll_, EPOLL_CTL_ADD, connection.fd.get(), EPOLLIN | EPOLLRDHUP | EPOLLET, id);
  } catch (const Error& error) {
    spdlog::warn("{}", error.message());
    drop(connection);
    return;
  }
  set_deadline(connection, idle_deadlines_);
  if (room == Room::too_many_of_uid) {
    refuse(connection, {429, "busy", "this user has too many connections open"});
    come_back_to(connection);
  } else if (room == Room::too_many) {
    refuse(connection, {503, "busy", "there are too many connections"});
    come_back_to(connection);
  }
}

ClientConnection* Loop::find(std::uint64_t id) noexcept {
  const std::uint32_t place = place_of(id);
  if (place >= connections_.size()) return nullptr;
  ClientConnection* connection = connections_[place].get();
  return connection != nullptr && connection->id == id ? connection : nullptr;
}

void Loop::drop(ClientConnection& connection) {
  const std::uint64_t id = connection.id;
  const uid_t uid = connection.peer->uid;
  Quota::Tally& tally = connection.tally;
  if (connection.refused_at_door) {
    --refused_at_door_;
  } else {
    quota_.give_back(tally, Resource::connections, 1);
  }
  if (connection.state == State::waiting) quota_.give_back(tally, Resource::waiting, 1);
  if (connection.state == State::streaming) quota_.give_back(tally, Resource::streams, 1);
  quota_.give_back(tally, Resource::buffered_bytes, connection.counted_bytes);
  connections_[place_of(id)].reset();
  free_places_.push_back(place_of(id));
  --open_;
  quota_.forget_if_unused(uid);
}

void Loop::collect_mail() {
  for (Mailbox::Delivery& delivery : mailbox_->collect()) {
    ClientConnection* connection = find(delivery.connection);
    if (connection == nullptr || connection->state != State::waiting) continue;
    quota_.give_back(connection->tally, Resource::waiting, 1);
    connection->state = State::reading;
    if (auto* response = std::get_if<Response>(&delivery.answer)) {
      answer(*connection, *response);
    } else {
      on_outcome(*connection, std::move(std::get<Semantics::Outcome>(delivery.answer)));
    }
    advance(*connection);
  }
  if (mailbox_->take_pull()) pull_all_ = true;
  if (mailbox_->stop_asked() && !stopping_) begin_stop();
}

void Loop::forget_ended_streams() {
  std::erase_if(streams_, [this](std::uint64_t id) {
    const ClientConnection* connection = find(id);
    return connection == nullptr || connection->state != State::streaming;
  });
}

void Loop::expire() {
  const auto each_due = [this](Deadlines& list, auto&& use) {
    while (LoopDeadline* deadline = list.take_due(now_)) {
      use(*static_cast<ClientConnection*>(deadline->owner));
    }
  };
  each_due(idle_deadlines_, [this](ClientConnection& connection) { drop(connection); });
  each_due(linger_deadlines_, [this](ClientConnection& connection) { drop(connection); });
  each_due(write_deadlines_, [this](ClientConnection& connection) { drop(connection); });
  each_due(stall_deadlines_, [this](ClientConnection& connection) { drop(connection); });
  each_due(request_deadlines_, [this](ClientConnection& connection) {
    refuse(connection, {408, "timeout", "the request did not arrive in time"});
    advance(connection);
  });
  each_due(comment_deadlines_, [this](ClientConnection& connection) { comment(connection); });
  if (accept_again_at_ && now_ >= *accept_again_at_) {
    accept_again_at_.reset();
    if (!stopping_) watch_listeners(true);
  }
}

void Loop::begin_stop() {
  stopping_ = true;
  stop_until_ = now_ + limits_.stop;
  // Whoever connected before now is still served.
  for (const Listener& listener : listeners_) {
    for (std::size_t before = open_ + 1; before != open_;) {
      before = open_;
      accept_from(listener);
    }
  }
  accept_again_at_.reset();
  listeners_.clear();
  for (const auto& held : connections_) {
    if (!held) continue;
    if (held->state == State::streaming) {
      end_stream(*held);
    } else if (held->state == State::reading) {
      held->readable = true; // a request that has begun may lie in the socket
    }
    come_back_to(*held);
  }
}

void Loop::publish_counts() noexcept {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  published_.connections.store(open_, kRelaxed);
  published_.streams.store(quota_.used(Resource::streams), kRelaxed);
  published_.waiting.store(quota_.used(Resource::waiting), kRelaxed);
  published_.buffered.store(quota_.used(Resource::buffered_bytes), kRelaxed);
  published_.requests.store(requests_, kRelaxed);
  published_.refused.store(refused_, kRelaxed);
}

FrontCounts Loop::counts() const noexcept {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  return {published_.connections.load(kRelaxed), published_.streams.load(kRelaxed),
          published_.waiting.load(kRelaxed),     published_.buffered.load(kRelaxed),
          published_.requests.load(kRelaxed),    published_.refused.load(kRelaxed)};
}

} // namespace trust
