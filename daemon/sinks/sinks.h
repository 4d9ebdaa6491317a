#pragma once
// The sinks of trustd.toml with their couriers; without any in it, the journal alone. Threads: any.

#include <memory>
#include <string>
#include <vector>

#include "daemon/config.h"
#include "daemon/named_commands.h"
#include "daemon/sinks/courier.h"
#include "libtrust/connection.h"

namespace trust {

class Sinks {
 public:
  // `commands`, `changes` and `readers` outlive it. `store` is the directory of what is published:
  // who webhooks speak to is judged by it. Error{invalid} for a desktop sink of the machine's
  // daemon, or a url that no webhook can have.
  Sinks(const Config& config, bool system, const std::string& store, const NamedCommands& commands,
        Changes& changes, Readers& readers, const CourierSettings& settings);
  ~Sinks();
  // Ends what is being delivered, and answers those who test; the rest is delivered after the next
  // start. Returns at once. Any thread.
  void hurry() noexcept;
  // The same, and waits for it.
  void stop() noexcept;

  void wake() noexcept; // there may be something new; waits for nothing
  std::vector<SinkState> states() const;
  // As Courier::test. Error{not_found}.
  void test(const std::string& name, Courier::TestDone done);

 private:
  class SharedConnector;

  std::shared_ptr<SharedConnector> connector_;
  std::vector<std::unique_ptr<Courier>> couriers_;
};

std::string_view name_of(SinkConfig::Type type) noexcept; // "webhook"

} // namespace trust
