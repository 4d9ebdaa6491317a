#include "libtrust/tcp.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <span>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace trust {
namespace {

using std::chrono::milliseconds;

// How long an address may be silent before the next is tried beside it (RFC 8305 section 5).
constexpr milliseconds kAttemptDelay{250};

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  Host host() const {
    if (storage.ss_family == AF_INET) {
      const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
      return Host::from_address({reinterpret_cast<const std::uint8_t*>(&v4.sin_addr), 4});
    }
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
    return Host::from_address({reinterpret_cast<const std::uint8_t*>(&v6.sin6_addr), 16});
  }
};

void set_port(Address& address, Port port) {
  if (address.storage.ss_family == AF_INET) {
    reinterpret_cast<sockaddr_in&>(address.storage).sin_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in6&>(address.storage).sin6_port = htons(port);
  }
}

Address literal(const Host& host, Port port) {
  Address out;
  const auto bytes = host.address();
  if (bytes.size() == 4) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(out.storage);
    v4.sin_family = AF_INET;
    std::memcpy(&v4.sin_addr, bytes.data(), 4);
    out.length = sizeof v4;
  } else {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(out.storage);
    v6.sin6_family = AF_INET6;
    std::memcpy(&v6.sin6_addr, bytes.data(), 16);
    out.length = sizeof v6;
  }
  set_port(out, port);
  return out;
}

// A question to the system's resolver, which cannot be told to stop: whoever asked may leave, and
// what is written to then lives on until the answer is there.
struct Lookup {
  std::string name;
  Fd answered{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)}; // readable when it is
  std::mutex mutex;
  int state = 0;
  int error_number = 0;
  AddressInfoPtr list;
};

void ask_resolver(Lookup& lookup) noexcept {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int state = ::getaddrinfo(lookup.name.c_str(), nullptr, &hints, &list);
  const int error_number = errno;
  const std::lock_guard lock(lookup.mutex);
  lookup.list.reset(list);
  lookup.state = state;
  lookup.error_number = error_number;
  ::eventfd_write(lookup.answered.get(), 1);
}

// In a thread of its own. getaddrinfo_a has threads too, but after fork() a child waits for its
// parent's for ever. Signals are for the program's threads.
void begin_to_ask(const std::shared_ptr<Lookup>& lookup) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread([lookup] { ask_resolver(*lookup); }).detach();
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

std::vector<Address> resolve(const Endpoint& endpoint, const Deadline& deadline) {
  if (endpoint.host.is_address()) return {literal(endpoint.host, endpoint.port)};

  const auto lookup = std::make_shared<Lookup>();
  lookup->name = endpoint.host.text();
  if (!lookup->answered) {
    throw Error(Code::resolve, "no address was looked up for " + endpoint.host.text() + ": " +
                                   std::generic_category().message(errno))
        .with_error_number(errno);
  }
  try {
    begin_to_ask(lookup);
  } catch (const std::system_error& error) {
    throw Error(Code::resolve, "no address was looked up for " + endpoint.host.text() +
                                   ": no thread could be started: " + error.code().message())
        .with_error_number(error.code().value());
  }
  if (!wait_for(lookup->answered.get(), POLLIN, deadline)) {
    throw deadline.error(endpoint, "while its address was looked up", {});
  }
  const std::lock_guard lock(lookup->mutex);
  if (lookup->state == EAI_MEMORY) throw std::bad_alloc();
  if (lookup->state != 0) {
    const int error_number = lookup->state == EAI_SYSTEM ? lookup->error_number : 0;
    const std::string why = error_number != 0 ? std::generic_category().message(error_number)
                                              : std::string(gai_strerror(lookup->state));
    throw Error(
        Code::resolve, "no address was found for " + endpoint.host.text() + ": " + why,
        "is the name spelled right? getent ahosts " + endpoint.host.text() + " asks the same")
        .with_error_number(error_number);
  }
  std::vector<Address> out;
  for (const addrinfo* item = lookup->list.get(); item != nullptr; item = item->ai_next) {
    if (item->ai_family != AF_INET && item->ai_family != AF_INET6) continue;
    Address address;
    std::memcpy(&address.storage, item->ai_addr, item->ai_addrlen);
    address.length = item->ai_addrlen;
    set_port(address, endpoint.port);
    out.push_back(address);
  }
  if (out.empty()) {
    throw Error(Code::resolve, "no address was found for " + endpoint.host.text());
  }
  return out;
}

struct Attempt {
  Fd fd;
  std::size_t address; // its place among all
};

