#pragma once
// From a checked request to the bytes of its answer. Runs cpp-httplib from memory to memory; its
// .cc is the only file of the daemon that includes it. cpp-httplib never sees what a client sent:
// it is given a request line written anew of what was checked, and nothing of the rest.
//
// One object belongs to one thread at a time; each thread that answers has its own.

#include <memory>
#include <optional>
#include <string>

#include "daemon/message.h"

namespace trust {

class Semantics {
 public:
  explicit Semantics(Application& application);
  ~Semantics();
  Semantics(const Semantics&) = delete;
  Semantics& operator=(const Semantics&) = delete;

  // How the answer is to be written.
  struct Form {
    bool head_only = false; // without the body that its head announces
    bool close = false;     // the last one on its connection
  };

  // What came of a request: the bytes to send, or an answer that is still to come.
  struct Outcome {
    std::string bytes;
    std::optional<Later> later;
    std::optional<EventStream> stream;
  };

  // Asks the application. Does not throw: what the application throws becomes an answer.
  Outcome run(const Request& request, Form form);

  // The bytes of an answer that is there already.
  std::string write(const Response& response, Form form);

  // What goes before the chunks of an event stream.
  static std::string stream_head();

 private:
  class Server;
  std::unique_ptr<Server> server_;
};

} // namespace trust
