#include "libtrust/tcp.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <ctime>
#include <memory>
#include <new>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "libtrust/guarded.h"

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

// A question to the system's resolver, which works on it in a thread of its own.
struct Lookup {
  explicit Lookup(const std::string& host_name) : name(host_name) {
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    request.ar_name = name.c_str();
    request.ar_request = &hints;
  }
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;
  ~Lookup() { const AddressInfoPtr owned(request.ar_result); }

  std::string name;
  addrinfo hints{};
  gaicb request{};
};

// The resolver cannot always be stopped; what it still writes to lives on until it is done.
void abandon(std::unique_ptr<Lookup> lookup) {
  using Abandoned = Guarded<std::vector<std::unique_ptr<Lookup>>>;
  static Abandoned& abandoned = *new Abandoned; // outlives the process's last thread
  abandoned.with([&](auto& lookups) {
    std::erase_if(lookups,
                  [](const auto& one) { return gai_error(&one->request) != EAI_INPROGRESS; });
    lookups.push_back(std::move(lookup));
  });
}

std::vector<Address> resolve(const Endpoint& endpoint, const Deadline& deadline) {
  if (endpoint.host.is_address()) return {literal(endpoint.host, endpoint.port)};

  auto lookup = std::make_unique<Lookup>(endpoint.host.text());
  gaicb* list[] = {&lookup->request};
  int state = getaddrinfo_a(GAI_NOWAIT, list, 1, nullptr);
  if (state == 0) {
    while ((state = gai_error(&lookup->request)) == EAI_INPROGRESS) {
      const auto left = deadline.remaining();
      if (left.count() == 0) {
        if (gai_cancel(&lookup->request) == EAI_NOTCANCELED) abandon(std::move(lookup));
        throw deadline.error(endpoint, "while its address was looked up", {});
      }
      const std::timespec wait{left.count() / 1000,
                               static_cast<long>(left.count() % 1000) * 1'000'000};
      gai_suspend(list, 1, &wait);
    }
  }
  if (state == EAI_MEMORY) throw std::bad_alloc();
  if (state != 0) {
    const std::string why = state == EAI_SYSTEM ? std::generic_category().message(errno)
                                                : std::string(gai_strerror(state));
    throw Error(
        Code::resolve, "no address was found for " + endpoint.host.text() + ": " + why,
        "is the name spelled right? getent ahosts " + endpoint.host.text() + " asks the same");
  }
  std::vector<Address> out;
  for (const addrinfo* item = lookup->request.ar_result; item != nullptr; item = item->ai_next) {
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
  const Address* address;
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

bool wait_for(int fd, short events, const Deadline& deadline) {
  for (;;) {
    pollfd item{fd, events, 0};
    const int count = ::poll(&item, 1, poll_ms(deadline.remaining()));
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

TcpConnection connect_tcp(const Endpoint& endpoint, const Deadline& deadline,
                          AddressFilter refused) {
  const std::vector<Address> addresses = admitted(endpoint, resolve(endpoint, deadline), refused);
  std::vector<Attempt> attempts;
  std::size_t next = 0;
  int last_fault = 0;
  const Address* last_address = &addresses.front();
  for (;;) {
    if (next < addresses.size()) {
      const Address& address = addresses[next++];
      Fd fd;
      if (const int fault = begin(address, fd); fault != 0) {
        last_fault = fault;
        last_address = &address;
        continue;
      }
      attempts.push_back({std::move(fd), &address});
    }
    if (attempts.empty()) break;

    std::vector<pollfd> items;
    for (const Attempt& attempt : attempts) items.push_back({attempt.fd.get(), POLLOUT, 0});
    const bool more = next < addresses.size();
    const auto wait = more ? std::min(kAttemptDelay, deadline.remaining()) : deadline.remaining();
    const int count = ::poll(items.data(), items.size(), poll_ms(wait));
    if (count < 0 && errno != EINTR) throw system_error("poll failed", errno);
    for (std::size_t i = items.size(); i-- > 0;) {
      if (count <= 0 || items[i].revents == 0) continue;
      const int fault = outcome_of(items[i].fd);
      if (fault == 0) return {std::move(attempts[i].fd), attempts[i].address->host()};
      last_fault = fault;
      last_address = attempts[i].address;
      attempts.erase(attempts.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (deadline.passed()) {
      throw deadline.error(endpoint, "while connecting",
                           "is the server up, and does no firewall stand between?");
    }
  }
  std::string where = endpoint.text();
  if (!endpoint.host.is_address()) where += " (" + last_address->host().text() + ")";
  throw Error(Code::connect,
              "cannot connect to " + where + ": " + std::generic_category().message(last_fault),
              last_fault == ECONNREFUSED ? "is the server running, and on this port?" : "");
}

} // namespace trust