// Begins to connect: 0, or the errno of why not.
int begin(const Address& address, Fd& out) {
  out = Fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!out) return errno;
  const int on = 1;
  ::setsockopt(out.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); // a delay is no fault
  if (::connect(out.get(), address.get(), address.length) == 0 || errno == EINPROGRESS) return 0;
  return errno;
}

int outcome_of(int fd) {
  int fault = 0;
  socklen_t length = sizeof fault;
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &fault, &length) == 0 ? fault : errno;
}

using AddressBytes = std::span<const std::uint8_t>;

std::optional<std::string_view> kind_of_v4(AddressBytes bytes) noexcept {
  if (bytes[0] == 0) return "unspecified";
  if (bytes[0] == 169 && bytes[1] == 254) return "link-local";
  if (bytes[0] >= 224 && bytes[0] < 240) return "a multicast address";
  if (bytes[0] == 255 && bytes[1] == 255 && bytes[2] == 255 && bytes[3] == 255) {
    return "the broadcast address";
  }
  return std::nullopt;
}

bool begins_with(AddressBytes bytes, const std::array<std::uint8_t, 12>& prefix,
                 std::size_t length) noexcept {
  for (std::size_t i = 0; i < length; ++i) {
    if (bytes[i] != (i < prefix.size() ? prefix[i] : 0)) return false;
  }
  return true;
}

// Those of the addresses that may be dialled.
std::vector<Address> admitted(const Endpoint& endpoint, std::vector<Address> addresses,
                              AddressFilter refused) {
  if (refused == nullptr) return addresses;
  std::string why;
  std::erase_if(addresses, [&](const Address& address) {
    const Host host = address.host();
    const auto kind = refused(host);
    if (kind) why = host.text() + " is not dialled: it is " + std::string(*kind);
    return kind.has_value();
  });
  if (addresses.empty()) {
    throw Error(Code::forbidden,
                endpoint.host.is_address()
                    ? why
                    : endpoint.host.text() + " is not dialled: its address " + why);
  }
  return addresses;
}

Error told_to_stop() { return {Code::cancelled, "it was told to stop"}; }

int poll_ms(milliseconds wait) {
  return static_cast<int>(std::min<milliseconds::rep>(wait.count(), INT_MAX));
}

} // namespace

milliseconds Deadline::remaining() const noexcept {
  const auto left = std::chrono::ceil<milliseconds>(at_ - Clock::now());
  return std::max(left, milliseconds{0});
}

Error Deadline::error(const Endpoint& endpoint, std::string_view while_doing,
                      std::string hint) const {
  const auto ms = given_.count();
  const std::string span =
      ms % 1000 == 0 ? std::to_string(ms / 1000) + " s" : std::to_string(ms) + " ms";
  return {
      Code::timeout,
      endpoint.text() + " did not answer within " + span + " (" + std::string(while_doing) + ")",
      std::move(hint)};
}

bool wait_for(int fd, short events, const Deadline& deadline, int wake) {
  for (;;) {
    std::array<pollfd, 3> items{pollfd{fd, events, 0}, pollfd{wake, POLLIN, 0},
                                pollfd{deadline.stop_fd(), POLLIN, 0}};
    const int count = ::poll(items.data(), items.size(), poll_ms(deadline.remaining()));
    if (count > 0 && items[2].revents != 0) throw told_to_stop();
    if (count > 0) return true;
    if (count < 0 && errno != EINTR) throw system_error("poll failed", errno);
    if (deadline.passed()) return false;
  }
}

std::optional<std::string_view> local_or_many(const Host& address) noexcept {
  const auto bytes = address.address();
  if (bytes.size() == 4) return kind_of_v4(bytes);
  if (bytes.size() != 16) return std::nullopt;
  if (begins_with(bytes, {}, 15) && bytes[15] <= 1) {
    return bytes[15] == 0 ? std::optional<std::string_view>("unspecified") : std::nullopt;
  }
  if (bytes[0] == 0xff) return "a multicast address";
  if (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80) return "link-local";
  constexpr std::array<std::uint8_t, 12> kTranslated{0x00, 0x64, 0xff, 0x9b};
  const bool compatible = begins_with(bytes, {}, 12);           // ::a.b.c.d
  const bool translated = begins_with(bytes, kTranslated, 12);  // 64:ff9b::a.b.c.d
  if (compatible || translated) return kind_of_v4(bytes.subspan(12));
  if (bytes[0] == 0x20 && bytes[1] == 0x02) return kind_of_v4(bytes.subspan(2, 4)); // 6to4
  return std::nullopt;
}

