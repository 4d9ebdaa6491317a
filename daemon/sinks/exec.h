#pragma once
// A command of trustd.toml for each delivery. What it is told stands in variables (docs/sinks.md);
// its standard input is empty.

#include <string>

#include "daemon/named_commands.h"
#include "daemon/sinks/sink.h"

namespace trust {

// What the command sees of a delivery.
Variables variables_of(const Delivery& delivery);

class ExecSink : public Sink {
 public:
  // `commands` outlives it and knows the name.
  ExecSink(const NamedCommands& commands, std::string name)
      : commands_(commands), name_(std::move(name)) {}

  void deliver(const Delivery& delivery, int stop_fd) override;
  bool is_for_people() const override { return true; }

 private:
  const NamedCommands& commands_;
  const std::string name_;
};

} // namespace trust
