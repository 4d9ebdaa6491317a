#pragma once
// What the front and the routes say to each other: requests as values that have been checked,
// and the three kinds of answer. Nothing here knows of sockets or of the HTTP library.

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "daemon/peer.h"
#include "libtrust/error.h"

namespace trust {

// One request whose form is right. HEAD arrives as GET: the front leaves the body of the answer
// out. Texts are printable ASCII, but for `segments` and `query`, which are percent-decoded and
// then valid UTF-8 without control characters, and `body`, which is anything.
struct Request {
  std::string method;  // one of GET POST PUT PATCH DELETE OPTIONS
  std::string path;    // as sent, without the query: "/v1/pins"
  std::vector<std::string> segments;  // {"v1", "pins"}; none is empty, "." or ".."
  std::vector<std::pair<std::string, std::string>> query;  // in the order sent

  std::string host;  // never missing, may be empty
  std::optional<std::string> content_type;
  std::optional<std::string> accept;
  std::optional<std::string> authorization;
  std::optional<std::string> if_match;
  std::optional<std::string> if_none_match;
  std::optional<std::string> last_event_id;
  std::optional<std::string> origin;
  std::optional<std::string> sec_fetch_site;

  bool has_body = false;  // announced by the head, be it of length 0
  std::string body;       // empty until the whole body is there
  std::shared_ptr<const Caller> peer;

  // The first value of that name, if any.
  std::optional<std::string_view> query_value(std::string_view name) const noexcept;
};

struct Response {
  int status = 200;
  std::string content_type;  // none when empty
  std::string body;
  // More fields. Names and values that could not stand in a head are left out. Content-Length,
  // Transfer-Encoding, Connection and Date are the front's.
  std::vector<std::pair<std::string, std::string>> headers;
};

// application/problem+json (RFC 9457) of an error, with the status that `facts` gives.
Response problem(const Error& error);

// The same for what has a status but no code of the core. `code` is lower case with underscores.
Response problem(int status, std::string_view code, std::string_view detail,
                 std::string_view hint = {});

// The phrase of a status: "Not Found". Empty for one that is not in use here.
std::string_view reason_phrase(int status) noexcept;

// An answer that is not there yet. `start` is called once, on a worker; it must not wait.
// `complete` may be called once, from any thread, at any time, also within `start` and also after
// the client or the front has gone; later calls do nothing. When every copy of it is destroyed
// without a call, the client is answered 500.
struct Later {
  std::function<void(std::function<void(Response)> complete)> start;
};

// An answer that does not end by itself (text/event-stream). The front calls `pull` on its loop,
// at the start and after Front::wake_streams(), while less than a bound is waiting to be sent:
// it returns what is ready after event `after`, whole events only, about `max_bytes` at most (one
// event may be longer), and moves `after` on; empty when there is nothing. It must not block.
// Nothing is lost: a reader who is slow lags, and one who takes nothing for
// FrontLimits::stream_stall_ms is cut off and resumes with Last-Event-ID.
struct EventStream {
  std::uint64_t after = 0;
  std::function<std::string(std::uint64_t& after, std::size_t max_bytes)> pull;
};

using Answer = std::variant<Response, Later, EventStream>;

// What the front serves. All of it is called from several threads at once; none of it may keep
// references to what it is given. What it throws is answered with `problem` (Error) or with a
// bare 500 (anything else, whose text stays here).
class Application {
 public:
  virtual ~Application() = default;

  // Before the body is read, on the loop, so none of these may block. `head` has no body yet.

  // The most bytes of body that this request may have.
  virtual std::size_t max_body(const Request& head) const = 0;
  // Whether `answer` may wait for anything: then it is called on a worker.
  virtual bool may_block(const Request& head) const = 0;
  // A refusal (401, 403, 415, 421 …), or nothing.
  virtual std::optional<Response> admit(const Request& head) = 0;

  // With the body.
  virtual Answer answer(const Request& request) = 0;
};

} // namespace trust
