#pragma once
// A POST for each delivery, to a server that the store trusts: dialled and judged like any other
// connection, pins included. Ten seconds in all, no redirect, the answer bounded; taken is what is
// answered with 2xx.

#include <functional>
#include <memory>
#include <string>

#include "daemon/config.h"
#include "daemon/sinks/sink.h"
#include "libtrust/connection.h"

namespace trust {

inline constexpr std::chrono::milliseconds kWebhookTime{10'000};

class WebhookSink : public Sink {
 public:
  // `connector`: by what is published; called at a delivery, and throws as PublishedStore::open
  // does while nothing is.
  WebhookSink(SinkConfig config, std::function<std::shared_ptr<const Connector>()> connector);

  void deliver(const Delivery& delivery, int stop_fd) override;
  bool is_for_people() const override;
  std::optional<std::chrono::seconds> refresh_interval() const override;

 private:
  const SinkConfig config_;
  const std::function<std::shared_ptr<const Connector>()> connector_;
};

} // namespace trust
