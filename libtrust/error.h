#pragma once
// The one exception type of the project: what went wrong, in words for a person,
// with a code for a program. Thrown where the fault is found, caught at the edges
// only. Immutable once thrown; copied freely between threads.

#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

namespace trust {

// Why an operation failed. `facts` maps each to its HTTP, C and exit status.
enum class Code {
  usage,              // the command line or a request's form is wrong
  invalid,            // a value is malformed: host, pattern, pin, date, certificate
  private_key,        // a private key stood where only certificates may
  too_large,          // over a named limit
  not_found,          //
  conflict,           // what is there contradicts what is asked
  precondition,       // If-Match: something changed since
  not_confirmed,      // a yes is wanted and there is none
  forbidden,          // this caller may not
  unauthorized,       // no valid token
  bad_origin,         // asked by a web page of another origin
  media_type,         // not one of our content types
  misdirected,        // for another host
  busy,               // too many at once; try again
  not_published,      // stored, but not yet published
  storage_full,       // nothing was changed
  read_only,          // nothing was changed
  io,                 // the system refused a file operation
  no_daemon,          // nobody answers at the socket
  store_missing,      // nothing is published at that directory
  store_invalid,      // damaged, or of a newer version
  store_access,       // permissions, or an owner who is not trusted
  resolve,            //
  connect,            //
  timeout,            //
  tls,                // handshake failed before there was anything to judge
  truncated,          // the peer went away without closing TLS
  cancelled,          // by another thread of the program
  state,              // cannot be done now, for example after close
  not_trusted,        //
  fingerprint,        // what was presented is not what was expected
  internal,           // a bug
};

struct CodeFacts {
  std::string_view name;  // as in JSON, "not_found"
  std::string_view title; // as in problem details
  int http_status;
  int exit_status;
  std::int32_t c_status;  // of trust.h
};

// The table of all codes; total.
const CodeFacts& facts(Code code) noexcept;

// The code with that JSON name, if any.
std::optional<Code> code_named(std::string_view name) noexcept;

class Error : public std::exception {
 public:
  // `message`: one sentence without a final full stop being required, naming the host,
  // certificate or file. `hint`: a command to paste or an instruction; may be empty.
  Error(Code code, std::string message, std::string hint = {});

  Code code() const noexcept { return code_; }
  const std::string& message() const noexcept { return message_; }
  const std::string& hint() const noexcept { return hint_; }
  const char* what() const noexcept override { return message_.c_str(); }

  // The system's errno and the TLS alert that was sent or came, where they are known; 0 otherwise.
  int error_number() const noexcept { return error_number_; }
  int tls_alert() const noexcept { return tls_alert_; }
  Error&& with_error_number(int number) && noexcept;
  Error&& with_tls_alert(int alert) && noexcept;

 private:
  Code code_;
  std::string message_;
  std::string hint_;
  int error_number_ = 0;
  int tls_alert_ = 0;
};

// An Error for a failed system call: "MESSAGE: strerror(error_number)". ENOSPC, EDQUOT and
// EFBIG become storage_full, EROFS read_only, everything else io.
Error system_error(std::string_view message, int error_number, std::string hint = {});

// What an exception says; to be called in a handler.
std::string what_was_thrown();

// Text from outside (certificates, labels, peers) made fit to be shown: control, format and
// bidirectional characters and invalid UTF-8 as \xNN or \u{NNNN}, cut at 200 characters.
std::string shown(std::string_view text);

} // namespace trust
