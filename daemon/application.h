#pragma once
// The daemon's routes as the front serves them: who may, which route, and what is answered when
// something is thrown. Any thread.

#include <cstddef>
#include <optional>

#include "daemon/message.h"
#include "daemon/routes/table.h"
#include "daemon/service.h"

namespace trust {

// Every route of the daemon.
std::vector<Route> all_routes();

class RestApplication : public Application {
 public:
  // `service` outlives it.
  explicit RestApplication(Service& service);

  std::size_t max_body(const Request& head) const override;
  bool may_block(const Request& head) const override;
  std::optional<Response> admit(const Request& head) override;
  Answer answer(const Request& request) override;

 private:
  Service& service_;
  Table table_;
};

} // namespace trust