struct TcpAttempt::Impl {
  Endpoint endpoint;
  Deadline deadline;
  std::vector<Address> addresses;
  std::size_t next = 0;
  std::vector<Attempt> running;
  Deadline::Clock::time_point next_at; // when the next is tried beside those that run
  int last_fault = 0;
  std::size_t last_address = 0;

  void begin_next() {
    while (next < addresses.size() && (running.empty() || Deadline::Clock::now() >= next_at)) {
      const std::size_t address = next++;
      Fd fd;
      if (const int fault = begin(addresses[address], fd); fault != 0) {
        last_fault = fault;
        last_address = address;
        continue;
      }
      running.push_back({std::move(fd), address});
      next_at = Deadline::Clock::now() + kAttemptDelay;
    }
  }

  std::vector<pollfd> items() const {
    std::vector<pollfd> out;
    for (const Attempt& attempt : running) out.push_back({attempt.fd.get(), POLLOUT, 0});
    return out;
  }

  // The first that is there; those that failed are dropped.
  std::optional<TcpConnection> collect() {
    std::vector<pollfd> polled = items();
    const int count = ::poll(polled.data(), polled.size(), 0);
    if (count < 0 && errno != EINTR) throw system_error("poll failed", errno);
    for (std::size_t i = polled.size(); i-- > 0;) {
      if (count <= 0 || polled[i].revents == 0) continue;
      const int fault = outcome_of(polled[i].fd);
      const std::size_t address = running[i].address;
      if (fault == 0) return TcpConnection{std::move(running[i].fd), addresses[address].host()};
      last_fault = fault;
      last_address = address;
      running.erase(running.begin() + static_cast<std::ptrdiff_t>(i));
    }
    return std::nullopt;
  }

  Error refused() const {
    std::string where = endpoint.text();
    if (!endpoint.host.is_address()) where += " (" + addresses[last_address].host().text() + ")";
    return Error(Code::connect,
                 "cannot connect to " + where + ": " + std::generic_category().message(last_fault),
                 last_fault == ECONNREFUSED ? "is the server running, and on this port?" : "")
        .with_error_number(last_fault);
  }
};

TcpAttempt::TcpAttempt(const Endpoint& endpoint, const Deadline& deadline, AddressFilter refused)
    : impl_(new Impl{endpoint, deadline, {}, 0, {}, {}, 0, 0}) {
  impl_->addresses = admitted(endpoint, resolve(endpoint, deadline), refused);
  impl_->begin_next();
}

TcpAttempt::TcpAttempt(TcpAttempt&&) noexcept = default;
TcpAttempt& TcpAttempt::operator=(TcpAttempt&&) noexcept = default;
TcpAttempt::~TcpAttempt() = default;

std::optional<TcpConnection> TcpAttempt::step() {
  for (;;) {
    if (auto connection = impl_->collect()) return connection;
    const std::size_t before = impl_->next;
    impl_->begin_next();
    if (impl_->running.empty()) throw impl_->refused();
    if (impl_->next == before) break;
  }
  if (impl_->deadline.passed()) {
    throw impl_->deadline.error(impl_->endpoint, "while connecting",
                                "is the server up, and does no firewall stand between?");
  }
  return std::nullopt;
}

int TcpAttempt::fd() const noexcept {
  return impl_->running.empty() ? -1 : impl_->running.back().fd.get();
}

void TcpAttempt::wait(int wake) const {
  std::vector<pollfd> items = impl_->items();
  items.push_back({wake, POLLIN, 0});
  items.push_back({impl_->deadline.stop_fd(), POLLIN, 0});
  auto wait = impl_->deadline.remaining();
  if (impl_->next < impl_->addresses.size()) {
    const auto left = std::chrono::ceil<milliseconds>(impl_->next_at - Deadline::Clock::now());
    wait = std::min(wait, std::max(left, milliseconds{0}));
  }
  if (::poll(items.data(), items.size(), poll_ms(wait)) < 0 && errno != EINTR) {
    throw system_error("poll failed", errno);
  }
  if (items.back().revents != 0) throw told_to_stop();
}

TcpConnection connect_tcp(const Endpoint& endpoint, const Deadline& deadline,
                          AddressFilter refused) {
  TcpAttempt attempt(endpoint, deadline, refused);
  for (;;) {
    if (auto connection = attempt.step()) return std::move(*connection);
    attempt.wait();
  }
}

} // namespace trust
